"""Sync of pictures that are no files of their own: inside tar files, and in an object store."""

import gzip
import io
import os
import tarfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from crossgraph.errors import DataError
from crossgraph.gallery.changes.sync import SyncReport
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.picture_zip import zip_pieces
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.thumbnails import thumbnail
from crossgraph.gallery.upkeep.health import verify
from tests.gallery.fake_model import FakeModel, draw_images
from tests.storage.object_store import BUCKET, object_store, reach

DAY = 86_400


def counts(report: SyncReport) -> tuple[int, int, int, int, int]:
    return report.added, report.updated, report.moved, report.removed, report.unchanged


def put_tar(file: Path, pictures: Sequence[Path], *, at: float) -> None:
    """A tar file of pictures with a caption each, written long ago."""
    file.parent.mkdir(exist_ok=True)
    with tarfile.open(file, "w") as tar:
        for path in pictures:
            tar.add(path, arcname=path.name)
            text = tarfile.TarInfo(f"{path.stem}.txt")
            text.size = len(path.stem)
            tar.addfile(text, io.BytesIO(path.stem.encode()))
    os.utime(file, (at, at))


def vectors(gallery: Gallery) -> dict[str, list[float]]:
    """The vector of each picture, by the name of its file."""
    snapshot = gallery.snapshot()
    return {snapshot.item(row).path.name: snapshot.vectors[row].tolist() for row in range(len(snapshot.items))}


def test_a_gallery_of_tar_files_follows_them(tmp_path: Path, model: FakeModel, images: Path) -> None:
    pictures, shards = sorted(images.iterdir()), tmp_path / "shards"
    put_tar(shards / "00000.tar", pictures[:6], at=1e9)
    put_tar(shards / "00001.tar", pictures[6:], at=1e9)
    gallery, files = (Gallery.create(tmp_path / name, model) for name in ("gallery", "of files"))
    assert counts(gallery.sync([shards])) == (12, 0, 0, 0, 0)
    files.sync([images])
    assert vectors(gallery) == vectors(files)
    item = gallery.item(shards / "00001.tar/007.png")
    assert item.captions == ("007",)
    assert verify(gallery).problems == ()
    assert thumbnail(item.path, 8)
    assert pictures[7].read_bytes() in b"".join(zip_pieces([item]))
    (found,) = gallery.search(item.path, SearchOptions(k=1)).results
    assert found.path == item.path

    model.encoded_paths.clear()
    assert counts(gallery.sync()) == (0, 0, 0, 0, 12)
    assert model.encoded_paths == []
    new = draw_images(tmp_path / "new", 1, seed=9) / "000.png"
    put_tar(shards / "00000.tar", [new, *pictures[1:4]], at=1e9 + DAY)  # one changed, one gone
    put_tar(shards / "00002.tar", [pictures[5]], at=1e9)  # one of them moved
    assert counts(gallery.sync()) == (0, 1, 1, 1, 9)
    assert gallery.item(shards / "00002.tar/005.png").captions == ("005",)
    assert model.encoded_paths == [shards / "00000.tar/000.png"]


def test_shards_by_their_numbers_are_one_source(tmp_path: Path, model: FakeModel, images: Path) -> None:
    pictures, series = sorted(images.iterdir()), tmp_path / "shards/{00000..00001}.tar"
    for number in range(3):
        put_tar(tmp_path / f"shards/0000{number}.tar", pictures[4 * number : 4 * number + 4], at=1e9)
    gallery = Gallery.create(tmp_path / "gallery", model)
    assert counts(gallery.index(series)) == (8, 0, 0, 0, 0)
    assert counts(gallery.sync()) == (0, 0, 0, 0, 8)


@pytest.fixture(scope="module")
def store_url() -> Iterator[str]:
    """Where a local S3 server answers."""
    pytest.importorskip("obstore", reason="needs crossgraph[s3]")
    pytest.importorskip("moto.server", reason="needs moto[server]")
    with object_store() as url:
        yield url


def put(key: str, content: bytes | None) -> None:
    """Write an object, or remove it."""
    import obstore

    from crossgraph.data.objects import ObjectPath, _store

    store = _store(ObjectPath(f"s3://{BUCKET}/{key}"))
    if content is None:
        obstore.delete(store, key)
    else:
        obstore.put(store, key, content)


