"""Galleries in an object store: what holds of one in a folder holds of them, also between writers that stall or die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lance as pylance
import pytest

from crossgraph.errors import DataError, GalleryError
from crossgraph.gallery.changes.upsert import NewImage
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.tables import lance
from crossgraph.gallery.tables.manifest import Manifest
from crossgraph.gallery.tables.skipped import forgive, read_skipped
from crossgraph.gallery.thumbnails import Thumbnails
from crossgraph.gallery.upkeep.health import optimize, verify
from crossgraph.gallery.upkeep.migrate import migrate
from crossgraph.gallery.upkeep.stats import gallery_stats
from crossgraph.storage import lease
from crossgraph.storage.lease import Lease
from tests.gallery.fake_model import FakeModel, draw_images


@pytest.fixture
def model() -> FakeModel:
    return FakeModel("fine", fine=True, shortlist=FakeModel("dense", fine=False))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = draw_images(tmp_path / "images", 6)
    for number in range(3):
        (folder / f"00{number}.txt").write_text(f"thing number {number}\n", encoding="utf-8")
    return folder


@pytest.fixture
def unheard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers whose leases run out at once."""
    monkeypatch.setattr(lease, "SECONDS", 0.0)
    monkeypatch.setattr(Lease, "_renew_until_over", lambda _: None)


def paths(gallery: Gallery) -> list[str]:
    return sorted(Path(path).name for path in gallery.snapshot().items["path"].to_pylist())


def test_a_gallery_answers_as_one_in_a_folder_does(
    address: str, tmp_path: Path, model: FakeModel, images: Path
) -> None:
    far, near = Gallery.create(address, model), Gallery.create(tmp_path / "gallery", model)
    for gallery in (far, near):
        assert gallery.index(images, batch=4).added == 6
    there, here = (Gallery.open(one.storage, model) for one in (far, near))
    assert str(there.storage) == address
    for query in ("thing number 1", images / "002.png"):
        found, expected = there.search(query).results, here.search(query).results
        assert [(one.id, one.score, one.path) for one in found] == [(one.id, one.score, one.path) for one in expected]
    assert there.snapshot().items == here.snapshot().items
    assert Manifest.read(address) == Manifest.read(tmp_path / "gallery")
    with pytest.raises(GalleryError, match="is a gallery already"):
        Gallery.create(address, model)


def test_pictures_are_followed_noted_removed_moved_checked_and_compacted(
    address: str, tmp_path: Path, model: FakeModel, images: Path
) -> None:
    from crossgraph.gallery.changes.moves import Moves
    from crossgraph.gallery.upkeep.relocation import relocate

    gallery, other = Gallery.create(address, model), Gallery.open(address, model)
    gallery.sync([images], batch=2)
    (images / "bad.png").write_bytes(b"no picture")
    (images / "005.png").unlink()
    report = gallery.sync()
    assert (report.removed, [one.path.name for one in report.skipped]) == (1, ["bad.png"])
    gallery.annotate({images / "000.png": {"stars": 5}})
    gallery.remove([images / "004.png"])
    assert {one.path.name for one in read_skipped(address)} == {"bad.png", "004.png"}
    images.rename(tmp_path / "elsewhere")
    assert relocate(gallery, Moves.of([(images, tmp_path / "elsewhere")])).pictures == 4
    optimize(gallery)
    stats = gallery_stats(address)
    assert (stats.rows, stats.annotated, stats.skipped, stats.removed, stats.folder) == (4, 1, 1, 1, address)
    assert stats.bytes == gallery.storage.size()
    assert stats.optimized_at is not None
    assert verify(gallery).problems == ()
    other.look_again()
    assert paths(other) == [f"00{number}.png" for number in range(4)]
    assert Manifest.read(address).sources == (str(tmp_path / "elsewhere"),)


def test_a_gallery_is_given_to_another_model(address: str, images: Path, model: FakeModel) -> None:
    gallery = Gallery.create(address, model)
    gallery.index(images)
    wider = FakeModel("other", fine=False)
    assert migrate(gallery, wider).encoded == 6
    assert [name for name in gallery.storage.names() if name.endswith(".lance")] == []
    assert Gallery.open(address, wider).search("thing").results
    with pytest.raises(GalleryError, match="was encoded by model"):
        Gallery.open(address, model)


