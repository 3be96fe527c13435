import io
import os
import struct
import sys
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crossgraph.data.images import read_image
from crossgraph.errors import ConfigError, GalleryError, ImageError
from crossgraph.gallery.guarded_decode import DecodeLimits, DecoderBusyError, GuardedDecoder

SMALL = DecodeLimits(bytes=400_000, pixels=1_000_000, seconds=20.0, longer_side=400)


def drawn(size: tuple[int, int] = (60, 40), mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def written(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    stream = io.BytesIO()
    (image or drawn()).save(stream, kind, **options)
    return stream.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_bomb(width: int, height: int) -> bytes:
    """A few bytes that say they are many pixels."""
    rows = zlib.compress(bytes((width + 1) * 200), 9)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bytes(1_000_000))
    return stream.getvalue()


@pytest.fixture(scope="module")
def decoder() -> Iterator[GuardedDecoder]:
    with GuardedDecoder(SMALL) as made:
        yield made


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("JPEG", {"quality": 95}),
        ("WEBP", {"lossless": True}),
        ("GIF", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("AVIF", {}),
        ("JPEG2000", {}),
        ("HEIF", {}),
    ],
)
def test_what_comes_back_is_what_the_file_itself_would_give(
    decoder: GuardedDecoder, tmp_path: Path, kind: str, options: dict[str, Any]
) -> None:
    if kind == "HEIF":
        import pillow_heif

        stream = io.BytesIO()
        pillow_heif.from_pillow(drawn()).save(stream)
        content = stream.getvalue()
    else:
        content = written(kind, **options)
    path = tmp_path / "file"
    path.write_bytes(content)
    with decoder.decoded(content) as file:
        assert file.read_bytes().startswith(b"\x89PNG")
        assert np.array_equal(np.asarray(read_image(file)), np.asarray(read_image(path)))
    assert not file.exists()


def test_it_is_upright_without_transparency_and_of_bounded_size(decoder: GuardedDecoder) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decoder.decode(written("JPEG", exif=exif)).size == (40, 60)
    assert decoder.decode(written("PNG", Image.new("RGBA", (5, 5)))).getpixel((1, 1)) == (255, 255, 255)
    assert decoder.decode(written("JPEG", drawn((800, 200)))).size == (400, 100)


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_of_many_frames_the_first_counts(decoder: GuardedDecoder, kind: str) -> None:
    frames = [Image.new("RGB", (30, 30), colour) for colour in ("red", "lime", "blue")]
    content = written(kind, frames[0], save_all=True, append_images=frames[1:], duration=50)
    red, green, blue = np.asarray(decoder.decode(content))[3, 3].tolist()
    assert red > 200 > 60 > max(green, blue)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"hello", "not a picture"),
        (
            b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
            "SVG",
        ),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n", "PostScript"),
        (b"%PDF-1.7\n", "PDF"),
        (zipped(), "not a picture"),
        (b"GIF89a" + b"<script>alert(1)</script>" * 9, "pixels|damaged|decoded"),
        (written("JPEG")[:300], "damaged"),
        (written("PNG")[:-30], "damaged"),
        (b"\x89PNG\r\n\x1a\n" + zipped(), "damaged"),
        (written("JPEG", drawn((5000, 10)))[:25], "damaged"),
        (png_bomb(30_000, 30_000), "pixels"),
        (png_bomb(1500, 1500), "2,?250,?000|1500 x 1500 pixels"),
        (bytes(400_001), "400,001 bytes; at most 400,000"),
    ],
)
def test_anything_else_is_refused_with_its_reason(decoder: GuardedDecoder, content: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason) as caught:
        decoder.decode(content)
    assert "/proc" not in str(caught.value)
    assert decoder.decode(written("PNG")).size == (60, 40), "the next one is decoded"


