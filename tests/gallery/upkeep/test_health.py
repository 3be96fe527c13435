import csv
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from crossgraph.errors import GalleryError
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.tables.parts import pad_fine
from crossgraph.gallery.tables.store import Store
from crossgraph.gallery.upkeep.export import export_file, export_lines, format_of
from crossgraph.gallery.upkeep.health import optimize, verify
from crossgraph.gallery.upkeep.migrate import migrate
from crossgraph.gallery.upkeep.stats import gallery_stats
from tests.gallery.fake_model import FakeHashing, FakeModel, draw_images


@pytest.fixture
def gallery(tmp_path: Path, model: FakeModel, captioned: Path) -> Gallery:
    made = Gallery.create(tmp_path / "gallery", model, run="runs/fine")
    made.sync([captioned], batch=2)
    return made


def problems(gallery: Gallery) -> list[tuple[str, str]]:
    return [(Path(one.subject).name, one.message.split(";")[0]) for one in verify(gallery).problems]


def test_a_caption_file_that_names_few_leaves_the_others_unfollowed_and_not_left_out(
    gallery: Gallery, captioned: Path
) -> None:
    for file in (*captioned.glob("*.txt"), *captioned.glob("*.json*"), *captioned.glob("*.csv")):
        file.unlink()
    (captioned / "captions.csv").write_text("image,caption\n000.png,a red ball\n", encoding="utf-8")
    (captioned / "new.png").write_bytes((captioned / "001.png").read_bytes() + b"more")
    gallery.sync()
    gallery.remove([captioned / "002.png"])
    found = gallery_stats(gallery.folder)
    assert (found.rows, found.skipped, found.removed, found.unfollowed) == (5, 1, 1, 4)


def test_stats_count_what_there_is(gallery: Gallery, captioned: Path) -> None:
    shutil.copy(captioned / "000.png", captioned / "copy.png")
    (captioned / "bad.png").touch()
    gallery.sync()
    gallery.annotate({captioned / "000.png": {"year": 3}})
    found = gallery_stats(gallery.folder)
    assert (found.rows, found.captions, found.annotated, found.skipped, found.equal) == (7, 9, 1, 1, 1)
    assert {table.name: table.rows for table in found.tables} == {"items": 7, "captions": 9, "parts": 15, "notes": 1}
    assert found.fragments == sum(table.fragments for table in found.tables) >= 4
    assert found.bytes >= sum(table.bytes for table in found.tables) > 0
    assert (found.model, found.shortlist, found.run) == ("fine", "dense", "runs/fine")
    assert (found.sources, found.columns, found.optimized_at) == ((str(captioned),), ("year",), None)
    (captioned / "000.png").unlink()
    gallery.sync()
    assert (gallery_stats(gallery.folder).annotated, gallery_stats(gallery.folder).columns) == (0, ())


def test_optimizing_merges_files_and_is_noted(gallery: Gallery, captioned: Path) -> None:
    before, results = gallery_stats(gallery.folder), gallery.search("thing", SearchOptions(k=6)).results
    first, last = optimize(gallery, keep=timedelta(0))
    after = gallery_stats(gallery.folder)
    assert (before.bytes, after.rows) == (first, 6)
    assert last < first
    assert [table.fragments for table in after.tables] == [1, 1, 1]
    assert after.optimized_at is not None
    assert after.optimized_saved == first - last
    assert gallery.search("thing", SearchOptions(k=6)).results == results
    assert verify(gallery).problems == ()


def test_a_whole_gallery_verifies_without_a_model(gallery: Gallery) -> None:
    found = verify(Gallery.open(gallery.folder), rehash=True)
    assert (found.rows, found.found, found.features, found.files, found.orphans) == (6, 6, 15, 6, 0)
    assert found.problems == ()


