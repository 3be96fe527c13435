"""500 pictures and 60 files that decoding must survive, synced into one gallery; a full disk, a read-only one, a rival.

    python bench/faults/hostile_files.py [--pictures 500] [--tmpfs 700] [--work FOLDER]

Four parts, each printed with what was expected: (1) the folder of pictures and hostile files is synced; every picture
and every readable oddity is in the gallery, every other file is listed with its reason, `verify` finds nothing wrong.
(2) The same sync into a gallery on a tmpfs of so many KiB stops with one clear error, keeps what it stored, and goes on
when there is room; needs the right to mount, else it is left out and said so. (3) The tmpfs mounted read-only is
searched and verified, and refuses changes. (4) Two processes sync into one gallery at once: one waits its turn out with
an error, nothing is doubled. Ends with status 1 if anything was otherwise.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

SETTINGS = ("images.size=64", "images.cells=[3]", "training.epochs=1", "training.batch_size=16", "model.width=32")


def draw_hostile(folder: Path, *, seed: int = 0) -> tuple[list[str], list[str]]:
    """Write 60 files that are odd or broken into `folder`: names of those that can be read, and of the others."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)

    def image(mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> Image.Image:
        channels = {"L": 1, "RGB": 3, "RGBA": 4, "CMYK": 4, "LA": 2, "YCbCr": 3}[mode]
        return Image.frombytes(mode, size, random.bytes(size[0] * size[1] * channels))

    def saved(path: Path) -> Path:
        image().save(path)
        return path

    good: dict[str, Callable[[Path], object]] = {}
    bad: dict[str, Callable[[Path], object]] = {}

    # Odd, but pictures.
    good["cmyk.jpg"] = lambda path: image("CMYK").save(path)
    good["ycbcr.tif"] = lambda path: image("YCbCr").save(path)
    good["grey.jpg"] = lambda path: image("L").save(path)
    good["grey_alpha.png"] = lambda path: image("LA").save(path)
    good["alpha.webp"] = lambda path: image("RGBA").save(path)
    good["all_transparent.png"] = lambda path: Image.new("RGBA", (20, 20), (9, 9, 9, 0)).save(path)
    good["one_bit.png"] = lambda path: image("L").convert("1").save(path)
    good["sixteen_bit.png"] = lambda path: _grey16(random).save(path)
    good["sixteen_bit.tif"] = lambda path: _grey16(random).save(path)
    good["integers.tif"] = lambda path: Image.fromarray(random.integers(-99, 99999, (9, 9), dtype=np.int32)).save(path)
    good["floats.tif"] = lambda path: Image.fromarray(random.standard_normal((9, 9)).astype(np.float32)).save(path)
    good["nan.tif"] = lambda path: Image.fromarray(np.full((9, 9), np.nan, np.float32)).save(path)
    good["palette.gif"] = lambda path: image().quantize(16).save(path)
    good["palette_transparent.png"] = lambda path: image().quantize(16).save(path, transparency=3)
    good["palette_bytes.png"] = lambda path: image().quantize(4).save(path, transparency=b"\x00\x80\xff\x10")
    good["animated.gif"] = lambda path: image().save(path, save_all=True, append_images=[image(), image()])
    good["animated.webp"] = lambda path: image().save(path, save_all=True, append_images=[image()])
    good["animated.png"] = lambda path: image().save(path, save_all=True, append_images=[image()])
    good["one_pixel.png"] = lambda path: image(size=(1, 1)).save(path)
    good["one_row.png"] = lambda path: image(size=(3000, 1)).save(path)
    good["one_column.jpg"] = lambda path: image(size=(1, 3000)).save(path)
    good["progressive.jpg"] = lambda path: image().save(path, progressive=True)
    good["really_a_png.jpg"] = lambda path: image().save(path, "PNG")
    good["really_a_gif.png"] = lambda path: image().save(path, "GIF")
    good["upper.JPEG"] = lambda path: image().save(path, "JPEG")
    good["no_suffix"] = lambda path: image().save(path, "PNG")
    good["n" * 240 + ".png"] = lambda path: image().save(path)
    good["unicode \N{SNOWMAN} \N{CJK UNIFIED IDEOGRAPH-6C34} e\N{COMBINING ACUTE ACCENT}.png"] = lambda path: (
        image().save(path)
    )
    good['quote\' "and" ; DROP TABLE items --.png'] = lambda path: image().save(path)
    good["new\nline\ttab.png"] = lambda path: image().save(path)
    good["%s {0} $HOME `id`.png"] = lambda path: image().save(path)
    good["rotated.jpg"] = lambda path: image().save(path, exif=_exif(0x0112, 6))
    good["odd_date.jpg"] = lambda path: image().save(path, exif=_exif(0x0132, "2024:99:99 77:00:00"))
    good["broken_exif.jpg"] = lambda path: image().save(path, exif=b"Exif\0\0II*\0\xff\xff\xff\xff\x07\x07")
    good["trailing_rubbish.png"] = lambda path: _append(saved(path), b"rubbish" * 99)
    good["link.png"] = lambda path: path.symlink_to("alpha.webp")

    # No pictures, or not to be read.
    bad["empty.jpg"] = lambda path: path.touch()
    bad["one_byte.png"] = lambda path: path.write_bytes(b"\x89")
    bad["text.png"] = lambda path: path.write_text("not a picture")
    bad["html.jpg"] = lambda path: path.write_text("<html><body>404</body></html>")
    bad["zeros.jpg"] = lambda path: path.write_bytes(bytes(4096))
    bad["noise.jpg"] = lambda path: path.write_bytes(random.bytes(4096))
    bad["noise.webp"] = lambda path: path.write_bytes(b"RIFF\xff\xff\xff\xffWEBPVP8 " + random.bytes(99))
    bad["zip.png"] = lambda path: path.write_bytes(b"PK\x03\x04" + bytes(99))
    bad["header_only.png"] = lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n")
    bad["header_only.jpg"] = lambda path: path.write_bytes(b"\xff\xd8\xff\xe0")
    bad["header_only.gif"] = lambda path: path.write_bytes(b"GIF89a")
    bad["cut.jpg"] = lambda path: _cut(saved(path), 0.5)
    bad["cut.png"] = lambda path: _cut(saved(path), 0.5)
    bad["cut.webp"] = lambda path: _cut(saved(path), 0.5)
    bad["cut.tif"] = lambda path: _cut(saved(path), 0.3)
    bad["bomb.png"] = lambda path: path.write_bytes(_png_claiming(60_000, 60_000))
    bad["large.png"] = lambda path: path.write_bytes(_png_claiming(12_000, 12_000))
    bad["no_width.png"] = lambda path: path.write_bytes(_png_claiming(0, 100))
    bad["postscript.jpg"] = lambda path: path.write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"
    )
    bad["icon.png"] = lambda path: image(size=(16, 16)).save(path, "ICO")
    bad["pipe.jpg"] = lambda path: os.mkfifo(path)
    bad["socket.png"] = lambda path: _socket(path)
    bad["loop.png"] = lambda path: path.symlink_to(path.name)
    bad["dangling.jpg"] = lambda path: path.symlink_to("nowhere.jpg")
    for place in (good, bad):
        for name, write in place.items():
            write(folder / name)
    # Folders: one with a picture's name, and one that contains itself. Neither is a file to be listed as a picture.
    (folder / "folder.jpg").mkdir(exist_ok=True)
    (folder / "turning").mkdir(exist_ok=True)
    (folder / "turning" / "round").symlink_to(folder)
    return list(good), list(bad)


