import io
import json
import subprocess
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.picture_zip import LEFT_OUT, LONGEST, UniqueNames, safe_name, zip_pieces
from crossgraph.gallery.tables.items import Item
from crossgraph.gallery.upkeep.export import row_lines
from tests.gallery.fake_model import FakeModel, draw_images


def opened(pieces: list[bytes]) -> zipfile.ZipFile:
    found = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
    assert found.testzip() is None
    return found


def item(path: Path, **other: object) -> Item:
    return Item("x", path, "0" * 32, 1, 1, (), **other)  # type: ignore[arg-type]


def test_an_archive_holds_the_files_as_they_are(tmp_path: Path) -> None:
    one, two = draw_images(tmp_path / "a", 3), draw_images(tmp_path / "b", 3, seed=1)
    items = [item(path) for folder in (one, two) for path in sorted(folder.iterdir())]
    archive = opened(list(zip_pieces(items)))
    assert archive.namelist() == ["000.png", "001.png", "002.png", "000 (2).png", "001 (2).png", "002 (2).png"]
    for name, wanted in zip(archive.namelist(), items, strict=True):
        assert archive.read(name) == wanted.path.read_bytes()
    assert str(tmp_path).encode() not in b"".join(zip_pieces(items))


def test_it_is_made_while_it_is_read(tmp_path: Path) -> None:
    paths = sorted(draw_images(tmp_path / "a", 2).iterdir())
    paths[0].write_bytes(paths[0].read_bytes() + bytes(5_000_000))
    pieces = zip_pieces([item(path) for path in paths])
    first = next(pieces)
    assert len(first) < 2_000_000
    paths[1].unlink()
    archive = opened([first, *pieces])
    assert archive.namelist() == ["000.png", LEFT_OUT]
    assert archive.read(LEFT_OUT) == b"001.png: no such file\n"


def test_what_is_no_picture_is_left_out(tmp_path: Path) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_text("root:x:0:0")
    folder = tmp_path / "folder.png"
    folder.mkdir()
    (good,) = draw_images(tmp_path / "a", 1).iterdir()
    whole = list(zip_pieces([item(secret), item(folder), item(good)]))
    archive = opened(whole)
    assert archive.namelist() == ["000.png", LEFT_OUT]
    assert b"root:x" not in b"".join(whole)
    assert b"secret.jpg: no picture any more\nfolder.png: a folder" in archive.read(LEFT_OUT)


def test_times_are_those_of_the_pictures_as_far_as_an_archive_knows_them(tmp_path: Path) -> None:
    (path,) = draw_images(tmp_path / "a", 1).iterdir()
    moments = [datetime(2020, 5, 6, 7, 8, 10, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC), None]
    infos = opened(list(zip_pieces([replace(item(path), taken=moment) for moment in moments]))).infolist()
    assert [info.date_time[0] for info in infos] == [2020, 1980, 1980]
    assert infos[0].date_time == (2020, 5, 6, 7, 8, 10)


@pytest.mark.slow
def test_other_programs_read_it(tmp_path: Path) -> None:
    file = tmp_path / "pictures.zip"
    file.write_bytes(b"".join(zip_pieces([item(path) for path in draw_images(tmp_path / "a", 5).iterdir()])))
    found = subprocess.run(["python3", "-m", "zipfile", "-t", str(file)], capture_output=True, check=True, text=True)
    assert "Done testing" in found.stdout


@given(st.lists(st.one_of(st.text(max_size=200), st.sampled_from(["..", "../a", "CON.png", "a.PNG", "A.png", ""]))))
def test_names_are_unique_and_safe_everywhere(texts: list[str]) -> None:
    names = UniqueNames()
    found = [names.add(text) for text in texts]
    assert len({name.casefold() for name in found}) == len(found)
    for name in found:
        assert name.strip(" .") == name != ""
        assert PurePosixPath(name).name == PureWindowsPath(name).name == name
        assert not PureWindowsPath(name).is_reserved() if hasattr(PureWindowsPath, "is_reserved") else True
        assert len(name.encode()) <= LONGEST + 30
        assert name.isprintable() or not name.isascii()


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("a\u202egpj.exe", "a_gpj.exe"),
        ("nul", "_nul"),
        ("x" * 400 + ".jpeg", "x" * 145 + ".jpeg"),
        (".hidden", "hidden"),
        ("beach, día 2.jpg", "beach, día 2.jpg"),
    ],
)
def test_names_stay_as_like_as_they_can(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_rows_of_some_pictures_come_in_their_order_and_say_where_they_lie_only_if_asked(
    tmp_path: Path, dense: FakeModel
) -> None:
    gallery = Gallery.create(tmp_path / "gallery", dense)
    gallery.index(draw_images(tmp_path / "pictures", 4))
    ids = [gallery.item(f"{row:03}.png").id for row in (2, 0)]
    snapshot = gallery.snapshot()
    rows = snapshot.rows([*ids, "gone", ids[0]])
    told = [json.loads(line) for line in row_lines(snapshot, rows, format="jsonl")]
    assert [row["id"] for row in told] == ids
    assert [Path(row["path"]).name for row in told] == ["002.png", "000.png"]
    for format in ("csv", "jsonl", "paths"):
        text = "\n".join(row_lines(snapshot, rows, format=format, places=False))
        assert "002.png" in text
        assert str(tmp_path) not in text
        assert "pictures" not in text
    assert list(row_lines(snapshot, rows, format="paths")) == [str(gallery.item(one).path) for one in ids]
