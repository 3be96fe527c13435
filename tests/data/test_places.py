"""Pictures inside tar files are read where they lie, as their files would be."""

import io
import os
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from crossgraph.data import places, tars
from crossgraph.data.images import image_bytes_digest, image_size, read_image, read_picture
from crossgraph.data.objects import ObjectPath
from crossgraph.errors import ImageError, MissingExtraError


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    """A tar file of three pictures in two folders, with a link and a text; beside it the pictures as files."""
    plain = tmp_path / "plain"
    for number in range(3):
        path = plain / f"{number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((20 + number, 10), 90).save(path)
    (plain / "0/text.txt").write_text("what is in it")
    (plain / "0/link.png").symlink_to("0.png")
    with tarfile.open(tmp_path / "00000.tar", "w") as archive:
        archive.add(plain, arcname="./")
    return tmp_path / "00000.tar"


def test_a_picture_in_a_tar_file_is_read_as_its_file_is(tar: Path) -> None:
    for name in ("0/0.png", "1/1.png", "0/2.png"):
        inside, outside = tar / name, tar.parent / "plain" / name
        assert read_image(inside).tobytes() == read_image(outside).tobytes()
        assert image_bytes_digest(inside) == image_bytes_digest(outside) == read_picture(inside).digest
        assert image_size(inside) == image_size(outside)
        assert places.state_of(inside)[0] == outside.stat().st_size
        assert places.read_bytes(inside) == outside.read_bytes()
        with places.copied(inside) as file:
            assert os.fstat(file.fileno()).st_size == outside.stat().st_size
    assert places.read_bytes(tar / "0/text.txt") == b"what is in it"


@pytest.mark.parametrize("name", ["0/3.png", "0", "0/link.png", "0/0.png/more"])
def test_what_is_not_in_a_tar_file_is_no_such_file(tar: Path, name: str) -> None:
    with pytest.raises(ImageError, match="no such file"):
        read_image(tar / name)
    assert places.is_gone(str(tar / name))


def test_a_tar_file_written_again_is_looked_at_again(tar: Path) -> None:
    before = places.state_of(tar / "0/0.png")
    with tarfile.open(tar, "w") as archive:
        archive.add(tar.parent / "plain/1/1.png", arcname="0/0.png")
    os.utime(tar, (1e9, 1e9))
    assert read_image(tar / "0/0.png").size == (21, 10)
    assert places.state_of(tar / "0/0.png") != before
    assert places.state_of(tar / "0/0.png")[1] == datetime.fromtimestamp(1e9, UTC)
    assert places.is_gone(str(tar / "1/1.png"))
    tar.unlink()
    assert places.is_gone(str(tar / "0/0.png"))


def test_a_tar_file_cut_short_gives_what_is_whole(tar: Path) -> None:
    whole = tars.members(tar)
    names = list(whole.places)
    start, count = whole.places[names[-1]]
    os.truncate(tar, start + count - 1)
    assert list(tars.members(tar).places) == names[:-1]
    assert tars.members(tar).fault


def test_a_folder_may_be_called_like_a_tar_file(tmp_path: Path) -> None:
    (tmp_path / "a.tar").mkdir()
    Image.new("RGB", (3, 2)).save(tmp_path / "a.tar" / "1.png")
    assert read_image(tmp_path / "a.tar" / "1.png").size == (3, 2)
    assert not places.is_inside(tmp_path / "a.tar" / "1.png")


def test_many_shards_are_written_as_one_place(tmp_path: Path) -> None:
    assert [path.name for path in tars.shards(tmp_path / "s-{008..011}.tar")] == [
        *("s-008.tar", "s-009.tar", "s-010.tar", "s-011.tar")
    ]
    assert tars.shards(tmp_path / "a.tar") == [tmp_path / "a.tar"]


def test_an_address_keeps_its_slashes_however_it_came() -> None:
    address = "s3://bucket/photos/a.jpg"
    for place in (address, Path(address), ObjectPath(address), places.placed(Path(address)).parent / "a.jpg"):
        assert str(places.placed(place)) == places.absolute(place) == os.fspath(places.placed(place)) == address
        assert places.is_far(place)
    found = places.placed(address)
    assert isinstance(found, ObjectPath)
    assert (found.bucket, found.key, found.name, found.suffix) == ("bucket", "photos/a.jpg", "a.jpg", ".jpg")
    assert not places.is_far("photos/s3")


def test_without_the_library_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    with pytest.raises(MissingExtraError, match=r"crossgraph\[s3\]"):
        read_image("s3://bucket/a.jpg")


def test_bytes_that_came_from_elsewhere_read_like_a_file(tar: Path) -> None:
    with places.opened(tar / "0/0.png") as file:
        assert file.peek(4)[:4] == b"\x89PNG"
        assert file.seek(0, io.SEEK_END) == (tar.parent / "plain/0/0.png").stat().st_size
