"""What a search and an explanation say of words that the model does not know."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from crossgraph import verbs
from crossgraph.cli.answers import Printer
from crossgraph.cli.search_notes import SearchNotes
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


def test_a_query_of_very_many_words_is_not_repeated_whole(trained: Trained, tmp_path: Path) -> None:
    words, few = "a red ball " * 7000, ("search", "--gallery", trained.gallery, "-k", 2)
    (tmp_path / "queries.txt").write_text(f"{words}\n{'?' * 50_000}\n")
    for asked in ((words,), (words, "-", "tree"), ("--queries", tmp_path / "queries.txt"), (f"{words} zebra",)):
        result = call(*few, *asked)
        assert result.exit_code == 0, result.stderr[:2000]
        assert "a red ball a red ball" in result.stdout + result.stderr or asked[0] != "--queries"
        assert len(result.stdout + result.stderr) < 3000


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


def notes_of(*words: object) -> list[str]:
    """The notes of a search."""
    result = call("search", *words)
    assert result.exit_code == 0, result.stderr
    return [line.removeprefix("note: ") for line in result.stderr.splitlines() if line.startswith("note: ")]


@pytest.mark.parametrize("form", ["-k2", "--json", "--paths"])
def test_a_filter_that_leaves_nothing_says_how_many_there_are_without_it(trained: Trained, form: str) -> None:
    found = notes_of("a red", "--where", "name = 'nobody.jpg'", form, "--gallery", trained.gallery)
    assert found == ["this test leaves nothing: name = 'nobody.jpg'; without --where, 40 pictures are searched"]
    captions = notes_of("a red", "--where", "width > 9999", form, "--captions", "--gallery", trained.gallery)
    assert "captions are searched" in captions[0]
    assert not notes_of("a red", "--where", "width > 1", form, "--gallery", trained.gallery)


def test_a_picture_file_that_is_asked_for_as_a_sentence_is_noted(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained.images.parent)
    found = notes_of("images/00000.jpg", "--gallery", trained.gallery)
    assert found[-1] == (
        "images/00000.jpg is searched for as a sentence; to search by the file of that name: --image images/00000.jpg"
    )
    for words in (["./images/00000.jpg"], ["--image", "images/00000.jpg"], ["images/nobody.jpg"], ["images"]):
        assert not [note for note in notes_of(*words, "--gallery", trained.gallery) if "of that name" in note], words


def test_answers_whose_files_are_gone_are_noted(trained: Trained, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    shutil.copytree(trained.images, pictures)
    for path in sorted(pictures.iterdir())[5:]:
        path.unlink()
    gallery = tmp_path / "gallery"
    assert call("index", pictures, "--gallery", gallery, "--model", trained.dual_encoder).exit_code == 0
    words = ("a red", "--unfold", "--gallery", gallery)
    assert not notes_of(*words)
    (pictures / "00003.jpg").unlink()
    (note,) = notes_of(*words)
    assert note.startswith(f"1 of the 5 files found is no longer there; `crossgraph sync {gallery}` removes")
    assert call("sync", gallery).exit_code == 0
    assert not notes_of(*words)
    pictures.rename(tmp_path / "elsewhere")
    (note,) = notes_of(*words, "--paths")
    assert note.startswith("4 of the 4 files found are no longer there")


def test_object_stores_are_not_asked_whether_files_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = SearchResult(1, Path("s3://bucket/a.jpg"), 0.5, "a", 1, 0.5, None, {}, {})
    found = SearchResults("text", "holiday", "images", "shortlist", "", (answer,), 1, {})
    monkeypatch.setattr("crossgraph.cli.search_notes.is_gone", lambda _: True)
    assert not list(SearchNotes("gallery", None, lambda _: 1)(found))


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