def test_a_first_index_that_fails_leaves_no_gallery(address: str, model: FakeModel, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no pictures in it"), Gallery.filled(address, model) as gallery:
        gallery.index(tmp_path / "empty")
    assert not Gallery.exists(address)
    assert Gallery.create(address, model).storage.names()


def test_objects_of_others_are_left_alone(address: str, model: FakeModel) -> None:
    gallery = Gallery.create(address, model)
    with gallery.changing():
        gallery.storage.under("inside").write("theirs.json", b"{}")
    above = address.rsplit("/", 1)[0]
    with pytest.raises(GalleryError, match="holds other files"):
        Gallery.create(above, model)
    with pytest.raises(GalleryError, match=r"is not a gallery.*--gallery s3://"):
        Gallery.open(f"{address}/inside")


def test_what_can_be_made_again_is_kept_on_this_machine(address: str, model: FakeModel, images: Path) -> None:
    gallery = Gallery.create(address, model)
    gallery.index(images)
    assert gallery.folder.is_relative_to(os.environ["CROSSGRAPH_CACHE"])
    Thumbnails(gallery.folder).get(gallery.item(images / "000.png"), 320)
    assert not any("thumb" in name for name in gallery.storage.names())
    assert gallery.folder != Gallery.create(f"{address}-2", model).folder


def test_a_write_by_another_process_is_seen_after_the_time_between_two_looks(
    address: str, model: FakeModel, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = Gallery.create(address, model), Gallery.open(address, model)
    now = [1000.0]
    # of that module alone: servers of other tests run in threads of this process, and wait by the real clock
    clock = SimpleNamespace(monotonic=lambda: now[0], perf_counter=time.perf_counter, sleep=time.sleep)
    monkeypatch.setattr("crossgraph.gallery.folder.time", clock)
    assert len(reader) == 0
    writer.index(images)
    assert len(writer) == 6  # one's own writes are seen at once
    asked = count_requests(reader, monkeypatch)
    for _ in range(20):
        assert len(reader) == 0
    assert asked == []
    now[0] += reader.storage.look_every
    assert len(reader) == 6
    assert asked


def count_requests(gallery: Gallery, patch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of the store from now on to find out whether something was written."""
    asked: list[str] = []
    storage: Any = type(gallery.storage)
    tables: Any = lance.Table
    stamp, version = storage.stamp, tables.version.fget

    def noted_stamp(self: Any, name: str) -> Any:
        asked.append(name)
        return stamp(self, name)

    def noted_version(self: Any) -> Any:
        asked.append("version")
        return version(self)

    patch.setattr(storage, "stamp", noted_stamp)
    patch.setattr(tables, "version", property(noted_version))
    return asked


def test_a_reader_reads_only_the_files_that_are_new(
    address: str, model: FakeModel, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = Gallery.create(address, model), Gallery.open(address, model)
    writer.index(images)
    assert len(reader) == 6
    read: list[int] = []
    to_table = pylance.LanceFragment.to_table

    def noted(self: pylance.LanceFragment, *arguments: Any, **named: Any) -> Any:
        read.append(self.fragment_id)
        return to_table(self, *arguments, **named)

    monkeypatch.setattr(pylance.LanceFragment, "to_table", noted)
    more = draw_images(images.parent / "more", 1, seed=5)
    writer.upsert([NewImage(more / "000.png")])
    read.clear()
    reader.look_again()
    assert len(reader) == 7
    assert len(read) <= 2  # its row, and its captions if there are any
    lance_fence_all(writer)
    read.clear()
    reader.look_again()
    assert len(reader) == 7
    assert read == []


def lance_fence_all(gallery: Gallery) -> None:
    from crossgraph.gallery.tables.fencing import fence

    with gallery.changing():
        fence(gallery.storage)


def test_a_write_that_arrives_while_its_table_is_fenced_is_kept(
    address: str, model: FakeModel, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = Gallery.create(address, model)
    gallery.index(images)
    looks: list[int] = []
    look = lance.Table.to_write

    def overtaken(self: lance.Table) -> pylance.LanceDataset:
        found = look(self)
        looks.append(found.version)
        if len(looks) == 1:
            late = pylance.dataset(self.place.uri, storage_options=self.place.options)
            late.delete("path LIKE '%003.png'")
        return found

    with gallery.changing():
        monkeypatch.setattr(lance.Table, "to_write", overtaken)
        lance.fence(gallery.store.tables["items"])
    assert looks == [looks[0], looks[0] + 1]
    assert paths(gallery) == ["000.png", "001.png", "002.png", "004.png", "005.png"]


def test_a_reader_goes_on_through_compaction(address: str, model: FakeModel, images: Path) -> None:
    from datetime import timedelta

    writer, reader = Gallery.create(address, model), Gallery.open(address, model)
    writer.index(images, batch=1)
    state = reader.current()
    expected = [one.id for one in reader.search("thing number 1").results]
    optimize(writer, keep=timedelta(0))
    assert [one.id for one in reader.search("thing number 1").results] == expected
    assert state.snapshot.items["id"].to_pylist() == reader.snapshot().items["id"].to_pylist()
    reader.look_again()
    assert [one.id for one in reader.search("thing number 1").results] == expected


def test_of_two_writers_one_is_refused(address: str, model: FakeModel, images: Path) -> None:
    first, second = Gallery.create(address, model), Gallery.open(address, model)
    with first.changing(), pytest.raises(GalleryError, match="another process is indexing"):
        second.index(images)
    assert second.index(images).added == 6


SLOW = [
    pytest.param(name, marks=pytest.mark.slow)
    for name in ("append", "replace", "delete", "compact", "notes", "skipped")
]


@pytest.mark.parametrize("write", ["merge", "manifest", *SLOW])
def test_a_writer_that_stalled_past_its_lease_commits_nothing_more(
    address: str, model: FakeModel, images: Path, unheard: None, monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    """It stalls at the worst moment: sure of its lease, about to commit. Meanwhile another one writes."""
    first, second = Gallery.create(address, model), Gallery.open(address, model)
    first.index(images, batch=2)
    first.annotate({images / "000.png": {"stars": 1}})
    first.remove([images / "005.png"])
    others = draw_images(images.parent / "others", 2, seed=3)
    stalls: list[str] = []
    storage_type: Any = type(first.storage)
    check = storage_type.check

    def check_then_stall(self: Any) -> None:
        check(self)
        monkeypatch.setattr(storage_type, "check", check)
        stalls.append(write)
        with monkeypatch.context() as heard:
            heard.setattr(lease, "SECONDS", 60.0)
            second.look_again()
            second.index(others)

    chosen, items = first_id(first), first.store.tables["items"]
    lost = items.find("id", [chosen], items.schema.names).drop_columns("_rowaddr")
    lost = lost.set_column(lost.schema.get_field_index("path"), "path", [["/nowhere/x.png"]])
    actions: dict[str, Callable[[], object]] = {
        "merge": lambda: first.store.relocate_items({chosen: "/nowhere/x.png"}),
        "append": lambda: items.append(lost),
        "replace": lambda: items.replace(lost, "id"),
        "delete": lambda: first.store.remove_items([chosen]),
        "compact": lambda: items.optimize(),
        "notes": lambda: first.store.notes.write({chosen: {"stars": 2}}),
        "manifest": lambda: first.replace_manifest(first.manifest.model_copy(update={"sources": ("/lost",)})),
        "skipped": lambda: forgive(first.storage, [str(images / "005.png")]),
    }
    with pytest.raises((GalleryError, OSError)), first.changing():  # noqa: PT012 - it stalls within
        monkeypatch.setattr(storage_type, "check", check_then_stall)
        actions[write]()
    assert stalls == [write]
    fresh = Gallery.open(address, model)
    assert paths(fresh) == ["000.png", "000.png", "001.png", "001.png", "002.png", "003.png", "004.png"]
    assert "/nowhere/x.png" not in fresh.snapshot().items["path"].to_pylist()
    assert fresh.store.notes.values([fresh.item(images / "000.png").id]) == {
        fresh.item(images / "000.png").id: {"stars": 1.0}
    }
    assert "/lost" not in fresh.manifest.sources
    assert [one.path.name for one in read_skipped(address)] == ["005.png"]
    assert verify(fresh).problems == ()


def first_id(gallery: Gallery) -> str:
    return str(gallery.store.tables["items"].read(["id"])["id"][0].as_py())


CHILD = """
import sys
from pathlib import Path
from crossgraph.gallery.gallery import Gallery
from tests.gallery.fake_model import FakeModel
address, folder = sys.argv[1], Path(sys.argv[2])
model = FakeModel("fine", fine=True, shortlist=FakeModel("dense", fine=False))
gallery = Gallery.open(address, model) if Gallery.exists(address) else Gallery.create(address, model)
commit = gallery.store.write_items
def told(items, *features, new):
    commit(items, *features, new=new)
    print("stored", *(item.path.name for item in items), flush=True)
gallery.store.write_items = told
gallery.index(folder, batch=1)
print("done", flush=True)
"""


@pytest.mark.slow
def test_a_writer_that_is_killed_in_the_middle_loses_nothing_and_the_next_goes_on(
    address: str, model: FakeModel, images: Path
) -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", CHILD, address, str(images)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    stored: list[str] = []
    with child:
        assert child.stdout is not None
        while len(stored) < 2:
            line = child.stdout.readline()
            assert line.startswith("stored"), "it ended early"
            stored += line.split()[1:]
        child.send_signal(signal.SIGKILL)
    gallery = Gallery.open(address, model)
    assert set(stored) <= set(paths(gallery))
    deadline = time.monotonic() + 2 * lease.SECONDS
    while True:
        try:
            report = gallery.index(images)
            break
        except GalleryError:  # where nobody can tell that the process is gone
            assert time.monotonic() < deadline
            time.sleep(1)
    assert report.unchanged >= len(stored)
    assert paths(gallery) == [f"00{number}.png" for number in range(6)]
    assert verify(gallery).problems == ()
    assert json.loads(json.dumps(Manifest.read(address).sources)) == [str(images)]


def test_a_look_that_began_before_a_write_does_not_count_as_one_after_it(
    address: str, model: FakeModel, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = Gallery.create(address, model)
    gallery.snapshot()
    gallery.look_again()
    followed = gallery._followed

    def overtaken() -> Any:
        monkeypatch.setattr(gallery, "_followed", followed)
        found = followed()
        gallery.index(images)  # as another thread, while this one looks
        return found

    monkeypatch.setattr(gallery, "_followed", overtaken)
    gallery.current()
    assert len(gallery) == 6