def _grey16(random: np.random.Generator) -> Image.Image:
    return Image.fromarray(random.integers(0, 65_536, (20, 20), dtype=np.uint16))


def _exif(tag: int, value: object) -> bytes:
    exif = Image.Exif()
    exif[tag] = value
    return exif.tobytes()


def _append(path: Path, tail: bytes) -> None:
    path.write_bytes(path.read_bytes() + tail)


def _cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def _png_claiming(width: int, height: int) -> bytes:
    """A well-formed PNG of that size by its header, with pixels for almost none of it."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _socket(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # the path of a socket may have 107 letters only
    try:
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(path.name)
    finally:
        os.chdir(before)


def crossgraph(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    command = [sys.executable, "-c", "from crossgraph.cli import main; main()", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


def fail(message: str) -> int:
    """Say what was otherwise than expected."""
    print(f"WRONG: {message}")
    return 1


def errors_of(done: subprocess.CompletedProcess[str]) -> str:
    """The lines of stderr that are neither progress nor skipped files."""
    return "\n".join(line for line in done.stderr.splitlines() if line.startswith(("error", "Traceback")))


def hostile(work: Path, folder: Path, run: Path, images: int) -> int:
    """Part 1."""
    from crossgraph.gallery.gallery import Gallery
    from crossgraph.gallery.tables.skipped import read_skipped

    readable, unreadable = draw_hostile(folder / "hostile")
    done = crossgraph("sync", work / "gallery", folder, "--model", run)
    print("1:", done.stdout.strip(), errors_of(done))
    wrong = done.returncode != 0 and fail(f"exit code {done.returncode}")
    gallery = Gallery.open(work / "gallery")
    names = {Path(path).name for path in gallery.snapshot().items["path"].to_pylist()}
    listed = {entry.path.name: entry.reason for entry in read_skipped(gallery.folder)}
    for name in readable:
        wrong += name not in names and fail(f"{name!r} is not in the gallery: {listed.get(name)}")
    for name in unreadable:
        wrong += (name in names or not listed.get(name)) and fail(f"{name!r} is not listed with a reason")
    wrong += len(gallery) != images + len(readable) and fail(f"{len(gallery)} rows")
    for name in sorted(listed):
        print(f"     {name[:40]!r:44} {listed[name]}")
    checked = crossgraph("gallery", "verify", work / "gallery")
    print("  ", checked.stdout.strip(), checked.stderr[-300:] if checked.returncode else "")
    return wrong + (checked.returncode != 0 and fail("verify found problems"))


def full_disk(work: Path, folder: Path, run: Path, size: int, expected: int) -> int:
    """Parts 2 and 3."""
    from crossgraph.gallery.gallery import Gallery

    place = work / "small"
    place.mkdir(exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", place]).returncode != 0:
        print("2, 3: left out, mounting is not allowed here")
        return 0
    try:
        gallery, wrong = place / "gallery", 0
        done = crossgraph("sync", gallery, folder, "--model", run)
        print("2:", done.stdout.strip(), errors_of(done))
        wrong += (done.returncode != 2 or "disk is full" not in done.stderr) and fail(f"exit code {done.returncode}")
        wrong += "Traceback" in done.stderr and fail(done.stderr[-2000:])
        kept = len(Gallery.open(gallery))
        checked = crossgraph("gallery", "verify", gallery)
        print(f"   {kept} pictures kept;", checked.stdout.strip(), checked.stderr[-300:] if checked.returncode else "")
        wrong += checked.returncode != 0 and fail("verify found problems on the full disk")
        subprocess.run(["mount", "-o", "remount,size=512m", place], check=True)
        again = crossgraph("sync", gallery, folder)
        print("   with room:", again.stdout.strip(), errors_of(again))
        wrong += (again.returncode != 0 or len(Gallery.open(gallery)) != expected) and fail("it did not go on")
        wrong += f"{kept} unchanged" not in again.stdout and fail("what was kept was encoded again")
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        found = crossgraph("search", "a red ball", "--gallery", gallery, "-k", 3)
        print("3: search:", len(found.stdout.splitlines()), "answers", errors_of(found))
        wrong += (found.returncode != 0 or len(found.stdout.splitlines()) != 3) and fail(
            "no search on a read-only disk"
        )
        for words in (
            ("sync", gallery),
            ("gallery", "optimize", gallery),
            ("gallery", "remove", gallery, "--where", "width > 0"),
        ):
            refused = crossgraph(*words)
            print("  ", errors_of(refused))
            clear = refused.returncode == 2 and "read-only" in refused.stderr
            wrong += not clear and fail(f"{words[:2]}: exit code {refused.returncode}, {refused.stderr[-500:]}")
        wrong += crossgraph("gallery", "verify", gallery).returncode != 0 and fail("verify on a read-only disk")
        return wrong
    finally:
        subprocess.run(["umount", "-l", place], check=False)


def rivals(work: Path, folder: Path, run: Path, expected: int) -> int:
    """Part 4."""
    from crossgraph.gallery.gallery import Gallery

    command = [sys.executable, "-c", "from crossgraph.cli import main; main()", "sync", work / "rivals", folder]
    both = [
        subprocess.Popen(
            [*map(str, command), "--model", str(run)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    answers = [process.communicate() for process in both]
    codes = sorted(process.returncode for process in both)
    for out, err in answers:
        print("4:", out.strip(), "\n".join(line for line in err.splitlines() if line.startswith(("error", "Trace"))))
    wrong = codes not in ([0, 2], [0, 0]) and fail(f"exit codes {codes}")
    wrong += len(Gallery.open(work / "rivals")) != expected and fail(f"{len(Gallery.open(work / 'rivals'))} rows")
    wrong += crossgraph("gallery", "verify", work / "rivals").returncode != 0 and fail("verify found problems")
    return wrong


def main() -> None:
    """The four parts, one after the other."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--pictures", type=int, default=500)
    options.add_argument("--tmpfs", type=int, default=700)
    options.add_argument("--work", type=Path)
    asked = options.parse_args()
    work = asked.work or Path(tempfile.mkdtemp())
    work.mkdir(parents=True, exist_ok=True)
    os.environ["CROSSGRAPH_CACHE"] = str(work / "cache")
    from crossgraph import verbs
    from crossgraph.config import read_config
    from crossgraph.data.sources import open_corpus

    corpus, run = open_corpus(f"scenes:{asked.pictures}"), work / "run"
    if not run.exists():
        verbs.train(corpus, read_config(None, changes=list(SETTINGS)), work / "dual")
        changes = [*SETTINGS, "method=kidrr", "model.similarity_width=16"]
        verbs.train(corpus, read_config(None, changes=changes), run, shortlist=work / "dual")
    folder = work / "folder"
    for old in (folder, work / "gallery", work / "rivals"):
        shutil.rmtree(old, ignore_errors=True)
    folder.mkdir()
    for path in corpus.image_paths:
        shutil.copy(path, folder)
    wrong = hostile(work, folder, run, asked.pictures)
    from crossgraph.gallery.gallery import Gallery

    expected = len(Gallery.open(work / "gallery"))
    wrong += full_disk(work, folder, run, asked.tmpfs, expected)
    wrong += rivals(work, folder, run, expected)
    print(f"{wrong} things were otherwise than expected")
    raise SystemExit(int(wrong > 0))


if __name__ == "__main__":
    main()
