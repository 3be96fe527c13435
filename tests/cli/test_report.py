"""`crossgraph report`, and `crossgraph evaluate` that keeps what it found."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

from crossgraph import verbs
from crossgraph.reporting.evaluations import StoredEvaluation, list_evaluations, read_evaluation
from crossgraph.reporting.worst_explained import explain_worst, model_of_case
from tests.cli.conftest import DATA, Trained, call
from tests.cli.test_label_evaluation import ANY, refused


@pytest.fixture
def runs(trained: Trained, tmp_path: Path) -> Path:
    """A folder with a copy of both runs."""
    for run in (trained.dual_encoder, trained.kidrr):
        shutil.copytree(run, tmp_path / "runs" / run.name)
    return tmp_path / "runs"


def kept_in(run: Path) -> StoredEvaluation:
    """The only evaluation that is kept in a run."""
    (file,) = (run / "evaluations").glob("*.json")
    return read_evaluation(file)


def test_a_report_of_runs_is_one_file(runs: Path, tmp_path: Path) -> None:
    call("evaluate", "--model", runs / "dual", "--data", DATA, "--save")
    out = tmp_path / "new" / "report.html"
    done = call("report", runs / "dual", runs / "kidrr", "--out", out)
    assert done.exit_code == 0, done.stderr
    text = out.read_text(encoding="utf-8")
    for said in ("dual_encoder", "kidrr", "What differs", "loss, all parts", "Worst pictures that ask for captions"):
        assert said in text


def test_a_folder_that_is_no_run_is_refused_and_nothing_is_written(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    assert "is not a trained run" in refused("report", runs, "--out", out)
    assert "is not a trained run" in refused("report", tmp_path / "nowhere", "--out", out)
    assert "ends with .html" in refused("report", runs / "dual", "--out", tmp_path / "report.txt")
    assert not out.exists()


def test_an_evaluation_is_kept_with_a_command_that_makes_it_again(runs: Path) -> None:
    words = ("evaluate", "--model", runs / "kidrr", "--data", DATA, "--split", "val", "--two-stage", 3, "--blend", 0.5)
    done = call(*words, "--save", "--worst", 1)
    assert "Worst captions that ask for pictures" in done.stdout
    first = kept_in(runs / "kidrr")
    again = call(*shlex.split(first.record.command)[1:], "--json")
    numbers = json.loads(again.stdout)
    assert first.record.numbers["strict"] == numbers["strict"]
    assert first.record.protocol == numbers["protocol"]["text"]
    assert (first.record.ties, first.record.interval) == ("by expectation", "95% bootstrap interval over images")
    call(*words, "--save")
    assert kept_in(runs / "kidrr").record.rows == first.record.rows, "the same evaluation has the same file"
    call("evaluate", "--model", runs / "kidrr", "--data", DATA, "--save")
    assert len(list((runs / "kidrr" / "evaluations").iterdir())) == 2, "another protocol has another"


def test_an_evaluation_by_labels_is_kept_too(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels.json"
    models = ("--model", runs / "dual", "--model", runs / "kidrr")
    done = call("evaluate", *models, "--data", DATA, "--protocol", "unseen-database", *ANY, "--out", out, "--worst", 2)
    assert done.stdout.count("Worst pictures that ask for captions, seed 0, by mAP@all; scores: cosine") == 2
    record = read_evaluation(out).record
    assert (record.kind, record.main.title, record.interval) == ("labels", "mAP@all", "sample deviation over 2 runs")
    assert "--vary selection=any" in record.command
    assert len(record.worst) == 2
    values = [query.value for query in record.worst[0].image_to_text]
    assert values == sorted(values)
    assert call(*shlex.split(record.command)[1:], "--json").exit_code == 0


def test_without_being_asked_nothing_is_kept_and_nothing_listed(runs: Path) -> None:
    done = call("evaluate", "--model", runs / "dual", "--data", DATA)
    assert "Worst" not in done.stdout
    assert not (runs / "dual" / "evaluations").exists()
    told = json.loads(call("evaluate", "--model", runs / "dual", "--data", DATA, "--json").stdout)
    assert "worst" not in told
    asked = json.loads(call("evaluate", "--model", runs / "dual", "--data", DATA, "--worst", 2, "--json").stdout)
    assert len(asked["worst"][0]["text_to_image"]) == 2


def test_places_where_nothing_can_be_kept_are_refused_before_any_work(runs: Path, tmp_path: Path) -> None:
    words = ("evaluate", "--data", tmp_path / "no data")
    assert "default is part of crossgraph; give --out FILE.json" in refused(*words, "--save")
    assert "ends with .json" in refused(*words, "--model", runs / "dual", "--out", tmp_path / "a.html")


@pytest.mark.parametrize("name", ["dual", "kidrr"])
def test_a_worst_query_is_explained_by_the_run_that_answered(name: str, runs: Path) -> None:
    call("evaluate", "--model", runs / name, "--data", DATA, "--save")
    (evaluation,) = list_evaluations(runs)
    assert isinstance(evaluation, StoredEvaluation)
    picture, caption = evaluation.groups[0].cases[0], evaluation.groups[1].cases[0]
    model = verbs.load_search_model(model_of_case(evaluation, picture))
    for case in (picture, caption):
        explained = explain_worst(case, model)
        assert explained.wrong is not None
        assert explained.right.alignment.score == pytest.approx(case.query.right.score, abs=1e-4)
        wrong = next(answer for answer in case.query.answers if not answer.right)
        assert explained.wrong.alignment.score == pytest.approx(wrong.score, abs=1e-4)
        same = explained.right.image == explained.wrong.image
        assert same == (case.direction == "image_to_text")
        assert explained.right.drawing().size[0] > 0
        json.dumps(explained.to_json(), allow_nan=False)
