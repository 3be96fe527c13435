"""The card of the default model: it says what a card must, and has no blanks once there is a model beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import crossgraph.default_model

FOLDER = Path(str(crossgraph.default_model.__file__)).parent
SECTIONS = (
    "What it is",
    "Data and their terms",
    "How it was made",
    "Numbers",
    "Languages",
    "Known failures",
    "What it must not be used for",
)
REFERENCES = ("Hodosh", "Lu, Wang", "Elliott", "Li, Lan", "Lin et al. 2014", "Zhou et al. 2017")


def blanks(card: str) -> list[str]:
    """The lines of a card in which something is still to be said."""
    return [line for line in card.splitlines() if re.search(r"\bTODO\b", line)]


def refuse_blanks(folder: Path) -> None:
    """Fail for a card with blanks beside a model."""
    if (folder / "cascade").is_dir():
        assert blanks((folder / "README.md").read_text(encoding="utf-8")) == []


def test_the_card_has_every_section_and_names_every_source() -> None:
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", card, flags=re.MULTILINE) == list(SECTIONS)
    assert [name for name in REFERENCES if name not in card] == []
    assert "research use only" in card


def test_a_card_beside_a_model_has_no_blanks() -> None:
    refuse_blanks(FOLDER)


def test_a_blank_is_refused_only_beside_a_model(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("rSum | TODO |\n", encoding="utf-8")
    refuse_blanks(tmp_path)
    (tmp_path / "cascade").mkdir()
    with pytest.raises(AssertionError, match="TODO"):
        refuse_blanks(tmp_path)
    (tmp_path / "README.md").write_text("rSum | 390.1 |\n", encoding="utf-8")
    refuse_blanks(tmp_path)


def test_a_model_beside_the_card_is_one_that_can_be_given_away() -> None:
    """No training state, no whole path, no state of the source, and small enough for a package."""
    cascade = FOLDER / "cascade"
    files = [path for path in cascade.rglob("*") if path.is_file()]
    learned = {"planes.safetensors", "student.safetensors", "config.json", "tokenizer.json"}
    assert {path.name for path in files} <= {"cascade.json", "manifest.json", "weights.safetensors", *learned}
    assert sum(path.stat().st_size for path in files) <= 40_000_000
    for path in cascade.rglob("manifest.json"):
        assert '"environment": {}' in path.read_text(encoding="utf-8")
