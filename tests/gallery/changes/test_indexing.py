"""Encoding a batch of pictures apart from storing it."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crossgraph.data.images import Picture, image_bytes_digest, read_image, read_picture
from crossgraph.gallery.changes import describing_reader
from crossgraph.gallery.changes.describing_reader import CHANGED, DescribingReader
from crossgraph.gallery.changes.encoded import EncodedEntries
from crossgraph.gallery.changes.indexing import Entry, FileState, commit, commit_entries, describe, encode_entries
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.stages.codes import RandomPlanes
from crossgraph.gallery.tables.items import caption_id
from crossgraph.gallery.tables.likeness import APART, COLOURS, look_alike, perceptual_hash
from crossgraph.gallery.tables.store import Store
from tests.gallery.fake_model import WIDTH, AsItIs, FakeHashing, FakeModel


@pytest.fixture(params=["re-ranked", "coded", "by embedding", "codes alone"])
def any_model(request: pytest.FixtureRequest) -> FakeModel:
    """Models with every set of stages."""
    if request.param == "codes alone":
        return FakeHashing("codes")
    if request.param == "by embedding":
        return FakeModel("dense", fine=False)
    model = FakeModel("fine", fine=True, shortlist=FakeModel("dense", fine=False))
    if request.param == "coded":
        model.coder = RandomPlanes(16, width=WIDTH)
    return model


def entries(folder: Path) -> list[Entry]:
    """The pictures of a folder with two captions each, one of them shared by all."""
    found = []
    for place, path in enumerate(sorted(folder.glob("*.png"))):
        state = FileState.of(path)
        assert state is not None
        captions = (f"thing number {place}", "shared")
        found.append(
            Entry(f"id{place}", path, image_bytes_digest(path), state, captions, ("label",), folder.name, None)
        )
    return found


def everything(gallery: Gallery) -> dict[str, object]:
    """What the tables of a gallery hold, but for when it was written."""
    tables = {name: table.read() for name, table in gallery.store.tables.items()}
    plain = {
        name: table.drop_columns([c for c in table.column_names if c == "indexed_at"]) for name, table in tables.items()
    }
    return {name: sorted(map(str, table.to_pylist())) for name, table in plain.items()}


def test_encoding_touches_no_store(any_model: FakeModel, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name, value in vars(Store).items() if callable(value)]:
        monkeypatch.setattr(Store, name, lambda *_, **__: pytest.fail("encoding used a store"))
    before = sorted(images.parent.rglob("*"))
    encoded = encode_entries(any_model, entries(images))
    assert [item.id for item in encoded.items] == [f"id{place}" for place in range(12)]
    assert len(encoded.images.vectors) == 12
    assert set(encoded.texts) == {"shared", *(f"thing number {place}" for place in range(12))}
    assert sorted(images.parent.rglob("*")) == before


def test_encoding_and_storing_apart_gives_what_indexing_gives(
    any_model: FakeModel, images: Path, tmp_path: Path
) -> None:
    at_once, apart = (Gallery.create(tmp_path / name, any_model) for name in ("at once", "apart"))
    commit(at_once.store, any_model, entries(images), set())
    for batch in (entries(images)[:7], entries(images)[7:]):
        commit_entries(apart.store, encode_entries(any_model, batch))
    assert everything(apart) == everything(at_once)
    options = SearchOptions(k=12)
    assert apart.search("a red thing", options).results == at_once.search("a red thing", options).results


def test_storing_a_batch_twice_gives_the_same_gallery(any_model: FakeModel, images: Path, tmp_path: Path) -> None:
    gallery = Gallery.create(tmp_path / "gallery", any_model)
    encoded = encode_entries(any_model, entries(images))
    commit_entries(gallery.store, encoded)
    once = everything(gallery)
    commit_entries(gallery.store, encoded)
    assert everything(gallery) == once


@pytest.mark.parametrize("way", ["pickle", "arrow"])
def test_an_encoded_batch_stores_the_same_after_a_journey(
    any_model: FakeModel, images: Path, tmp_path: Path, way: str
) -> None:
    (images / "003.png").write_bytes(b"no picture")
    encoded = encode_entries(any_model, entries(images))
    assert [entry.path.name for entry in encoded.skipped] == ["003.png"]
    sent = pickle.loads(pickle.dumps(encoded)) if way == "pickle" else EncodedEntries.from_arrow(encoded.to_arrow())
    assert (sent.items, sent.texts, sent.skipped) == (encoded.items, encoded.texts, encoded.skipped)
    here, there = (Gallery.create(tmp_path / name, any_model) for name in ("here", "there"))
    commit_entries(here.store, encoded)
    commit_entries(there.store, sent)
    assert everything(there) == everything(here)


def test_a_batch_of_nothing_travels_and_stores_nothing(any_model: FakeModel, tmp_path: Path) -> None:
    gallery = Gallery.create(tmp_path / "gallery", any_model)
    encoded = encode_entries(any_model, [])
    assert commit_entries(gallery.store, EncodedEntries.from_arrow(encoded.to_arrow())) == []
    assert len(gallery) == 0


def test_scene_graphs_travel_as_arrow(images: Path, tmp_path: Path) -> None:
    from tests.gallery.graph_model import GraphModel

    model = GraphModel("racg")
    encoded = encode_entries(model, entries(images))
    sent = EncodedEntries.from_arrow(encoded.to_arrow())
    here, there = (Gallery.create(tmp_path / name, model) for name in ("here", "there"))
    commit_entries(here.store, encoded)
    commit_entries(there.store, sent)
    assert everything(there) == everything(here)


def test_only_captions_that_are_not_known_are_encoded(any_model: FakeModel, images: Path) -> None:
    batch = entries(images)[:2]
    encoded = encode_entries(any_model, batch, captions=["another"], known={caption_id("shared")})
    assert encoded.texts == ("another", "thing number 0", "thing number 1")
    assert encoded.captions.keys == tuple(map(caption_id, encoded.texts))


def test_a_copy_of_a_stored_picture_is_not_encoded_again(any_model: FakeModel, images: Path, tmp_path: Path) -> None:
    gallery = Gallery.create(tmp_path / "gallery", any_model)
    first, *_ = entries(images)
    commit(gallery.store, any_model, [first], set())
    any_model.encoded_paths.clear()
    items, skipped = commit(gallery.store, any_model, [replace(first, id="copy", duplicate_of="id0")], set())
    assert ([item.id for item in items], skipped, any_model.encoded_paths) == (["copy"], [], [])
    assert np.array_equal(*gallery.snapshot().vectors.whole())


def test_each_picture_is_decoded_once(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[Path] = []

    def counted(path: Path, *, shorter_side: int | None = None) -> Picture:
        decoded.append(path)
        return read_picture(path, shorter_side=shorter_side)

    monkeypatch.setattr(describing_reader, "read_picture", counted)
    encoded = encode_entries(FakeModel("dense", fine=False), entries(images))
    assert sorted(decoded) == sorted(item.path for item in encoded.items)
    for item in encoded.items:
        image = read_image(item.path)
        assert (item.width, item.height, item.perceptual_hash) == (*image.size, perceptual_hash(image))


def test_a_batch_in_which_nothing_can_be_read_says_so_of_each(images: Path) -> None:
    found = entries(images)[:3]
    for entry in found:
        entry.path.write_bytes(b"no picture")
    changed = encode_entries(FakeModel("dense", fine=False), found)
    broken = encode_entries(FakeModel("dense", fine=False), entries(images)[:3])
    assert (changed.items, broken.items) == ((), ())
    assert [one.path for one in changed.skipped] == [one.path for one in broken.skipped] == [one.path for one in found]
    assert all("not a picture" in one.reason for one in broken.skipped)


def test_a_picture_that_has_another_content_than_was_found_is_not_taken(images: Path) -> None:
    found = entries(images)
    found[2].path.write_bytes(found[3].path.read_bytes())
    model = FakeModel("dense", fine=False)
    encoded = encode_entries(model, found)
    assert [(one.path, one.reason) for one in encoded.skipped] == [(found[2].path, CHANGED)]
    assert [item.id for item in encoded.items] == [entry.id for entry in found if entry is not found[2]]
    assert np.array_equal(encoded.images.vectors, encode_entries(model, found[:2] + found[3:]).images.vectors)


def test_a_photo_read_reduced_looks_and_reads_as_it_does_whole(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    small = Image.fromarray(random.integers(0, 256, (60, 80, 3), dtype=np.uint8))
    photo = np.asarray(small.resize((2400, 1800), Image.Resampling.BICUBIC), np.int16)
    noisy = (photo + random.normal(0, 6, (1800, 2400, 1))).clip(0, 255).astype(np.uint8)
    path = tmp_path / "photo.jpg"
    Image.fromarray(noisy).save(path, quality=90)
    state = FileState.of(path)
    assert state is not None
    item = describe(Entry("id", path, image_bytes_digest(path), state, (), (), "", None))
    whole = perceptual_hash(read_image(path))
    assert (item.width, item.height) == (2400, 1800)
    hashes = np.frombuffer(whole + item.perceptual_hash, np.uint8).reshape(2, -1)
    assert look_alike(hashes[:1], hashes[1]).all()
    assert np.bitwise_count(hashes[0, COLOURS:] ^ hashes[1, COLOURS:]).sum() <= APART / 4
    assert np.abs(hashes[0, :COLOURS].astype(int) - hashes[1, :COLOURS]).max() <= 2


def test_encoders_that_prepare_alike_share_what_was_read(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[Path] = []

    def counted(path: Path, *, shorter_side: int | None = None) -> Picture:
        decoded.append(path)
        return read_picture(path, shorter_side=shorter_side)

    monkeypatch.setattr(describing_reader, "read_picture", counted)
    one, alike, other = AsItIs(), AsItIs(), AsItIs()
    one.prepares, alike.prepares, other.prepares = 3, 3, 4
    path = images / "001.png"
    reader = DescribingReader({path: image_bytes_digest(path)})
    first = reader.read(path, one)
    assert reader.read(path, alike) is first
    assert len(decoded) == 1
    assert np.array_equal(np.asarray(reader.read(path, other)), np.asarray(first))
    assert len(decoded) == 2
