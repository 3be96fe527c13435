"""Galleries filled by workers are those that one process fills."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from lance.dataset import Index
from PIL import Image

from crossgraph.distributed.cluster import BatchEncoder, Cluster
from crossgraph.distributed.connection import Connection
from crossgraph.distributed.pool import LOST, Pool
from crossgraph.errors import ClusterError
from crossgraph.gallery.changes.encoded import EncodedEntries
from crossgraph.gallery.changes.indexing import Batch, Note, encode_batch
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.stages.model import SearchModel
from crossgraph.gallery.upkeep.health import verify
from crossgraph.gallery.upkeep.migrate import migrate
from crossgraph.gallery.upkeep.shards import shard, shard_recall
from tests.distributed.countable_jobs import FixedPlace
from tests.distributed.fragile_model import FragileModel
from tests.gallery.changes.test_indexing import everything
from tests.gallery.fake_model import FakeModel, draw_images
from tests.gallery.upkeep.test_shards import with_codes, write


class RunsAhead:
    """Encodes here, and takes every batch before it gives the first: the most that workers could run ahead."""

    def __init__(self, model: SearchModel) -> None:
        self.model = model

    def stream(
        self, batches: Iterable[tuple[Note, Batch]], *, read: Callable[[], None] | None = None
    ) -> Iterator[tuple[Note, Batch, Sequence[EncodedEntries]]]:
        for note, batch in list(batches):
            yield note, batch, [encode_batch(self.model, batch)] if batch.to_encode else []


@pytest.fixture
def model() -> FakeModel:
    """A re-ranker that can travel."""
    return FakeModel("fine", fine=True, shortlist=FakeModel("dense", fine=False))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Captioned pictures, some of one content, one of them unreadable."""
    folder = draw_images(tmp_path / "pictures", 20)
    for index, path in enumerate(sorted(folder.glob("*.png"))):
        path.with_suffix(".txt").write_text(f"thing {index}\nkind {index // 4}\n", encoding="utf-8")
    for index in range(0, 20, 5):
        shutil.copy(folder / f"{index:03}.png", folder / f"copy-{index}.png")
    (folder / "013.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    return folder


def change(folder: Path) -> None:
    """Move, change, add and remove pictures, and put another in the place of one that lies elsewhere now."""
    (folder / "001.png").rename(folder / "moved.png")
    (folder / "001.txt").rename(folder / "moved.txt")
    shutil.copy(folder / "002.png", folder / "zz-old-content.png")
    shutil.copy(folder / "003.png", folder / "002.png")
    (folder / "004.png").unlink()
    (folder / "004.txt").unlink()
    with Image.open(folder / "005.png") as image:
        image.transpose(Image.Transpose.ROTATE_180).save(folder / "005.png")


def test_planning_ahead_of_what_is_stored_changes_nothing(model: FakeModel, pictures: Path, tmp_path: Path) -> None:
    here, ahead = (Gallery.create(tmp_path / name, model) for name in ("here", "ahead"))
    encoder = RunsAhead(model)
    assert _told(ahead.sync([pictures], batch=3, encoder=encoder)) == _told(here.sync([pictures], batch=3))
    assert everything(ahead) == everything(here)
    change(pictures)
    found = ahead.sync(batch=3, encoder=encoder)
    assert _told(found) == _told(here.sync(batch=3))
    assert (found.moved, found.updated, found.added, found.removed) == (2, 1, 1, 1)
    assert everything(ahead) == everything(here)


@pytest.mark.slow
def test_workers_fill_a_gallery_as_one_process_does(
    connection: Connection, model: FakeModel, pictures: Path, tmp_path: Path
) -> None:
    here, there = (Gallery.create(tmp_path / name, model) for name in ("here", "there"))
    with Pool(connection) as pool:
        encoder = BatchEncoder(pool, FixedPlace(model))
        assert _told(there.sync([pictures], batch=3, encoder=encoder)) == _told(here.sync([pictures], batch=3))
        assert everything(there) == everything(here)
        change(pictures)
        assert _told(there.sync(batch=3, encoder=encoder)) == _told(here.sync(batch=3))
        assert everything(there) == everything(here)
        other = FakeModel("other", fine=True, shortlist=FakeModel("else", fine=False))
        encoder = BatchEncoder(pool, FixedPlace(other, fingerprint="other"))
        migrated = migrate(there, other, batch=3, encoder=encoder, leave_out=True)
    assert migrated.encoded == migrate(here, other, batch=3, leave_out=True).encoded
    assert everything(there) == everything(here)
    assert verify(there).problems == ()


@pytest.mark.slow
def test_a_picture_that_kills_its_worker_costs_that_picture(
    connection: Connection, pictures: Path, tmp_path: Path
) -> None:
    shutil.copy(pictures / "007.png", pictures / "poison.png")
    (pictures / "poison.png").write_bytes((pictures / "poison.png").read_bytes() + b"other content")
    model = FragileModel("fragile", fine=True)
    gallery = Gallery.create(tmp_path / "gallery", model)
    with Pool(connection) as pool:
        report = gallery.sync([pictures], batch=12, encoder=BatchEncoder(pool, FixedPlace(model)))
    skipped = {entry.path.name: entry.reason for entry in report.skipped}
    assert skipped["poison.png"] == LOST
    assert set(skipped) == {"013.png", "poison.png"}
    assert report.added == 23
    assert verify(gallery).problems == ()
    model.here = os.getpid()
    assert [one.path.name for one in gallery.sync().changes] == ["poison.png"]


def _told(report: object) -> dict[str, object]:
    """A report without what the clock decides: its seconds, and commits that note files as settled."""
    return {name: value for name, value in vars(report).items() if name not in ("seconds", "version")}


def test_shards_are_built_by_workers_as_by_one_process(connection: Connection, tmp_path: Path) -> None:
    model = with_codes()
    galleries = [Gallery.create(tmp_path / name, model) for name in ("here", "there")]
    for gallery in galleries:
        for start in range(0, 900, 300):
            write(gallery, start, 300, seed=start)
    with Pool(connection) as pool:
        cluster = Cluster(connection, pool)
        told = [
            shard(galleries[0], rows=300, lists=6),
            shard(galleries[1], rows=300, lists=6, each=cluster.each),
        ]
    assert [(one.column, one.shards, one.lists, one.inside) for one in told[0] if one.table == "items"] == [
        ("vector", 3, 6, 900),
        ("code", 3, 6, 900),
    ]
    assert [replace(one, seconds=0.0) for one in told[0]] == [replace(one, seconds=0.0) for one in told[1]]
    found = [shard_recall(Gallery.open(gallery.folder, model, memory="disk"), probes=[6]) for gallery in galleries]
    assert [(one.stage, one.recall_100) for one in found[1]] == [(one.stage, one.recall_100) for one in found[0]]
    assert len(found[0]) == 2


def test_a_shard_that_cannot_be_built_changes_nothing(connection: Connection, tmp_path: Path) -> None:
    gallery = Gallery.create(tmp_path / "gallery", with_codes())
    write(gallery, 0, 300, seed=0)
    with Pool(connection) as pool, pytest.raises(ClusterError, match=r"a shard could not be built.*Nothing is changed"):
        shard(gallery, each=lambda _, tasks: Cluster(connection, pool).each(_fails, tasks))
    assert {one.shards for one in shard(gallery)} == {1}


def _fails(_: object) -> Index:
    raise ZeroDivisionError
