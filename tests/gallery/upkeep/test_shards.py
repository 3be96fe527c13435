"""Searches of a gallery on disk against the same gallery in memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest
from lance.dataset import Index

from crossgraph.errors import GalleryError
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.search.results import SearchResults
from crossgraph.gallery.stages.unit_length import unit_rows
from crossgraph.gallery.tables.disk_matrix import DiskMatrix
from crossgraph.gallery.tables.items import Item
from crossgraph.gallery.tables.likeness import BYTES
from crossgraph.gallery.tables.manifest import Manifest
from crossgraph.gallery.tables.matrix import Matrix
from crossgraph.gallery.tables.shards import Build, ShardTask
from crossgraph.gallery.upkeep.shards import shard, shard_recall
from tests.gallery.fake_model import WIDTH, FakeModel, coded_model

ROWS, MORE = 600, 80
ALL = 10**6
ASKED = ("red car", "blue house by a lake", "thing")


def write(gallery: Gallery, start: int, count: int, *, seed: int) -> None:
    """Pictures whose vectors and codes tie often: every seventh has the vector of the one before; codes of 16 bits."""
    vectors = unit_rows(np.random.default_rng(seed).standard_normal((count, WIDTH)))
    vectors[7::7] = vectors[6:-1:7][: len(vectors[7::7])]
    looks = np.random.default_rng(seed).integers(0, 256, (count, BYTES), np.uint8)
    looks[1::9] = looks[0:-1:9][: len(looks[1::9])]
    names = [f"{row:05}" for row in range(start, start + count)]
    labels = [("even",) if row % 2 else ("odd",) for row in range(start, start + count)]
    items = [
        Item(name, Path(f"/pictures/{name}.jpg"), name, 8, 8, (f"caption {name}",), label, look.tobytes())
        for name, label, look in zip(names, labels, looks, strict=True)
    ]
    model = gallery.require_model()
    codes = None if model.coder is None else model.coder.codes_of_vectors(vectors)
    gallery.store.write_captions([item.captions[0] for item in items], np.roll(vectors, 1, axis=0), codes)
    gallery.store.write_items(items, vectors, codes)


def dense_only() -> FakeModel:
    """A model without codes that re-ranks nothing."""
    return FakeModel("dense", fine=False)


def with_codes() -> FakeModel:
    """The same with codes."""
    model = dense_only()
    model.coder = coded_model().coder
    return model


@pytest.fixture(params=[dense_only, with_codes], ids=["vectors", "codes"])
def model(request: pytest.FixtureRequest) -> FakeModel:
    """With and without codes."""
    made: FakeModel = request.param()
    return made


@pytest.fixture
def folder(tmp_path: Path, model: FakeModel) -> Path:
    """A gallery with shards."""
    gallery = Gallery.create(tmp_path / "gallery", model)
    write(gallery, 0, ROWS, seed=0)
    shard(gallery, lists=12, rows=ROWS)
    return gallery.folder


def both(folder: Path, model: FakeModel) -> tuple[Gallery, Gallery]:
    """The gallery in memory, and on disk."""
    return Gallery.open(folder, model, memory="whole"), Gallery.open(folder, model, memory="disk")


def told(results: SearchResults) -> list[tuple[object, ...]]:
    """All that a search says of its answers."""
    return [(one.id, one.score, one.caption, one.ranks, one.scores, one.similar_ids) for one in results.results]


def options(**given: object) -> SearchOptions:
    """Options that probe all lists."""
    return SearchOptions(**({"k": 40, "probe": ALL} | given))


VARIANTS: Sequence[dict[str, object]] = (
    {},
    {"candidates": 90},
    {"candidates": 0},
    {"fold": True, "k": 10},
    {"target": "captions"},
    {"where": "label = 'even'"},
    {"where": "id between '00010' and '00012'"},
    {"offset": 17},
    {"k": ROWS + MORE + 5},
)


def same_answers(folder: Path, model: FakeModel) -> Iterator[bool]:
    """Whether memory and disk give the same, to the last tie, variant by variant."""
    memory, disk = both(folder, model)
    for given in VARIANTS:
        for sentence in ASKED:
            yield told(memory.search(sentence, options(**given))) == told(disk.search(sentence, options(**given)))


def test_probing_every_list_is_the_full_search_to_the_last_tie(folder: Path, model: FakeModel) -> None:
    memory, disk = both(folder, model)
    assert isinstance(memory.snapshot().vectors, Matrix)
    assert isinstance(disk.snapshot().vectors, DiskMatrix)
    assert all(same_answers(folder, model))


def test_a_filter_that_keeps_many_is_the_full_search_too(
    folder: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossgraph.gallery.stages.sharded.FETCHED", 5)
    assert all(same_answers(folder, model))


def test_added_changed_and_removed_pictures_are_followed(folder: Path, model: FakeModel) -> None:
    memory, disk = both(folder, model)
    disk.search("red car")
    write(memory, ROWS, MORE, seed=1)  # in no shard
    write(memory, 20, 30, seed=2)  # replaced
    removed = [item.id for item in memory.remove([f"{row:05}" for row in range(100, 140)])]
    for given in VARIANTS:
        found = disk.search("red car", options(**given))
        assert told(memory.search("red car", options(**given))) == told(found)
        assert not {one.id for one in found.results} & set(removed)
    memory.store.optimize()  # compaction and the rest into shards
    assert told(memory.search("thing", options())) == told(disk.search("thing", options()))
    assert all(same_answers(folder, model))


def test_few_lists_find_less_and_what_they_find_is_in_order(folder: Path, model: FakeModel) -> None:
    memory, disk = both(folder, model)
    whole = {one.id: one.score for one in memory.search("red car", SearchOptions(k=ROWS, candidates=ROWS)).results}
    found = disk.search("red car", SearchOptions(k=20, candidates=ROWS, probe=1))
    scores = [one.score for one in found.results]
    assert len(scores) == 20
    assert scores == sorted(scores, reverse=True)
    assert [whole[one.id] for one in found.results] == scores
    assert next(iter(found.compared.values())) == round(ROWS / 12)


def test_as_many_answers_as_are_asked_for_whatever_is_probed(folder: Path, model: FakeModel) -> None:
    found = Gallery.open(folder, model, memory="disk").search("thing", SearchOptions(k=ROWS, candidates=ROWS, probe=1))
    assert len(found.results) == ROWS


def test_recall_of_all_lists_is_whole_and_of_one_is_not(folder: Path, model: FakeModel) -> None:
    found = shard_recall(Gallery.open(folder, model, memory="disk"), queries=20, probes=(1, ALL))
    stages = {one.stage for one in found}
    assert stages == ({"shortlist"} if model.coder is None else {"codes", "shortlist"})
    assert all(one.recall_10 == pytest.approx(1) == one.recall_100 for one in found if one.probes == 12)
    assert all(one.recall_100 < 1 for one in found if one.probes == 1 and one.stage == "shortlist")


def test_recall_needs_shards(tmp_path: Path) -> None:
    gallery = Gallery.create(tmp_path / "gallery", dense_only())
    write(gallery, 0, 20, seed=0)
    with pytest.raises(GalleryError, match="gallery shard"):
        shard_recall(Gallery.open(gallery.folder, dense_only(), memory="disk"))


def test_several_shards_built_elsewhere_answer_as_one(tmp_path: Path) -> None:
    model, built = with_codes(), list[ShardTask]()
    gallery = Gallery.create(tmp_path / "gallery", model)
    for start in range(0, ROWS, 200):
        write(gallery, start, 200, seed=start)

    def elsewhere(build: Build, tasks: Sequence[ShardTask]) -> Iterator[Index]:
        built.extend(tasks)
        return (build(task) for task in reversed(tasks))

    done = shard(gallery, rows=200, each=elsewhere)
    assert {one.shards for one in done} == {3}
    assert {one.inside for one in done} == {ROWS}
    assert len(built) == 12  # pictures and captions, vectors and codes
    assert all(same_answers(gallery.folder, model))


def test_shards_again_hold_what_was_added_and_anew_all_in_one(folder: Path, model: FakeModel) -> None:
    gallery = Gallery.open(folder, model)
    write(gallery, ROWS, MORE, seed=1)
    assert {(one.rows, one.inside, one.lists) for one in shard(gallery)} == {(ROWS + MORE, ROWS + MORE, 12)}
    again = shard(gallery, anew=True)
    assert {(one.shards, one.lists) for one in again} == {(1, 26)}
    assert all(same_answers(folder, model))


def test_a_gallery_stays_in_memory_until_it_has_shards_and_is_large(
    folder: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(Gallery.open(folder, model).snapshot().vectors, Matrix)
    monkeypatch.setattr("crossgraph.gallery.folder.MOST_IN_MEMORY", 1000)
    assert isinstance(Gallery.open(folder, model).snapshot().vectors, DiskMatrix)


def test_codes_of_galleries_made_before_stay_in_memory(tmp_path: Path) -> None:
    model = with_codes()
    folder = Gallery.create(tmp_path / "gallery", model).folder
    for name in ("items", "captions"):
        place = folder / f"{name}.lance"
        schema = lance.dataset(place).schema
        before = schema.set(schema.get_field_index("code"), pa.field("code", pa.binary(2)))
        lance.write_dataset(before.empty_table(), place, mode="overwrite")
    Manifest.read(folder).model_copy(update={"format": 3}).write(folder)
    gallery = Gallery.open(folder, model)
    write(gallery, 0, ROWS, seed=0)
    assert Manifest.read(folder).format == 3  # who knows 3 only can read it still
    assert {one.column for one in shard(gallery)} == {"vector"}
    disk = Gallery.open(folder, model, memory="disk").snapshot()
    assert isinstance(disk.codes, Matrix)
    assert isinstance(disk.vectors, DiskMatrix)
    assert all(same_answers(folder, model))