def test_a_gallery_of_objects_follows_them(
    tmp_path: Path, model: FakeModel, images: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach(monkeypatch, store_url)
    pictures = sorted(images.iterdir())[:4]
    for path in pictures:
        put(f"a/photos/{path.name}", path.read_bytes())
    put("a/photos/001.txt", b"one of four")
    put("a/photos/notes.pdf", b"x")
    put("a/other/000.png", pictures[0].read_bytes())
    gallery, files = (Gallery.create(tmp_path / name, model) for name in ("gallery", "of files"))
    source = f"s3://{BUCKET}/a/photos"
    report = gallery.sync([source])
    assert counts(report) == (4, 0, 0, 0, 0)
    files.index(images, exclude=["004.png", "005.png", "006.png", "007.png", "008.png", "009.png", "01*.png"])
    assert vectors(gallery) == vectors(files)
    assert gallery.manifest.sources == (source,)
    item = gallery.item(f"{source}/001.png")
    assert (str(item.path), item.captions) == (f"{source}/001.png", ("one of four",))
    assert thumbnail(item.path, 8)
    assert pictures[1].read_bytes() in b"".join(zip_pieces([item]))
    assert verify(gallery).problems == ()

    model.encoded_paths.clear()
    assert counts(gallery.sync()) == (0, 0, 0, 0, 4)
    assert model.encoded_paths == []
    put("a/photos/000.png", pictures[3].read_bytes() + b"\0")
    put("a/photos/002.png", None)
    put("a/photos/deep/002.png", pictures[2].read_bytes())
    put("a/photos/003.png", None)
    put("a/photos/new.png", sorted(images.iterdir())[5].read_bytes())
    assert counts(gallery.sync()) == (1, 1, 1, 1, 1)
    assert sorted(str(path) for path in model.encoded_paths) == [f"{source}/000.png", f"{source}/new.png"]
    for name in ("000.png", "001.png", "deep/002.png", "new.png"):
        put(f"a/photos/{name}", None)
    with pytest.raises(DataError, match="no pictures under this address"):
        gallery.sync()
    assert len(gallery) == 4


def gets(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[int, int] | None]]:
    """The key and the part of every object that is read from now on."""
    import obstore

    get, seen = obstore.get, list[tuple[str, tuple[int, int] | None]]()

    def told(store: Any, key: str, *, options: Any = None) -> Any:
        seen.append((key, (options or {}).get("range")))
        return get(store, key, options=options)

    monkeypatch.setattr(obstore, "get", told)
    return seen


def test_a_gallery_of_tar_files_in_an_object_store_follows_them(
    tmp_path: Path, model: FakeModel, images: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach(monkeypatch, store_url)
    pictures, local = sorted(images.iterdir()), tmp_path / "shards"

    def put_shard(number: int, chosen: Sequence[Path]) -> None:
        put_tar(local / f"0000{number}.tar", chosen, at=1e9)
        put(f"t/0000{number}.tar", (local / f"0000{number}.tar").read_bytes())

    put_shard(0, pictures[:6])
    put_shard(1, pictures[6:])
    seen = gets(monkeypatch)
    source = f"s3://{BUCKET}/t"
    gallery, files = (Gallery.create(tmp_path / name, model) for name in ("gallery", "of files"))
    assert counts(gallery.sync([source])) == (12, 0, 0, 0, 0)
    assert all(part is not None for _, part in seen)  # never the whole
    files.sync([images])
    assert vectors(gallery) == vectors(files)
    item = gallery.item(f"{source}/00001.tar/007.png")
    assert (str(item.path), item.captions) == (f"{source}/00001.tar/007.png", ("007",))
    assert thumbnail(item.path, 8)
    assert pictures[7].read_bytes() in b"".join(zip_pieces([item]))
    assert verify(gallery).problems == ()

    model.encoded_paths.clear()
    assert counts(gallery.sync()) == (0, 0, 0, 0, 12)
    assert model.encoded_paths == []
    time.sleep(1.1)  # the store tells whole seconds
    put_shard(0, [draw_images(tmp_path / "new", 1, seed=9) / "000.png", *pictures[1:4]])  # one changed, one gone
    put_shard(2, [pictures[5]])  # one of them moved
    assert counts(gallery.sync()) == (0, 1, 1, 1, 9)
    assert gallery.item(f"{source}/00002.tar/005.png").captions == ("005",)
    assert [str(path) for path in model.encoded_paths] == [f"{source}/00000.tar/000.png"]
    series = Gallery.create(tmp_path / "series", model)
    assert counts(series.sync([f"s3://{BUCKET}/t/{{00001..00002}}.tar"])) == (7, 0, 0, 0, 0)
    put("t/00002.tar", None)
    assert counts(series.sync()) == (0, 0, 0, 1, 6)
    put("t/00003.tar", gzip.compress(b"packed"))
    report = gallery.sync()
    assert (report.removed, [(one.path.name, "unpack it" in one.reason) for one in report.skipped]) == (
        1,
        [("00003.tar", True)],
    )


def test_a_picture_in_an_object_store_is_fetched_once_for_its_digest_and_the_network(
    tmp_path: Path, images: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach(monkeypatch, store_url)
    for path in sorted(images.iterdir()):
        put(f"once/{path.name}", path.read_bytes())
    seen = gets(monkeypatch)
    gallery = Gallery.create(tmp_path / "gallery", FakeModel("dense", fine=False))
    assert counts(gallery.sync([f"s3://{BUCKET}/once"])) == (12, 0, 0, 0, 0)
    assert sorted(key for key, _ in seen) == [f"once/{number:03}.png" for number in range(12)]


def test_an_address_that_cannot_be_read_says_why(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from crossgraph.data.sources import open_corpus

    reach(monkeypatch, store_url)
    with pytest.raises(DataError, match="s3://nowhere/photos: cannot be read"):
        open_corpus("s3://nowhere/photos")
    with pytest.raises(DataError, match="--exclude"):
        open_corpus(f"s3://{BUCKET}/a", exclude=["*.png"])
