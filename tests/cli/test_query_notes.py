"""What a search and an explanation say of words that the model does not know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossgraph import verbs
from crossgraph.cli.answers import Printer
from crossgraph.gallery.search.exact import Match
from crossgraph.gallery.search.results import SearchResult, SearchResults, Verdict
from crossgraph.gallery.search.score_calibration import Calibration
from crossgraph.training.checkpoint import read_manifest
from tests.cli.conftest import Trained, call

GUESS = "what follows is a guess"
CERTAIN = Calibration(
    mean=(0,) * 4, scale=(1,) * 4, weights=(0,) * 4, bias=9, nothing_below=0.1, strong_from=0.9
).model_dump()


@pytest.mark.parametrize(
    ("query", "notes"),
    [
        ("红色的球", ["note: the model knows none of these words: 红色的球;", "note: Chinese writing:"]),
        ("красный мяч", ["note: the model knows none of these words: красный, мяч;", "note: Cyrillic writing:"]),
        ("🔴", ["note: the model knows none of these words: 🔴;"]),
        ("???", ["note: there is no word in '???';"]),
        ("zebra", ["note: the model knows none of these words: zebra;"]),
        ("a red zebra", ["note: the model does not know zebra; it goes by the other 2 of 3 words"]),
        ("a red " * 30, ["note: the text is cut after word 40, 'red'; 20 more are not read, from 'a' on"]),
        ("a red", []),
    ],
)
def test_a_query_that_is_not_understood_is_answered_and_said(query: str, notes: list[str], trained: Trained) -> None:
    result = call("search", "--gallery", trained.gallery, "-k", 2, query)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 2
    said = [line for line in result.stderr.splitlines() if line.startswith("note: ")]
    assert len(said) == len(notes)
    for line, note in zip(said, notes, strict=True):
        assert line.startswith(note)
    found = json.loads(call("search", "--gallery", trained.gallery, "--json", query).stdout)
    assert [f"note: {note}" for note in found["notes"]] == said


def test_every_sentence_of_a_sum_is_read(trained: Trained) -> None:
    found = json.loads(call("search", "--gallery", trained.gallery, "--json", "zebra", "+", "a", "-", "lion").stdout)
    assert [note.partition(";")[0] for note in found["notes"]] == [
        "the model knows none of these words: zebra",
        "the model knows none of these words: lion",
    ]


def test_of_several_queries_a_note_says_which(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "queries.txt").write_text("a red\nzebra\n")
    result = call("search", "--gallery", trained.gallery, "--queries", tmp_path / "queries.txt", "--paths")
    assert [line for line in result.stderr.splitlines() if line.startswith("note")] == [
        f"note: 'zebra': the model knows none of these words: zebra; {GUESS}"
    ]


def test_a_guess_is_never_called_strong(trained: Trained) -> None:
    opened = verbs.open_gallery(trained.gallery)
    model = opened.require_model()
    manifest = read_manifest(trained.kidrr).model_copy(update={"calibration": {"rerank": CERTAIN}})
    model.manifest = manifest  # type: ignore[attr-defined]
    known, unknown = (opened.search(query) for query in ("a red", "zebra"))
    assert known.verdict == "strong"
    assert known.probability == pytest.approx(1, abs=1e-3)
    assert (unknown.verdict, unknown.probability) == ("weak", None)
    named = opened.search(opened.item(known.results[0].path).captions[0])
    assert (named.results[0].match, named.verdict, named.probability) == ("caption", "strong", None)


@pytest.mark.parametrize(
    ("verdict", "probability", "match", "said"),
    [
        ("strong", 0.999, "semantic", "match: strong (a good answer is there with probability 0.99)"),
        ("weak", 0.9468, "semantic", "match: weak (not sure: a good answer is there with probability 0.94)"),
        ("weak", None, "semantic", "match: weak"),
        (
            *("nothing good found", 0.031, "semantic"),
            "match: nothing good found (a good answer is there with probability 0.03)",
        ),
        ("strong", None, "tag", "match: strong (what was searched for is the tag of a picture, to the letter)"),
        (
            *("strong", None, "file name"),
            "match: strong (what was searched for is the file name of a picture, to the letter)",
        ),
    ],
)
def test_a_verdict_is_said_in_words_and_never_against_its_probability(
    verdict: Verdict, probability: float | None, match: Match, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = SearchResult(1, Path("a.jpg"), 0.5, "a", 1, 0.5, None, {}, {}, match)
    found = SearchResults(
        *("text", "holiday", "images", "shortlist", "", (answer,), 1, {}), verdict=verdict, probability=probability
    )
    Printer("people").show(found)
    assert capsys.readouterr().err.splitlines()[-1] == said


def test_an_explanation_says_which_words_are_not_known(trained: Trained, tmp_path: Path) -> None:
    image = next(trained.images.glob("*.jpg"))
    words = ("explain", "a red zebra", image, "--model", trained.kidrr, "--out", tmp_path / "why.png")
    assert "note: the model does not know zebra" in call(*words).stderr
    assert json.loads(call(*words, "--json").stdout)["notes"] == [
        "the model does not know zebra; it goes by the other 2 of 3 words"
    ]