def test_verify_names_every_kind_of_damage(gallery: Gallery, captioned: Path) -> None:
    items, parts = gallery.store.tables["items"], gallery.store.tables["parts"]
    digests = {name: gallery.item(captioned / name).digest for name in ("000.png", "001.png", "002.png")}
    parts.delete(f"key = '{digests['000.png']}'")
    parts.dataset.update({"count": "99"}, f"key = '{digests['001.png']}'")
    rows = items.read(where=f"digest = '{digests['002.png']}'")
    zeros = pa.array([[0.0] * 8] * len(rows), rows.schema.field("vector").type)
    items.replace(rows.set_column(rows.schema.get_field_index("vector"), "vector", zeros), "id")
    (captioned / "003.png").unlink()
    shutil.copy(captioned / "005.png", captioned / "004.png")
    assert sorted(problems(Gallery.open(gallery.folder))) == [
        ("000.png", "its features are not stored"),
        ("001.png", "its features are not finite or cut off"),
        ("002.png", "its vector is not finite or all zero"),
        ("003.png", "its file is gone"),
        ("004.png", "its file changed, or only its time"),
    ]


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_verify_sees_a_vector_that_is_not_finite(gallery: Gallery, captioned: Path, value: float) -> None:
    items = gallery.store.tables["items"]
    rows = items.read(where=f"digest = '{gallery.item(captioned / '002.png').digest}'")
    damaged = pa.array([[value] + [0.5] * 7] * len(rows), rows.schema.field("vector").type)
    items.replace(rows.set_column(rows.schema.get_field_index("vector"), "vector", damaged), "id")
    found = Gallery.open(gallery.folder)
    assert problems(found) == [("002.png", "its vector is not finite or all zero")]
    assert verify(found).found == 5


def test_verify_sees_rows_that_are_there_twice_and_features_that_nobody_uses(gallery: Gallery) -> None:
    items = gallery.store.tables["items"]
    items.dataset.insert(items.read().slice(0, 1))
    fine = gallery.store.fetch([gallery.snapshot().items["digest"][0].as_py()])
    gallery.store.write_parts(["0f" * 16], pad_fine(fine))
    found = verify(gallery)
    assert {one.message.split(";")[0] for one in found.problems} == {"is twice in the table items"}
    assert found.orphans == 1


def test_verify_sees_a_caption_that_is_not_stored(gallery: Gallery) -> None:
    gallery.store.tables["captions"].delete("text = 'thing number 3'")
    assert problems(gallery) == [("003.png", "its caption 'thing number 3' is not stored")]


