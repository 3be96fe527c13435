"""The list of files that are left out is read once as long as it stays as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossgraph.data.corpus import Skipped
from crossgraph.errors import GalleryError
from crossgraph.gallery.tables.skipped import FILE, note_removed, read_skipped, write_skipped


def test_it_is_parsed_once_until_it_is_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    loads = json.loads

    def counted(text: str) -> object:
        parsed.append(text)
        return loads(text)

    monkeypatch.setattr("crossgraph.gallery.tables.skipped.json.loads", counted)
    assert read_skipped(tmp_path) == ()
    write_skipped(tmp_path, [Skipped(Path("/a/one.jpg"), "it is cut off")], under=[Path("/a")], looked_at=())
    for _ in range(3):
        assert [one.path.name for one in read_skipped(tmp_path)] == ["one.jpg"]
    assert len(parsed) == 1
    for number in range(20):  # however fast they follow each other
        note_removed(tmp_path, [f"/b/{number}.jpg"])
        assert len(read_skipped(tmp_path)) == number + 2
    (tmp_path / FILE).unlink()
    assert read_skipped(tmp_path) == ()


def test_a_damaged_list_is_no_empty_list(tmp_path: Path) -> None:
    for content in ("", "{", "[1]", "3"):
        (tmp_path / FILE).write_text(content, encoding="utf-8")
        for _ in range(2):
            with pytest.raises(GalleryError, match="Delete it and sync again"):
                read_skipped(tmp_path)
    (tmp_path / FILE).write_text("{}", encoding="utf-8")
    assert read_skipped(tmp_path) == ()
