"""Hostile files of every kind: each is read correctly, or refused with a plain reason, and nothing else happens."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from crossgraph.data.images import LIMIT, MAX_PIXELS, image_bytes_digest, image_size, read_image, read_picture
from crossgraph.errors import ConfigError, ImageError

RED = (200, 30, 40)


def photo(size: tuple[int, int] = (40, 30), colour: tuple[int, int, int] = RED) -> Image.Image:
    return Image.new("RGB", size, colour)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A PNG header of the given size with hardly any data behind it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def heic(image: Image.Image) -> bytes:
    """As phones write it."""
    stream = io.BytesIO()
    pillow_heif.from_pillow(image).save(stream, quality=90)
    return stream.getvalue()


def near(image: Image.Image, at: tuple[int, int], colour: tuple[int, int, int], *, within: int = 12) -> bool:
    found = image.getpixel(at)
    assert isinstance(found, tuple)
    return all(abs(a - b) <= within for a, b in zip(found, colour, strict=True))


def orientated(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


READABLE: dict[str, Callable[[], bytes]] = {
    "plain.jpg": lambda: encoded(photo(), "JPEG"),
    "plain.webp": lambda: encoded(photo(), "WEBP"),
    "plain.bmp": lambda: encoded(photo(), "BMP"),
    "plain.tiff": lambda: encoded(photo(), "TIFF"),
    "png named.jpg": lambda: encoded(photo(), "PNG"),
    "jpeg named.png": lambda: encoded(photo(), "JPEG"),
    "CMYK.JPG": lambda: encoded(photo().convert("CMYK"), "JPEG"),
    "palette.png": lambda: encoded(photo().quantize(4), "PNG"),
    "palette transparent.png": lambda: encoded(photo().quantize(4), "PNG", transparency=b"\xff\xff"),
    "animated.gif": lambda: encoded(
        photo(), "GIF", save_all=True, append_images=[photo(colour=(0, 0, 250)), photo(colour=(0, 250, 0))]
    ),
    "animated.webp": lambda: encoded(photo(), "WEBP", save_all=True, append_images=[photo(colour=(0, 0, 250))]),
    "opaque alpha.png": lambda: encoded(photo().convert("RGBA"), "PNG"),
    "damaged exif.jpg": lambda: encoded(photo(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f garbage"),
    "name with spaces \n and newline.jpg": lambda: encoded(photo(), "JPEG"),
    "ユニコード.jpg": lambda: encoded(photo(), "JPEG"),
    os.fsdecode(b"not utf-8 \xff.jpg"): lambda: encoded(photo(), "JPEG"),
    "no extension": lambda: encoded(photo(), "JPEG"),
    "plain.avif": lambda: encoded(photo(), "AVIF"),
    "plain.jp2": lambda: encoded(photo(), "JPEG2000"),
    "phone.heic": lambda: heic(photo()),
    "heic named.jpg": lambda: heic(photo()),
    "stereo.mpo": lambda: encoded(photo(), "MPO", save_all=True, append_images=[photo(colour=(0, 0, 250))]),
    "trailer.jpg": lambda: encoded(photo(), "JPEG") + b"SEFH and more" * 20,
}

REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty.jpg": (lambda: b"", "empty"),
    "truncated.jpg": (lambda: encoded(Image.effect_noise((200, 200), 90), "JPEG")[:2000], "truncated or damaged"),
    "truncated.png": (lambda: encoded(Image.effect_noise((200, 200), 90), "PNG")[:2000], "truncated or damaged"),
    "text.jpg": (lambda: b"I am a shopping list.", "not a picture"),
    "postscript.png": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript is not read"),
    "page.jpg": (lambda: b"<!DOCTYPE html><p>404", "a web page"),
    "pointer.jpg": (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
    "jxl.jpg": (lambda: b"\xff\x0a\xfa\x1f", "JPEG XL is not read"),
    "cut.heic": (lambda: heic(photo())[:60], "header is damaged"),
    "big.png": (lambda: png_claiming(10_000, 10_000), "10000 x 10000 pixels"),
    "bomb.png": (lambda: png_claiming(60_000, 60_000), "60000 x 60000 pixels"),
    "header only.png": (lambda: png_claiming(64, 64), "truncated or damaged"),
}


@pytest.mark.parametrize("name", READABLE)
def test_odd_but_good_files_are_read_as_rgb(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(READABLE[name]())
    image = read_image(path)
    assert image.mode == "RGB"
    assert image.size == (40, 30)
    assert near(image, (20, 15), RED)


@pytest.mark.parametrize("name", REFUSED)
def test_bad_files_are_refused_with_a_plain_reason(tmp_path: Path, name: str) -> None:
    make, reason = REFUSED[name]
    path = tmp_path / name
    path.write_bytes(make())
    with pytest.raises(ImageError, match=reason) as refused:
        read_image(path)
    assert refused.value.path == path


@pytest.mark.filterwarnings("default")
def test_nothing_is_warned_about_when_warnings_are_only_printed(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    (tmp_path / "big.png").write_bytes(png_claiming(10_000, 10_000))
    (tmp_path / "exif.jpg").write_bytes(READABLE["damaged exif.jpg"]())
    with pytest.raises(ImageError, match="pixels"):
        read_image(tmp_path / "big.png")
    read_image(tmp_path / "exif.jpg")
    assert not recwarn.list


def test_16_bit_grey_is_scaled_by_its_full_range(tmp_path: Path) -> None:
    values = np.array([[0, 257 * 100, 65535]], dtype=np.uint16)
    for name in ("deep.png", "deep.tiff"):
        Image.fromarray(values).save(tmp_path / name)
        assert np.asarray(read_image(tmp_path / name))[0, :, 0].tolist() == [0, 100, 255]


def test_floats_are_stretched_between_darkest_and_brightest(tmp_path: Path) -> None:
    Image.fromarray(np.array([[-2.0, 0.0, 2.0]], dtype=np.float32)).save(tmp_path / "float.tiff")
    assert np.asarray(read_image(tmp_path / "float.tiff"))[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparency_becomes_white(tmp_path: Path, mode: str) -> None:
    ink = (0, 0) if mode == "LA" else (0, 0, 0, 0)
    image = Image.new(mode, (9, 9), ink)
    image.putpixel((4, 4), (*ink[:-1], 255))
    image.save(tmp_path / "alpha.png")
    seen = read_image(tmp_path / "alpha.png")
    assert seen.getpixel((0, 0)) == (255, 255, 255)
    assert seen.getpixel((4, 4)) == (0, 0, 0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_rotation_is_applied(tmp_path: Path, kind: str) -> None:
    stored = photo((40, 20), (0, 0, 250))
    stored.paste(RED, (0, 0, 20, 20))
    options = {"quality": 95} if kind in ("JPEG", "WEBP") else {}
    path = tmp_path / "turned.img"
    path.write_bytes(encoded(stored, kind, exif=orientated(6), **options))
    upright = read_image(path)
    assert upright.size == (20, 40)
    assert near(upright, (10, 5), RED, within=30)
    assert near(upright, (10, 35), (0, 0, 250), within=30)


def test_files_that_are_no_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "gone.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    reasons = {
        "folder.jpg": "a folder",
        "loop.jpg": "leads back to itself",
        "dangling.jpg": "no such file",
        "absent.jpg": "no such file",
        "pipe.jpg": "a pipe",
        "n" * 300 + ".jpg": "too long",
        "null\0byte.jpg": "null",
    }
    for name, reason in reasons.items():
        for act in (read_image, image_bytes_digest):
            with pytest.raises(ImageError, match=reason):
                act(tmp_path / name)


def test_an_unreadable_file_says_permission_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "private.jpg"
    path.write_bytes(encoded(photo(), "JPEG"))
    path.chmod(0)
    if os.access(path, os.R_OK):  # the superuser reads everything, so the refusal is staged

        def refuse(self: Path, *args: object, **options: object) -> None:
            raise PermissionError(13, "Permission denied", str(self))

        monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ImageError, match="permission denied"):
        read_image(path)


def test_max_pixels_is_checked_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(photo(), "PNG"))
    assert read_image(path, max_pixels=1200).size == (40, 30)
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("decoded"))
    with pytest.raises(ImageError, match="40 x 30 pixels"):
        read_image(path, max_pixels=1199)


def test_equal_files_have_equal_digests_and_others_do_not(tmp_path: Path) -> None:
    for name, content in {"a.jpg": b"x", "b.jpg": b"x", "c.jpg": b"y"}.items():
        (tmp_path / name).write_bytes(content)
    a, b, c = (image_bytes_digest(tmp_path / name) for name in ("a.jpg", "b.jpg", "c.jpg"))
    assert a == b != c
    assert len(a) == 32


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "JPEG2000", "HEIF"]),
    cut=st.floats(0, 1),
    noise=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=8),
)
def test_whatever_the_bytes_only_image_error_comes_out(
    tmp_path: Path, kind: str, cut: float, noise: list[tuple[float, int]]
) -> None:
    content = bytearray(heic(photo()) if kind == "HEIF" else encoded(photo(), kind))
    for position, value in noise:
        content[int(position * len(content))] = value
    path = tmp_path / "fuzzed.jpg"
    path.write_bytes(content[: int(cut * len(content)) + 1])
    with contextlib.suppress(ImageError):
        assert read_image(path).mode == "RGB"


def test_a_jpeg_above_the_limit_is_read_at_the_first_share_that_fits(tmp_path: Path) -> None:
    stored = photo((400, 200), (0, 0, 250))
    stored.paste(RED, (0, 0, 200, 200))
    for kind, name in (("JPEG", "a.jpg"), ("MPO", "b.mpo")):
        (tmp_path / name).write_bytes(encoded(stored, kind))
        for limit, size in ((80_000, (400, 200)), (79_999, (200, 100)), (5_000, (100, 50)), (1_250, (50, 25))):
            seen = read_image(tmp_path / name, max_pixels=limit)
            assert seen.size == size
            assert near(seen, (size[0] // 4, size[1] // 2), RED, within=30)
            assert near(seen, (3 * size[0] // 4, size[1] // 2), (0, 0, 250), within=30)
        with pytest.raises(ImageError, match="between 1 and 1,249 pixels") as refused:
            read_image(tmp_path / name, max_pixels=1_249)
        assert LIMIT not in str(refused.value), "it would change nothing where the caller gave one"
        assert image_size(tmp_path / name) == (400, 200)


def test_the_limit_is_a_setting_also_above_what_pillow_warns_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "wall.png"
    path.write_bytes(png_claiming(20_000, 20_000))
    with pytest.raises(ImageError, match=LIMIT):
        read_image(path)
    monkeypatch.setenv(LIMIT, "400_000_000")
    with pytest.raises(ImageError, match="truncated"):  # so it was tried
        read_image(path)
    monkeypatch.setenv(LIMIT, "")
    with pytest.raises(ImageError, match=f"{MAX_PIXELS:,}"):
        read_image(path)
    monkeypatch.setenv(LIMIT, "many")
    with pytest.raises(ConfigError, match="'many'"):
        read_image(path)


def test_pillow_knows_no_new_format_after_a_heic_was_read(tmp_path: Path) -> None:
    known = set(Image.OPEN)
    (tmp_path / "a.heic").write_bytes(heic(photo()))
    read_image(tmp_path / "a.heic")
    assert "HEIF" not in set(Image.OPEN) - known


def test_a_picture_is_reduced_as_far_as_its_shorter_side_is_long_enough(tmp_path: Path) -> None:
    photo((800, 600)).save(tmp_path / "a.jpg", exif=orientated(6))
    photo((800, 600)).save(tmp_path / "a.png")
    sizes = {side: read_image(tmp_path / "a.jpg", shorter_side=side).size for side in (1, 75, 76, 150, 300, 301, 9000)}
    assert sizes == {1: (75, 100), 75: (75, 100), 76: (150, 200), 150: (150, 200), 300: (300, 400)} | {
        301: (600, 800),
        9000: (600, 800),
    }
    assert read_image(tmp_path / "a.png", shorter_side=75).size == (800, 600)  # its decoder cannot
    assert read_image(tmp_path / "a.jpg", longer_side=100, shorter_side=100).size == (150, 200)
    assert read_image(tmp_path / "a.jpg", shorter_side=300, max_pixels=30_000).size == (150, 200)  # the limit is firm


@pytest.mark.parametrize("name", READABLE)
def test_one_reading_says_what_several_say(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(READABLE[name]())
    found = read_picture(path)
    assert np.array_equal(np.asarray(found.image), np.asarray(read_image(path)))
    assert (found.width, found.height, found.digest) == (*image_size(path), image_bytes_digest(path))


@pytest.mark.parametrize("name", REFUSED)
def test_one_reading_refuses_what_is_refused(tmp_path: Path, name: str) -> None:
    make, reason = REFUSED[name]
    (tmp_path / name).write_bytes(make())
    with pytest.raises(ImageError, match=reason):
        read_picture(tmp_path / name)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_day_is_read_beside_the_pixels(tmp_path: Path, kind: str) -> None:
    path, exif = tmp_path / "a", orientated(6)
    block = exif if kind == "TIFF" else exif.get_ifd(ExifTags.IFD.Exif)
    block[ExifTags.Base.DateTime if kind == "TIFF" else ExifTags.Base.DateTimeOriginal] = "2021:05:06 07:08:09"
    path.write_bytes(encoded(photo((800, 600)), kind, exif=exif))
    found = read_picture(path, shorter_side=75)
    assert found.taken == datetime(2021, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert (found.width, found.height) == (600, 800)
    assert found.image.size == ((75, 100) if kind == "JPEG" else (600, 800))
