"""What was checked stays checked until a file changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crossgraph.data.feature_cache import CACHE_VARIABLE
from crossgraph.quick.verified import is_verified, note_verified


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    made = [tmp_path / "one", tmp_path / "two"]
    for file in made:
        file.write_bytes(b"weights")
    return made


def test_files_are_known_by_the_model_they_were_noted_for(files: list[Path]) -> None:
    assert not is_verified("a", files)
    note_verified("a", files)
    note_verified("b", files[:1])
    assert is_verified("a", files)
    assert is_verified("b", files[:1])
    assert not is_verified("b", files)
    assert not is_verified("c", files)


def test_a_file_of_another_time_size_or_none_is_not_known(files: list[Path]) -> None:
    note_verified("a", files)
    os.utime(files[0], (1, 1))
    assert not is_verified("a", files)
    note_verified("a", files)
    files[1].write_bytes(b"others")
    assert not is_verified("a", files)
    note_verified("a", files)
    assert is_verified("a", files)
    files[1].unlink()
    assert not is_verified("a", files)


def test_files_that_are_gone_are_never_known(files: list[Path]) -> None:
    files[0].unlink()
    note_verified("a", files)
    assert not is_verified("a", files)


def test_a_damaged_note_is_as_none(files: list[Path], tmp_path: Path) -> None:
    note_verified("a", files)
    (tmp_path / "cache" / "verified.json").write_bytes(b"{")
    assert not is_verified("a", files)
    note_verified("a", files)
    assert is_verified("a", files)


def test_a_cache_that_cannot_be_written_is_no_error(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file"))
    note_verified("a", files)
    assert not is_verified("a", files)
