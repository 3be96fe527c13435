"""Pixels of pictures, from a list or from the pictures themselves."""

import json
from pathlib import Path

import pytest
from PIL import Image

from crossgraph.data.graphs.image_sizes import listed_sizes, sizes_in
from crossgraph.errors import DataError

ORIENTATION = 0x0112


def test_a_list_names_pictures_or_numbers_them(tmp_path: Path) -> None:
    file = tmp_path / "sizes.json"
    rows = [{"image": "a.png", "width": 30, "height": 20}, {"image_id": 7, "width": 8, "height": 9, "url": "ignored"}]
    file.write_text(json.dumps(rows), encoding="utf-8")
    assert listed_sizes(file) == {"a.png": (30, 20), "7.jpg": (8, 9)}
    assert listed_sizes(file, ending=".png")["7.png"] == (8, 9)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"width": 3, "height": 4}, "it to have the field image, or image_id"),
        ({"image": "a", "width": 0, "height": 4}, "entry 0, width"),
        ({"image": "a", "width": 3}, "field height"),
    ],
)
def test_a_row_without_a_name_or_a_size_is_refused(tmp_path: Path, row: dict[str, object], message: str) -> None:
    file = tmp_path / "sizes.json"
    file.write_text(json.dumps([row]), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        listed_sizes(file)


def test_pictures_of_a_folder_are_measured_upright_and_named_by_path_and_by_name(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    Image.new("RGB", (40, 20)).save(tmp_path / "flat.jpg")
    Image.new("RGB", (6, 5)).save(tmp_path / "twice.png")
    Image.new("RGB", (4, 3)).save(tmp_path / "sub" / "twice.png")
    (tmp_path / "torn.jpg").write_bytes(b"not a picture")
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.new("RGB", (50, 30)).save(tmp_path / "sub" / "turned.jpg", exif=exif)
    assert sizes_in(tmp_path) == {
        "flat.jpg": (40, 20),
        "twice.png": (6, 5),
        "sub/twice.png": (4, 3),
        "sub/turned.jpg": (30, 50),
        "turned.jpg": (30, 50),
    }


def test_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone"):
        sizes_in(tmp_path / "gone")
