import io
import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from crossgraph.data.images import image_bytes_digest, read_image
from crossgraph.errors import ConfigError, GalleryError, ImageError
from crossgraph.gallery import thumbnails
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.tables.items import Item
from crossgraph.gallery.thumbnails import SIZES, Thumbnails, in_srgb, thumbnail
from crossgraph.gallery.upkeep.health import optimize
from crossgraph.gallery.upkeep.stats import gallery_stats
from tests.gallery.fake_model import FakeModel, draw_images


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    assert image.format == "WEBP"
    image.load()
    return image


def noise(path: Path, size: tuple[int, int] = (500, 400), **options: Any) -> Path:
    pixels = np.random.default_rng(len(path.name)).integers(0, 256, (size[1] // 50, size[0] // 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).save(path, **options)
    return path


def item_of(path: Path) -> Item:
    return Item("x", path, image_bytes_digest(path), 1, 1, ())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_a_thumbnail_is_the_picture_and_never_larger(tmp_path: Path, size: int, ending: str) -> None:
    path = noise(tmp_path / f"a.{ending}", (1800, 1200))
    found = opened(thumbnail(path, size))
    assert found.size == (size, size * 2 // 3)
    small = noise(tmp_path / f"small.{ending}", (300, 200))
    assert opened(thumbnail(small, size)).size == (300, 200)
    wanted = read_image(path).resize(found.size, Image.Resampling.LANCZOS)
    apart = np.asarray(found.convert("RGB"), np.int64) - np.asarray(wanted, np.int64)
    assert np.abs(apart).mean() < 4


def test_a_thumbnail_is_upright_and_says_nothing_of_the_camera(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Camera"
    path = noise(tmp_path / "lying.jpg", (600, 400), exif=exif)
    found = opened(thumbnail(path, 320))
    assert found.size == (213, 320)
    assert not dict(found.getexif())
    assert "exif" not in found.info
    assert b"Camera" not in thumbnail(path, 320)


def test_colours_are_those_that_the_profile_means(tmp_path: Path) -> None:
    """A profile whose red and blue are exchanged, made of sRGB's own."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ", 128), profile.index(b"bXYZ", 128)
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    path = tmp_path / "profile.png"
    Image.new("RGB", (40, 40), (255, 0, 0)).save(path, icc_profile=bytes(profile))
    assert read_image(path).getpixel((5, 5)) == (255, 0, 0)
    found = opened(thumbnail(path, 320))
    assert found.info.get("icc_profile") is None
    red_now, _, blue_now = np.asarray(found.convert("RGB"))[20, 20].tolist()
    assert blue_now > 200 > 60 > red_now
    damaged = read_image(path)
    damaged.info["icc_profile"] = b"no profile"
    assert in_srgb(damaged).getpixel((5, 5)) == (255, 0, 0)


def test_it_is_made_once_and_found_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []

    def counted(path: Path, size: int) -> bytes:
        made.append(path)
        return thumbnail(path, size)

    monkeypatch.setattr(thumbnails, "thumbnail", counted)
    path, kept = noise(tmp_path / "a.png"), Thumbnails(tmp_path / "gallery")
    copy = tmp_path / "copy.png"
    copy.write_bytes(path.read_bytes())
    first = kept.get(item_of(path), 320)
    assert Thumbnails(tmp_path / "gallery").get(item_of(copy), 320) == first
    assert made == [path]
    place = tmp_path / "gallery" / "thumbnails" / first.name[:2] / first.name
    assert place.read_bytes() == first.content
    assert kept.size() == (1, len(first.content))


def test_a_picture_whose_file_changed_gives_the_new_one_and_one_that_is_gone_what_was_kept(tmp_path: Path) -> None:
    path, kept = noise(tmp_path / "a.png"), Thumbnails(tmp_path / "gallery")
    item = item_of(path)
    first = kept.get(item, 320)
    noise(path, (300, 300))
    second = kept.get(item, 320)
    assert opened(second.content).size == (300, 300)
    assert second.name != first.name
    path.unlink()
    assert kept.get(item, 320) == first
    with pytest.raises(ImageError, match="no such file"):
        kept.get(item, 1280)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n damaged"])
def test_what_is_no_picture_is_refused_and_nothing_is_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(ImageError):
        Thumbnails(tmp_path / "gallery").get(Item("x", path, "0" * 32, 1, 1, ()), 320)
    assert Thumbnails(tmp_path / "gallery").size() == (0, 0)


def test_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="320 or 1280 pixels, got 321"):
        Thumbnails(tmp_path).get(item_of(noise(tmp_path / "a.png")), 321)


def test_over_the_limit_those_not_used_for_longest_go(tmp_path: Path) -> None:
    items = [item_of(noise(tmp_path / f"{'x' * row}.png")) for row in range(1, 9)]
    one = len(thumbnail(items[0].path, 320))
    kept = Thumbnails(tmp_path / "gallery", most_bytes=5 * one)
    for age, item in enumerate(items):
        name = kept.get(item, 320).name
        place = kept.folder / name[:2] / name
        if place.exists():
            os.utime(place, (1e9 + age, 1e9 + age))
        if age == 2:
            kept.get(items[0], 320)  # used again
    assert kept.size()[1] <= 5 * one
    left = {path.name[:32] for path in kept.folder.rglob("*.webp")}
    assert items[0].digest in left
    assert items[1].digest not in left
    assert items[-1].digest in left


def many(arguments: tuple[str, str]) -> bytes:
    gallery, path = arguments
    return Thumbnails(gallery).get(item_of(Path(path)), 320).content


@pytest.mark.slow
def test_processes_and_threads_may_make_the_same_one(tmp_path: Path) -> None:
    path = noise(tmp_path / "a.png", (2000, 2000))
    asked = [(str(tmp_path / "gallery"), str(path))] * 8
    with multiprocessing.get_context("spawn").Pool(2) as pool, ThreadPoolExecutor(4) as threads:
        found = pool.map_async(many, asked)
        same = set(threads.map(many, asked)) | set(found.get())
    assert len(same) == 1
    assert Thumbnails(tmp_path / "gallery").size()[0] == 1
    assert not list((tmp_path / "gallery").rglob("*.writing"))


def test_a_gallery_that_cannot_be_written_to_gives_them_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(thumbnails, "write_atomically", refused)
    kept = Thumbnails(tmp_path)
    assert opened(kept.get(item_of(noise(tmp_path / "a.png")), 320).content).size == (320, 256)
    assert kept.size() == (0, 0)


def test_optimize_drops_those_of_pictures_that_are_gone(tmp_path: Path, dense: FakeModel) -> None:
    pictures = draw_images(tmp_path / "pictures", 4)
    gallery = Gallery.create(tmp_path / "gallery", dense)
    gallery.index(pictures)
    kept = Thumbnails(gallery.folder)
    items = [gallery.item(f"{row:03}.png") for row in range(4)]
    names = [kept.get(item, 320).name for item in items]
    abandoned = kept.folder / names[1][:2] / f"{names[1]}.0a.writing"
    abandoned.write_bytes(b"half")
    before = gallery_stats(gallery.folder).bytes
    assert before == gallery.storage.size() > kept.size()[1] > 0
    gallery.remove([items[0].id])
    optimize(gallery, keep=timedelta(0))
    assert sorted(path.name for path in kept.folder.rglob("*.w*")) == sorted(names[1:])
    assert Gallery.open(gallery.folder, dense).search("anything").results


def test_a_gallery_among_pictures_does_not_index_its_own_thumbnails(tmp_path: Path, dense: FakeModel) -> None:
    pictures = draw_images(tmp_path / "pictures", 4)
    gallery = Gallery.create(pictures / "gallery", dense)
    gallery.index(pictures)
    for row in range(4):
        Thumbnails(gallery.folder).get(gallery.item(f"{row:03}.png"), 320)
    assert gallery.sync().added == 0
    assert len(gallery) == 4
    with pytest.raises(GalleryError, match="is a gallery already"):
        Gallery.create(gallery.folder, dense)