def test_exports_hold_every_picture_and_column(gallery: Gallery, captioned: Path, tmp_path: Path) -> None:
    gallery.annotate({captioned / "001.png": {"who": 'Ann "B", C'}})
    assert export_file(gallery, tmp_path / "all.csv", format="csv") == 6
    with (tmp_path / "all.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    by_path = {Path(row["path"]).name: row for row in rows}
    assert by_path["001.png"]["who"] == 'Ann "B", C'
    assert by_path["001.png"]["caption"] == "thing number 1\nshape of kind 0"
    lines = [json.loads(line) for line in export_lines(gallery, format="jsonl", where="who is not null")]
    assert [(line["width"], line["caption"]) for line in lines] == [(24.0, ["thing number 1", "shape of kind 0"])]
    assert sorted(export_lines(gallery, format="paths")) == sorted(str(path) for path in captioned.glob("*.png"))
    assert format_of(None, tmp_path / "all.csv") == "csv"
    with pytest.raises(GalleryError, match="Did you mean 'csv'"):
        format_of("cvs", None)


def test_the_ending_of_an_export_says_how_it_is_written(gallery: Gallery, tmp_path: Path) -> None:
    said = {"a.CSV": "csv", "a.jsonl": "jsonl", "a.ndjson": "jsonl", "a.json": "json", "a.txt": "paths", "a": "paths"}
    assert {name: format_of(None, tmp_path / name) for name in said} == said
    assert (format_of("csv", tmp_path / "a.xls"), format_of(None, None)) == ("csv", "paths")
    with pytest.raises(GalleryError, match=r"a\.xls: an export ends in \.csv, .*\.txt.*--format too"):
        format_of(None, tmp_path / "a.xls")
    for where, count in (("id is not null", 6), ("id is null", 0)):
        assert export_file(gallery, tmp_path / "all.json", format="json", where=where) == count
        told = json.loads((tmp_path / "all.json").read_text())
        assert told == [json.loads(line) for line in export_lines(gallery, format="jsonl", where=where)]
        assert len(told) == count


def test_an_export_goes_through_pipes_and_links(gallery: Gallery, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as pool:
        got = pool.submit((tmp_path / "pipe").read_text)
        export_file(gallery, tmp_path / "pipe", format="paths")
        assert len(got.result(timeout=30).splitlines()) == 6
    (tmp_path / "link").symlink_to(tmp_path / "file")
    export_file(gallery, tmp_path / "link", format="paths")
    assert len((tmp_path / "file").read_text().splitlines()) == 6


def test_migrating_keeps_all_but_the_features(gallery: Gallery, captioned: Path, tmp_path: Path) -> None:
    gallery.annotate({captioned / "001.png": {"year": 3}})
    gallery.sync([captioned], exclude=["*.gif"])
    before_4 = gallery.manifest.model_copy(update={"format": 3})
    gallery.replace_manifest(before_4)
    other = FakeModel("newer", fine=True, shortlist=FakeModel("newer dense", fine=False))
    before = gallery.snapshot().items.drop_columns(["modified"]).to_pylist()
    done = migrate(Gallery.open(gallery.folder), other, run="runs/newer")
    assert (done.encoded, done.found_encoded, done.left_out) == (6, 0, ())
    reopened = Gallery.open(gallery.folder, other)
    assert reopened.snapshot().items.drop_columns(["modified"]).to_pylist() == before
    assert reopened.manifest.sources == (str(captioned),)
    assert reopened.manifest.excludes == before_4.excludes != {}
    assert reopened.manifest.format == 4  # the new tables are as those of new galleries
    anew = Gallery.create(tmp_path / "anew", other)
    anew.index(captioned)
    assert (
        reopened.search("thing number 3", SearchOptions(k=6)).results
        == anew.search("thing number 3", SearchOptions(k=6)).results
    )
    assert len(reopened.search("thing", SearchOptions(where="year = 3")).results) == 1
    assert verify(reopened).problems == ()
    assert sorted(path.name for path in gallery.folder.glob("*.lance")) == ["notes.lance"]
    with pytest.raises(GalleryError, match=r"encoded by model newer .*this one is fine.*gallery migrate"):
        gallery.search("thing")  # what was open with the old model says so
    assert reopened.sync().unchanged == 6
    with pytest.raises(GalleryError, match="is encoded by fake newer already"):
        migrate(reopened, other)


def test_the_old_model_serves_until_the_switch_and_a_migration_that_was_cut_off_goes_on(
    gallery: Gallery, model: FakeModel, captioned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = gallery.search("thing", SearchOptions(k=6)).results
    other = FakeModel("newer", fine=True)
    write, seen = Store.write_items, []

    def look_meanwhile(self: Store, *words: object, new: bool) -> None:
        write(self, *words, new=new)  # type: ignore[arg-type]
        seen.append(Gallery.open(gallery.folder, model).search("thing", SearchOptions(k=6)).results)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write_items", look_meanwhile)
        with pytest.raises(KeyboardInterrupt):
            migrate(gallery, other, batch=2)
    assert seen == [expected] * 2
    assert gallery_stats(gallery.folder).migrating
    (captioned / "000.txt").write_text("said otherwise\n", encoding="utf-8")  # the old model goes on living
    (captioned / "005.png").unlink()
    assert (gallery.sync().updated, len(gallery)) == (1, 5)
    optimize(gallery)  # does not take what was encoded for rests
    done = migrate(gallery, other, batch=2)
    assert done.encoded + done.found_encoded == 5
    assert done.found_encoded >= 2
    assert gallery.item(captioned / "000.png").captions == ("said otherwise",)
    assert verify(gallery).problems == ()
    assert not gallery_stats(gallery.folder).migrating


def test_tables_that_a_kill_after_the_switch_left_are_removed_by_compaction(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: object) -> None:
        raise KeyboardInterrupt

    other = FakeModel("newer", fine=True)
    with monkeypatch.context() as patch:
        patch.setattr("crossgraph.gallery.upkeep.migrate.remove_leftovers", end)
        with pytest.raises(KeyboardInterrupt):
            migrate(gallery, other)
    (gallery.folder / "gallery.json.123.writing").touch()
    reopened = Gallery.open(gallery.folder, other)
    assert len(reopened.search("thing", SearchOptions(k=6)).results) == 6
    optimize(reopened)
    assert sorted(path.name for path in gallery.folder.iterdir()) == [
        ".lock",
        "gallery.json",
        "skipped.json",
        reopened.manifest.tables,
    ]
    assert len(reopened.search("thing", SearchOptions(k=6)).results) == 6


def test_pictures_that_cannot_be_read_stop_a_migration_before_the_switch(gallery: Gallery, captioned: Path) -> None:
    gallery.annotate({captioned / "002.png": {"year": 3}})
    away = (captioned / "002.png").rename(captioned.parent / "away.png")
    other = FakeModel("newer", fine=True)
    with pytest.raises(GalleryError, match=r"1 pictures of .* cannot be read any more.*002.png \(no such file\)"):
        migrate(gallery, other)
    assert len(gallery.search("thing", SearchOptions(k=6)).results) == 6
    done = migrate(gallery, other, leave_out=True)
    assert (done.encoded, done.found_encoded, len(done.left_out), len(gallery)) == (0, 5, 1, 5)
    away.rename(captioned / "back.png")
    gallery.sync()
    assert gallery.snapshot().notes["year"].drop_null().to_pylist() == [3]


def test_a_search_that_a_writer_outran_is_done_again(
    gallery: Gallery, model: FakeModel, captioned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = Store.fetch
    calls: list[list[str]] = []

    def replaced_meanwhile(self: Store, keys: list[str]) -> object:
        if not calls:
            calls.append(keys)
            new = draw_images(captioned.parent / "new", 1, seed=9) / "000.png"
            shutil.copy(new, captioned / "000.png")
            monkeypatch.setattr(Store, "fetch", fetch)
            Gallery.open(gallery.folder, model).sync()
        return fetch(self, keys)

    monkeypatch.setattr(Store, "fetch", replaced_meanwhile)
    assert len(gallery.search("thing", SearchOptions(k=6)).results) == 6
    assert len(calls) == 1
    gallery.store.tables["parts"].delete(f"key = '{gallery.item(captioned / '000.png').digest}'")
    with pytest.raises(GalleryError, match="gallery verify"):  # nothing changed since: searching again cannot help
        gallery.search("thing", SearchOptions(k=6))


def test_stats_of_an_empty_gallery(tmp_path: Path, dense: FakeModel) -> None:
    empty = Gallery.create(tmp_path / "empty", dense)
    assert (gallery_stats(empty.folder).rows, gallery_stats(empty.folder).alike, verify(empty).problems) == (0, 0, ())
    optimize(empty)
    assert list(export_lines(empty, format="paths")) == []
    assert empty.snapshot().vectors.whole().shape == (0, 8)
    assert isinstance(empty.snapshot().notes, pa.Table)


def test_codes_are_looked_after_like_everything_else(tmp_path: Path, model: FakeModel, captioned: Path) -> None:
    gallery = Gallery.create(tmp_path / "coded", FakeHashing("coded"))
    gallery.sync([captioned])
    (captioned / "000.png").unlink()
    (captioned / "001.png").rename(captioned / "moved.png")
    gallery.sync()
    optimize(gallery, keep=timedelta(0))
    snapshot = gallery.snapshot()
    assert snapshot.codes is not None
    assert snapshot.caption_codes is not None
    assert (len(snapshot.codes), len(snapshot.caption_codes)) == (5, len(snapshot.captions))
    assert verify(gallery).problems == ()
    found = gallery.search("thing", SearchOptions(mode="fast", where="name = 'moved.png'"))
    assert [one.path.name for one in found.results] == ["moved.png"]
    migrate(gallery, model)
    assert len(gallery.search("thing", SearchOptions(k=5)).results) == 5
    assert gallery.snapshot().codes is None
    migrate(gallery, FakeHashing("coded", bits=24))
    assert gallery.search("thing", SearchOptions(k=5, mode="fast")).stage == "codes"
    assert verify(gallery).problems == ()