def test_a_picture_of_too_many_pixels_gets_no_advice_that_changes_nothing(
    decoder: GuardedDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSGRAPH_MAX_PIXELS", "900000000")
    with pytest.raises(ImageError, match=r"between 1 and 1,000,000 pixels can be read \(a smaller copy") as refused:
        decoder.decode(png_bomb(30_000, 20_000))
    assert "MAX_PIXELS" not in str(refused.value)


@pytest.mark.parametrize("tail", [zipped(), b"<script>alert(1)</script>", b"%PDF-1.7"])
def test_of_a_file_that_is_two_things_nothing_but_pixels_is_handed_on(decoder: GuardedDecoder, tail: bytes) -> None:
    with decoder.decoded(written("JPEG") + tail) as file:
        assert tail[:20] not in file.read_bytes()
        assert read_image(file).size == (60, 40)


def test_a_picture_that_needs_too_much_memory_is_refused_and_the_next_is_decoded() -> None:
    limits = DecodeLimits(memory=220 * 1024**2, pixels=100_000_000)
    large = written("PNG", Image.new("RGB", (9000, 9000)))
    with GuardedDecoder(limits) as decoder:
        with pytest.raises(ImageError, match="memory"):
            decoder.decode(large)
        assert decoder.decode(written("PNG")).size == (60, 40)


def test_a_worker_that_takes_too_long_is_killed_and_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with GuardedDecoder(DecodeLimits(seconds=0.3)) as decoder:
        assert decoder.decode(written("PNG")).size == (60, 40)
        (worker,) = decoder._running
        os.kill(worker._process.pid, 19)  # it hangs
        started = time.monotonic()
        with pytest.raises(ImageError, match=r"longer than 0\.3 s"):
            decoder.decode(written("PNG"))
        assert time.monotonic() - started < 30
        assert worker._process.poll() is not None
        (other,) = decoder._running
        assert other is not worker
        monkeypatch.setattr(decoder, "limits", DecodeLimits())
        other._limits = DecodeLimits()
        assert decoder.decode(written("PNG")).size == (60, 40)


def test_a_worker_that_died_costs_one_picture_at_most() -> None:
    with GuardedDecoder(SMALL) as decoder:
        decoder.decode(written("PNG"))
        (worker,) = decoder._running
        worker._process.kill()
        with pytest.raises(ImageError, match="gave up"):
            decoder.decode(written("PNG"))
        assert decoder.decode(written("PNG")).size == (60, 40)


def test_many_threads_share_few_workers() -> None:
    contents = [written("PNG", Image.new("RGB", (20 + row, 10), (row, 0, 0))) for row in range(24)]
    contents[5] = b"broken"

    def width(content: bytes) -> int | str:
        try:
            return shared.decode(content).width
        except ImageError as error:
            return error.reason

    with GuardedDecoder(SMALL, workers=2) as shared, ThreadPoolExecutor(8) as threads:
        found = list(threads.map(width, contents))
    assert "not a picture" in str(found.pop(5))
    assert found == [20 + row for row in range(24) if row != 5]


def test_when_all_are_at_work_for_long_the_next_is_told_so() -> None:
    with GuardedDecoder(DecodeLimits(seconds=0.2)) as decoder:
        decoder._idle.get()
        with pytest.raises(DecoderBusyError):
            decoder.decode(written("PNG"))


def test_closing_ends_all_workers_also_one_at_work_and_refuses_more() -> None:
    decoder = GuardedDecoder(SMALL, workers=2)
    decoder.start()
    workers = list(decoder._running)
    assert len(workers) == 2
    decoder.decode(written("PNG"))
    os.kill(workers[0]._process.pid, 19)
    os.kill(workers[1]._process.pid, 19)
    failed: list[Exception] = []

    def decode() -> None:
        try:
            decoder.decode(written("PNG"))
        except (ImageError, GalleryError) as error:
            failed.append(error)

    thread = threading.Thread(target=decode)
    thread.start()
    time.sleep(0.2)
    decoder.close()
    thread.join(30)
    assert not thread.is_alive()
    assert len(failed) == 1
    assert all(worker._process.poll() is not None for worker in workers)
    with pytest.raises((GalleryError, ImageError)):
        decoder.decode(written("PNG"))
    assert not decoder._running


def test_the_worker_knows_neither_torch_nor_this_process_s_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hidden")
    with GuardedDecoder(SMALL) as decoder:
        decoder.decode(written("PNG"))
        (worker,) = decoder._running
        place = Path(f"/proc/{worker._process.pid}")
        assert b"hidden" not in (place / "environ").read_bytes()
        assert "libtorch" not in (place / "maps").read_text()
        assert "address space" in (place / "limits").read_text()
        limits = {line[:26].strip(): line[26:].split()[0] for line in (place / "limits").read_text().splitlines()[1:]}
        assert limits["Max address space"] == str(SMALL.memory)
        assert limits["Max file size"] == str(SMALL.bytes)
        assert limits["Max core file size"] == "0"


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_no_file_is_left_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with GuardedDecoder(SMALL) as decoder:
            decoder.decode(written("PNG"))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("limits", [{"bytes": 0}, {"seconds": -1.0}])
def test_limits_must_be_above_nothing(limits: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        DecodeLimits(**limits)
    with pytest.raises(ConfigError, match="at least 1"):
        GuardedDecoder(workers=0)
