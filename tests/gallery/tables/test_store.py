from pathlib import Path

import numpy as np
import pytest
import torch

from crossgraph.errors import GalleryError
from crossgraph.gallery.tables.items import Item, caption_id, item_id
from crossgraph.gallery.tables.parts import pad_fine
from crossgraph.gallery.tables.store import Store
from crossgraph.types import ATTRIBUTE, OBJECT, RELATION, Encoded, NodeBatch

A, B, C = "0a" * 16, "0b" * 16, "0c" * 16


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "gallery", width=2)


def fine(*counts: int, seed: int = 0) -> Encoded:
    """Random rows with that many real parts, padded with rubbish."""
    random = torch.Generator().manual_seed(seed)
    parts = torch.randn(len(counts), max(counts), 3, generator=random)
    mask = torch.arange(max(counts)) < torch.tensor(counts)[:, None]
    return Encoded(torch.randn(len(counts), 4, generator=random), parts, mask)


def graphs() -> Encoded:
    """Two objects, a relation back and an attribute; one object alone; two objects and an attribute."""
    kinds = torch.tensor([[OBJECT, OBJECT, RELATION, ATTRIBUTE], [OBJECT] * 4, [OBJECT, OBJECT, ATTRIBUTE, OBJECT]])
    ends = torch.tensor(
        [[[0, 0], [1, 1], [1, 0], [1, 1]], [[0, 0], [0, 0], [0, 0], [0, 0]], [[0, 0], [1, 1], [0, 0], [0, 0]]]
    )
    plain = fine(4, 1, 3)
    assert plain.mask is not None
    return Encoded(plain.embedding, plain.parts, plain.mask, NodeBatch(kinds, ends, plain.mask))


def item(name: str, digest: str, *captions: str) -> Item:
    return Item(item_id(Path(name)), Path(name), digest, 4, 3, captions)


def test_fine_features_come_back_as_written_in_the_order_asked(store: Store) -> None:
    written = fine(3, 1, 2)
    store.write_parts([A, B, C], written)
    found = pad_fine(store.fetch([C, A]))
    expected = written[[2, 0]]
    assert torch.equal(found.embedding, expected.embedding)
    assert torch.equal(found.mask, expected.mask)
    assert torch.equal(found.parts, expected.parts * expected.mask[..., None])


def test_padding_is_only_as_wide_as_the_rows_fetched(store: Store) -> None:
    store.write_parts([A, B, C], fine(3, 1, 2))
    assert pad_fine(store.fetch([B, C])).parts.shape == (2, 2, 3)


def test_embeddings_without_parts_come_back_without_parts(store: Store) -> None:
    written = Encoded(torch.randn(2, 4))
    store.write_parts([A, B], written)
    found = pad_fine(store.fetch([B, A]))
    assert found.parts is None
    assert found.mask is None
    assert torch.equal(found.embedding, written.embedding[[1, 0]])


def test_nodes_come_back_as_written_with_any_number_of_nodes_and_relations(store: Store) -> None:
    written = graphs()
    store.write_parts([A, B, C], written)
    for keys, rows in (([C, A], [2, 0]), ([B], [1]), ([B, C], [1, 2])):
        found, expected = pad_fine(store.fetch(keys)), written[rows].without_padding()
        assert found.nodes is not None
        assert expected.nodes is not None
        assert torch.equal(found.mask, found.nodes.mask)
        assert torch.equal(found.nodes.mask, expected.nodes.mask)
        assert torch.equal(found.nodes.kinds, expected.nodes.kinds * expected.nodes.mask)
        assert torch.equal(found.nodes.ends, expected.nodes.ends * expected.nodes.mask[..., None])
        assert torch.equal(found.parts, expected.parts * expected.mask[..., None])


def test_parts_that_are_no_nodes_come_back_without_nodes(store: Store) -> None:
    store.write_parts([A], fine(2))
    assert pad_fine(store.fetch([A])).nodes is None


def test_a_key_written_twice_is_stored_once_as_first_written(store: Store) -> None:
    first = fine(2, 2, 2)
    store.write_parts([A, A, B], first)
    store.write_parts([B, C], fine(2, 2, seed=1))
    found = pad_fine(store.fetch([A, B]))
    assert torch.equal(found.parts, first.parts[[0, 2]])
    assert store.tables["parts"].count_rows() == 3


def test_many_keys_are_fetched_in_pieces(store: Store) -> None:
    keys = [f"{index:032x}" for index in range(1100)]
    written = Encoded(torch.randn(1100, 4))
    store.write_parts(keys, written)
    assert torch.equal(pad_fine(store.fetch(keys[::-1])).embedding, written.embedding.flip(0))


def test_a_missing_key_is_an_error(store: Store) -> None:
    with pytest.raises(GalleryError, match="Search again"):
        store.fetch([A])


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_parts_that_are_not_finite_are_refused(store: Store, value: float) -> None:
    with pytest.raises(GalleryError, match="not finite"):
        store.write_parts([A], Encoded(torch.ones(1, 4), torch.full((1, 2, 3), value)))
    assert store.tables["parts"].count_rows() == 0


def test_a_snapshot_is_in_order_of_id_and_knows_who_carries_a_caption(store: Store) -> None:
    items = [item("x", A, "two", "one"), item("y", B, "two"), item("z", C)]
    store.write_captions(["one", "two"], np.eye(2, dtype=np.float32))
    store.write_items(items, np.arange(6, dtype=np.float32).reshape(3, 2))
    snapshot = store.snapshot()
    ids = sorted(one.id for one in items)
    assert snapshot.items["id"].to_pylist() == ids
    for row, key in enumerate(ids):
        written = next(one for one in items if one.id == key)
        assert snapshot.item(row) == written
        assert snapshot.vectors[row].tolist() == [2.0 * items.index(written), 2.0 * items.index(written) + 1]
    for row, text in enumerate(snapshot.captions["text"].to_pylist()):
        assert snapshot.caption_owners[row] == min(ids.index(one.id) for one in items if text in one.captions)


def test_captions_and_parts_without_a_picture_are_invisible_and_can_be_dropped(store: Store) -> None:
    store.write_parts([A, B, caption_id("kept"), caption_id("lost")], fine(1, 1, 1, 1))
    store.write_captions(["kept", "lost"], np.eye(2, dtype=np.float32))
    store.write_items([item("x", A, "kept")], np.ones((1, 2), np.float32))
    assert store.snapshot().captions["text"].to_pylist() == ["kept"]
    store.drop_orphans()
    assert store.known_captions() == {caption_id("kept")}
    assert sorted(store.tables["parts"].read()["key"].to_pylist()) == sorted([A, caption_id("kept")])


def test_the_version_changes_with_every_write_of_another_process(store: Store) -> None:
    before = store.version()
    Store(store.folder, width=2).write_items([item("x", A)], np.ones((1, 2), np.float32))
    assert store.version() != before
    assert len(store.snapshot().items) == 1


def test_a_second_writer_is_refused_until_the_first_is_done(store: Store) -> None:
    other = Store(store.folder, width=2)
    with store.writing(), pytest.raises(GalleryError, match="another process is indexing"), other.writing():
        pass
    with other.writing():
        pass
