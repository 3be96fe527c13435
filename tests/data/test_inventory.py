"""Every file of a folder is in one heap, whatever it is and whatever it is called."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import socket
import tarfile
import unicodedata
import zipfile
from collections import Counter
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from scipy.io import savemat

from crossgraph.data.check import check_corpus
from crossgraph.data.exclusions import IGNORE_FILE
from crossgraph.data.file_kinds import TEXT_ENDINGS, ending_of
from crossgraph.data.inventory import APPLE_DOUBLE, HIDDEN, UNNAMED, Inventory, take_inventory
from crossgraph.data.sources import open_corpus
from crossgraph.errors import ConfigError, DataError


def jpeg(seed: int = 0) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 6), (seed * 40 % 256, 90, 200)).save(stream, "JPEG")
    return stream.getvalue()


def zipped(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return stream.getvalue()


def tarred(*names: str, mode: Literal["w", "w:gz"] = "w") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return stream.getvalue()


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def names(found: Inventory) -> list[str]:
    return [path.relative_to(found.folder).as_posix() for path in found.images]


def reasons(found: Inventory) -> dict[str, str]:
    return {one.path.relative_to(found.folder).as_posix(): one.reason for one in found.listed}


def in_heaps(found: Inventory) -> int:
    heaps = (found.images, found.texts, found.skipped)
    return sum(map(len, heaps)) + sum(found.uninteresting.values()) + sum(found.left_out.values())


def files_there(folder: Path) -> int:
    """Everything under `folder` that is no folder and leads to none, links to folders followed once: the slow way."""
    count, seen = 0, set()

    def search(current: Path, *, follow: bool) -> None:
        nonlocal count
        links = []
        seen.add(current.resolve())
        for entry in sorted(current.iterdir()):
            try:
                leads_to_folder = entry.is_dir()
            except OSError:
                leads_to_folder = False
            if not leads_to_folder:
                count += 1
            elif entry.is_symlink():
                links.append(entry)
            else:
                search(entry, follow=follow)
        late.extend(links)

    late: list[Path] = []
    search(folder, follow=True)
    while late:
        link = late.pop(0)
        if link.resolve() not in seen:
            search(link, follow=True)
    return count


def test_pictures_are_found_sorted_by_ending_or_content(tmp_path: Path) -> None:
    good = (
        "b.JPG",
        "a.webp",
        "sub/c.png",
        "sub/deeper/d.tif",
        "no extension",
        "x.jpg/inside.jpg",
        "old.pic",
        "t.jpg:large",
    )
    fill(tmp_path, dict.fromkeys(good, jpeg()))
    fill(tmp_path, dict.fromkeys(("notes.txt", "README", "film.mp4", "save.xyz"), b"not a picture"))
    found = take_inventory(tmp_path)
    assert names(found) == sorted(good, key=lambda name: name.split("/"))
    assert found.skipped == found.unsearched == ()
    assert found.uninteresting == {"no ending": 1, ".mp4": 1, ".xyz": 1}
    assert [path.name for path in found.texts] == ["notes.txt"]
    assert in_heaps(found) == files_there(tmp_path) == 12


UNREAD = {
    "a.dng": (b"II*\0" + bytes(60), "RAW"),
    "a.CR2": (b"II*\0\x10\0\0\0CR\2\0", "RAW"),
    "canon": (b"II*\0\x10\0\0\0CR\2\0", "RAW"),
    "a.svg": (b"<svg/>", "SVG"),
    "a.pdf": (b"%PDF-1.7", "PDF"),
    "unnamed": (b"%PDF-1.7", "PDF"),
    "a.jxl": (b"\xff\x0a", "JPEG XL"),
    "a.psd": (b"8BPS", "Photoshop"),
    "a.ico": (b"\0\0\1\0", "icon"),
    "a.zip": (zipped("x/1.jpg", "x/2.PNG", "notes.txt", "x/._1.jpg"), "2 pictures inside an archive; unpack it"),
    "a.tar": (tarred("1.jpg", "1.txt"), "1 pictures inside"),
    "a.tar.gz": (tarred("1.jpg", mode="w:gz"), "1 pictures inside"),
    "a.7z": (b"7z\xbc\xaf", "unpack it"),
    "cut.zip": (zipped("1.jpg")[:30], "an archive that cannot be read"),
    "cut.tgz": (tarred("1.jpg", mode="w:gz")[:30], "an archive that cannot be read"),
}


@pytest.mark.parametrize("name", UNREAD)
def test_pictures_that_cannot_be_read_are_listed_by_name(tmp_path: Path, name: str) -> None:
    content, reason = UNREAD[name]
    fill(tmp_path, {name: content})
    found = take_inventory(tmp_path)
    assert list(reasons(found)) == [name]
    assert reason in reasons(found)[name]
    assert in_heaps(found) == 1


def test_a_picture_under_the_ending_of_another_format_is_a_picture(tmp_path: Path) -> None:
    fill(tmp_path, dict.fromkeys(("a.dng", "a.ico", "a.psd"), jpeg()))
    assert names(take_inventory(tmp_path)) == ["a.dng", "a.ico", "a.psd"]


def test_an_archive_without_pictures_is_of_no_interest(tmp_path: Path) -> None:
    found = take_inventory(fill(tmp_path, {"a.zip": zipped("a.txt"), "b.tar": tarred("b.py"), "empty.zip": zipped()}))
    assert found.uninteresting == {".zip": 2, ".tar": 1}


def test_what_is_not_the_users_is_left_out_and_counted(tmp_path: Path) -> None:
    folders = ("@eaDir/a.jpg", "#recycle", ".thumbnails", "$RECYCLE.BIN/S-1", "lost+found", "__MACOSX", ".git/objects")
    fill(tmp_path, {f"sub/{folder}/{n}.jpg": jpeg() for folder in folders for n in range(2)})
    fill(
        tmp_path, dict.fromkeys(("._a.jpg", ".DS_Store", "Thumbs.db", "desktop.ini", ".hidden.jpg", ".x/y/z.jpg"), b"1")
    )
    found = take_inventory(fill(tmp_path, {"a.jpg": jpeg()}))
    assert names(found) == ["a.jpg"]
    assert found.left_out == {
        **dict.fromkeys((folder.split("/")[0] for folder in folders), 2),
        APPLE_DOUBLE: 1,
        ".DS_Store": 1,
        "Thumbs.db": 1,
        "desktop.ini": 1,
        HIDDEN: 2,
    }
    assert in_heaps(found) == files_there(tmp_path)


def test_a_folder_is_searched_that_is_named_outright(tmp_path: Path) -> None:
    fill(tmp_path, {"@eaDir/a.jpg": jpeg()})
    assert names(take_inventory(tmp_path / "@eaDir")) == ["a.jpg"]


def test_every_folder_is_searched_once(tmp_path: Path) -> None:
    photos, elsewhere = tmp_path / "photos", tmp_path / "elsewhere"
    fill(tmp_path, {"photos/z/p.jpg": b"", "elsewhere/p.jpg": b""})
    (photos / "a loop").symlink_to(photos)
    (photos / "a link inside").symlink_to(photos / "z")
    (photos / "outside").symlink_to(elsewhere)
    found = take_inventory(photos)
    assert names(found) == ["outside/p.jpg", "z/p.jpg"]
    assert [one.path.name for one in found.unsearched] == ["a link inside", "a loop"]
    assert in_heaps(found) == files_there(photos) == 2


def test_a_folder_that_may_not_be_opened_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def guarded(path: str) -> os._ScandirIterator[str]:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert reasons(take_inventory(tmp_path)) == {"locked": "permission denied"}


def test_what_is_no_file_is_listed(tmp_path: Path) -> None:
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe.mp4")
    assert reasons(take_inventory(tmp_path)) == {
        "gone.txt": "a link to a file that is not there",
        "loop.jpg": "a symbolic link that leads back to itself",
        "pipe.mp4": "a pipe, socket or device, not a file",
    }


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a folder"):
        take_inventory(tmp_path / "absent")


def test_patterns_leave_out_files_and_folders_and_are_counted(tmp_path: Path) -> None:
    fill(tmp_path, dict.fromkeys(("a.jpg", "a.gif", "old/b.jpg", "old/c/d.jpg", "new/old/e.jpg", "new/f.gif"), jpeg()))
    found = take_inventory(tmp_path, exclude=["*.gif", "!f.gif", "/old/"])
    assert names(found) == ["a.jpg", "new/f.gif", "new/old/e.jpg"]
    assert found.left_out == {"--exclude": 3}
    with pytest.raises(ConfigError, match="no pattern"):
        take_inventory(tmp_path, exclude=["!"])


def test_a_nested_ignore_file_counts_over_one_above_it_and_the_option_over_both(tmp_path: Path) -> None:
    fill(tmp_path, dict.fromkeys(("a.gif", "in/b.gif", "in/c.jpg", "in/deep/d.gif", "in/deep/e.jpg"), jpeg()))
    fill(tmp_path, {IGNORE_FILE: b"\xef\xbb\xbf# films\n*.gif\n", f"in/{IGNORE_FILE}": b"!*.gif\r\ndeep/e.jpg\n"})
    found = take_inventory(tmp_path)
    assert names(found) == ["in/b.gif", "in/c.jpg", "in/deep/d.gif"]
    assert found.left_out == {IGNORE_FILE: 2, HIDDEN: 2}
    assert names(take_inventory(tmp_path, exclude=["b.gif", "!e.jpg"])) == [
        "in/c.jpg",
        "in/deep/d.gif",
        "in/deep/e.jpg",
    ]


def test_pictures_of_a_caption_file_are_left_out_by_patterns_too_and_those_it_does_not_name_listed(
    tmp_path: Path,
) -> None:
    fill(tmp_path, dict.fromkeys(("a.jpg", "old/b.jpg", "tmp/c.jpg", "d.jpg"), jpeg()))
    fill(tmp_path, {"captions.csv": b"image,caption\na.jpg,a\nold/b.jpg,b\ntmp/c.jpg,c\n", IGNORE_FILE: b"tmp\n"})
    corpus = open_corpus(tmp_path, exclude=["old"])
    assert (corpus.image_ids, corpus.captions) == (("a.jpg",), ("a",))
    report = check_corpus(tmp_path, exclude=["old"])
    assert report.files is not None
    assert (report.images, report.files.texts, report.files.left_out) == (
        1,
        1,
        {"--exclude": 1, IGNORE_FILE: 1, HIDDEN: 1},
    )
    assert [(one.path.name, one.reason) for one in report.unreadable] == [("d.jpg", UNNAMED)]


def put_layout(folder: Path, layout: str) -> None:
    """Two pictures, one of them in `old`, with captions in that layout."""
    images, captions = ("a.jpg", "old/b.jpg"), ("one", "two")
    for name in images:
        fill(folder, {name: jpeg()})
    rows = [{"file_name": name, "text": text} for name, text in zip(images, captions, strict=True)]
    lines = "\n".join(map(json.dumps, rows)).encode()
    match layout:
        case "folder":
            fill(folder, {"a.txt": b"one", "old/b.txt": b"two"})
        case "known name":
            fill(folder, {"captions.csv": b"image,caption\na.jpg,one\nold/b.jpg,two\n"})
        case "jsonl":
            fill(folder, {"some.jsonl": lines})
        case "imagefolder":
            fill(folder, {"metadata.jsonl": lines})
        case "parquet":
            pq.write_table(pa.Table.from_pylist(rows), folder / "rows.parquet")
        case "img2dataset":
            fill(folder, {"a.txt": b"one", "old/b.txt": b"two", "00000.tar": tarred("c.jpg")})
        case _:
            assert layout == "dchmt"
            cells = [np.array([[one] for one in column], dtype=object) for column in (images, captions)]
            savemat(folder / "index.mat", {"index": cells[0]})
            savemat(folder / "caption.mat", {"caption": cells[1]})


@pytest.mark.parametrize("layout", ["folder", "known name", "jsonl", "imagefolder", "parquet", "img2dataset", "dchmt"])
def test_every_layout_heeds_patterns_and_counts_every_file(
    layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSGRAPH_CACHE", str(tmp_path / "cache"))
    put_layout(tmp_path / "data", layout)
    fill(tmp_path / "data", {"old/notes.csv": b"a,b\n", "film.mp4": b"film", "broken.zip": b"no"})
    there = files_there(tmp_path / "data")
    monkeypatch.chdir(tmp_path / "data")
    for place in (tmp_path / "data", Path(".")):
        whole, part = check_corpus(place), check_corpus(place, exclude=["old"])
        inside = layout == "img2dataset"  # an empty picture in a tar, which is no file of the folder
        assert (whole.images, part.images) == (2, 1)
        assert [one.path.name for one in whole.unused] == ["notes.csv"]
        assert part.unused == ()
        for report in (whole, part):
            files = report.files
            assert files is not None
            counted = files.texts + sum(files.uninteresting.values()) + sum(files.left_out.values())
            assert report.images + len(report.unreadable) - inside + counted == there


def test_a_caption_file_that_is_excluded_is_not_read(tmp_path: Path) -> None:
    put_layout(tmp_path, "known name")
    corpus = open_corpus(tmp_path, exclude=["captions.csv"])
    assert (len(corpus), corpus.captions) == (2, ())


ODD_NAMES = (
    *(f"plain{number}" for number in range(6)),
    *("two\nlines", os.fsdecode(b"latin \xe9\xff"), "-rf", "n" * 200, "n" * 240, " space before", "a.b.c", "猫 🐈"),
    *(unicodedata.normalize(form, "Grüße à é") for form in ("NFC", "NFD")),
    *('100% sure #1? "it\'s" *[a]!', "\x1b[2J\x07", "\u202egpj.evil", ".hidden", "._double", "\\back\\slash"),
)
ODD_ENDINGS = (
    *(
        ".jpg",
        ".JPG",
        ".jpg ",
        ".jfif",
        ".jpe",
        ".jpg_large",
        ".png",
        ".heic",
        ".avif",
        ".tif",
        ".pic",
        "",
        ".",
        ".x y",
    ),
    *(
        ".txt",
        ".csv",
        ".json",
        ".caption",
        ".npy",
        ".mp4",
        ".ini",
        ".dng",
        ".svg",
        ".pdf",
        ".jxl",
        ".zip",
        ".tar",
        ".7z",
    ),
)


def test_galleries_and_runs_among_pictures_are_left_out_whole_and_counted(tmp_path: Path) -> None:
    made = {
        "gal": ("gallery.json", "items.lance/_versions/1.manifest", "skipped.json", "captions.csv"),
        "runs/a": ("manifest.json", "weights.safetensors", "log.jsonl", "evaluations/val.json", "a.jpg"),
        "casc": ("cascade.json", "dense/manifest.json", "dense/weights.safetensors", "codes/planes.npz"),
    }
    files = {f"{folder}/{file}": b"{}" for folder, names in made.items() for file in names}
    fill(tmp_path, {"a.jpg": jpeg(), "gallery.json": b"{}", **files})
    found = take_inventory(tmp_path)
    assert names(found) == ["a.jpg"]
    assert found.left_out == {"trained runs": 5, "galleries": 4, "cascades": 4}
    assert [path.name for path in found.texts] == ["gallery.json"]
    assert open_corpus(tmp_path).image_ids == ("a.jpg",)
    assert names(take_inventory(tmp_path / "runs" / "a")) == ["a.jpg"]  # what is named is looked at


ODD_FOLDERS = ("", "", "in", "in/deep", "@eaDir/a.jpg", "#recycle", ".thumbnails", "out.jpg", "leer\n", "lost+found")
CONTENTS = (
    *(jpeg(), jpeg()[:40], b"", b"a shopping list", b"<html>", b"\0" * 70, zipped("a.jpg"), zipped(), tarred("a.jpg")),
    *(b"II*\0CR", b"%PDF-1", b"\xff\x0a", b"8BPS", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"\0\0\0\x18ftypheic"),
)
PATTERNS = b"*.png\n!a.b.c.png\nin/deep/\n"


def mixture(folder: Path, seed: int) -> None:
    """Up to thirty files, each of an odd name, an odd ending and odd content, some of them no files at all."""
    rng = random.Random(seed)
    for _ in range(rng.randrange(1, 30)):
        place = folder / rng.choice(ODD_FOLDERS) / (rng.choice(ODD_NAMES) + rng.choice(ODD_ENDINGS))
        if rng.random() < 0.04:
            place = place.with_name(IGNORE_FILE)
        place.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(place):
            continue
        match rng.randrange(24):
            case 0:
                os.mkfifo(place)
            case 1:
                place.symlink_to(rng.choice((place, folder, folder / "nothing", place.parent)))
            case 2:
                bind(place)
            case 3:
                place.mkdir()
            case _ if place.name == IGNORE_FILE:
                place.write_bytes(PATTERNS)
            case _:
                place.write_bytes(b"a caption" if ending_of(place.name) in TEXT_ENDINGS else rng.choice(CONTENTS))


def bind(place: Path) -> None:
    """A socket at `place`, if its name is short enough for one."""
    with socket.socket(socket.AF_UNIX) as one:
        try:
            one.bind(os.fsencode(place))
        except OSError:
            place.write_bytes(b"a caption")


@pytest.mark.parametrize("block", range(6))
def test_of_300_mixtures_of_odd_files_each_file_is_in_one_heap(tmp_path: Path, block: int) -> None:
    seen: Counter[str] = Counter()
    for seed in range(block * 50, block * 50 + 50):
        folder = tmp_path / str(seed)
        folder.mkdir()
        mixture(folder, seed)
        there = files_there(folder)
        for exclude in ((), ("*.txt", "in/", "!deep")):
            found = take_inventory(folder, exclude=exclude)
            assert in_heaps(found) == there, f"mixture {seed}"
            listed = [*found.images, *found.texts, *(one.path for one in found.skipped)]
            assert len(set(listed)) == len(listed)
        report = None
        try:
            report = check_corpus(f"folder:{folder}")
        except DataError:
            assert not take_inventory(folder).images
        if report is not None and report.files is not None:
            seen["with pictures"] += 1
            skipped = [one for one in report.unreadable if not one.path.is_dir()]
            files = report.files
            counted = files.texts + sum(files.uninteresting.values()) + sum(files.left_out.values())
            assert report.images + len(skipped) + counted == there, f"mixture {seed}"
        shutil.rmtree(folder)
    assert seen["with pictures"] > 20
