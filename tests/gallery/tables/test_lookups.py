"""Pictures looked up by keys are those that a look at all of them finds, and no other is read."""

from pathlib import Path

import numpy as np
import pytest

from crossgraph.gallery.tables import key_files, lance
from crossgraph.gallery.tables.items import Item, Known, caption_id
from crossgraph.gallery.tables.lookups import drop_unused, items_by_name, known_by, stored_captions
from crossgraph.gallery.tables.store import Store

ODD = "/photos/it's 100% \\ here.jpg"


@pytest.fixture(params=["noted", "indexed", "scanned"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(lance, "INDEXED_FROM", 1)
    monkeypatch.setattr(key_files, "NOTED_FROM", 1)
    if request.param == "indexed":
        monkeypatch.setattr(lance.Table, "_key_files", None)  # as in an object store
    store = Store(tmp_path / "gallery", width=2)
    add(store, *(item(number) for number in range(20)), item(20, path=ODD))
    if request.param != "scanned":
        store.index_keys()
        indexes = {one.name for one in store.tables["items"].dataset.describe_indices()}
        assert indexes == ({"id_idx", "path_idx", "digest_idx"} if request.param == "indexed" else set())
        assert {store.tables["items"].unindexed(column) for column in ("id", "path", "digest")} == {0}
    add(store, item(21), item(22))  # of which nothing is noted yet
    assert store.tables["items"].unindexed("id") == (None if request.param == "scanned" else 2)
    return store


def item(number: int, *, path: str = "", digest: str = "", captions: tuple[str, ...] | None = None) -> Item:
    said = (f"caption {number}", "of all") if captions is None else captions
    return Item(f"id-{number}", Path(path or f"/photos/{number}.jpg"), digest or f"digest-{number}", 4, 3, said)


def add(store: Store, *items: Item) -> None:
    texts = sorted({text for one in items for text in one.captions})
    if texts:
        store.write_captions(texts, np.ones((len(texts), 2), np.float32))
    store.write_items(items, np.ones((len(items), 2), np.float32))


@pytest.mark.parametrize("column", ["id", "path", "digest"])
def test_pictures_are_found_by_each_key(store: Store, column: str) -> None:
    everything = sorted(store.known().values(), key=lambda one: one.id)
    wanted = [*(getattr(one, column) for one in everything[::3]), "nothing", "\udcff", "' OR id != '"]
    found = known_by(store, column, wanted)
    expected: list[Known] = [one for one in everything if getattr(one, column) in wanted]
    assert sorted(found, key=lambda one: one.id) == expected


def test_more_keys_than_one_filter_takes_are_found(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lance, "FETCH_LIMIT", 3)
    assert len(known_by(store, "id", (f"id-{number}" for number in range(100)))) == 23
    assert known_by(store, "id", []) == []


def test_a_picture_is_called_by_its_id_or_whole_path_and_an_id_comes_first(store: Store) -> None:
    add(store, item(30, path="/photos/id-3"))
    names: list[str | Path] = ["id-3", "/photos/4.jpg", Path("/photos/../photos/5.jpg"), ODD, "4.jpg", "nobody"]
    found = items_by_name(store, names)
    assert {name: one.id for name, one in found.items()} == {
        "id-3": "id-3",
        "/photos/4.jpg": "id-4",
        Path("/photos/../photos/5.jpg"): "id-5",
        ODD: "id-20",
    }
    assert found["id-3"] == store.snapshot().item(store.snapshot().row("id-3") or 0)


def test_captions_that_are_stored_are_told_from_others(store: Store) -> None:
    ids = {caption_id("of all"), caption_id("caption 3"), caption_id("caption 21")}
    assert stored_captions(store, {*ids, caption_id("never said")}) == ids


def test_what_only_a_picture_that_went_had_goes_with_it_and_what_others_have_stays(store: Store) -> None:
    add(store, item(40, digest="digest-3", captions=("caption 3",)))
    gone = known_by(store, "id", ["id-3", "id-4"])
    store.remove_items(["id-3", "id-4"])
    drop_unused(store, (one.digest for one in gone), [caption_id(text) for one in gone for text in one.captions])
    left = store.known_captions()
    assert caption_id("caption 4") not in left
    assert {caption_id("of all"), caption_id("caption 3"), caption_id("caption 5")} <= left
    before = left
    store.drop_orphans()
    assert store.known_captions() == before  # there was nothing else to drop
