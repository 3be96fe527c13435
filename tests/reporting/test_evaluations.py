"""Evaluations kept in files: what is written is read again, what is damaged is refused, what is asked for is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from crossgraph.errors import ConfigError, ModelError
from crossgraph.reporting.evaluations import (
    EvaluatedData,
    EvaluatedModel,
    EvaluationRecord,
    StoredEvaluation,
    UnreadableEvaluation,
    evaluations_of,
    find_evaluation,
    list_evaluations,
    read_evaluation,
    save_evaluation,
)
from crossgraph.reporting.runs import list_runs
from crossgraph.reporting.worst_explained import model_of_case, picture_of_case, worst_case
from crossgraph.training.checkpoint import run_fingerprint
from tests.reporting.conftest import MakeRecord, MakeRun, step


def test_what_is_written_is_read_again(make_record: MakeRecord, tmp_path: Path) -> None:
    record = make_record()
    file = save_evaluation(record, tmp_path / "new" / "one.json")
    assert read_evaluation(file).record == record
    assert read_evaluation(file).made == "2026-01-02 03:04"


def test_names_that_are_no_utf8_survive(make_record: MakeRecord, tmp_path: Path) -> None:
    data = EvaluatedData(name="\udcff", fingerprint="f", given="\udcff")
    assert read_evaluation(save_evaluation(make_record(data=data), tmp_path / "a.json")).record.data == data


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda text: text[:-20], "is damaged"),
        (lambda _: "[]", "has format None"),
        (lambda text: text.replace('"format": 1', '"format": 99'), "has format 99"),
        (lambda text: text.replace('"rank": 7.0', '"rank": "high"'), "worst.0.image_to_text.0.rank"),
        (lambda text: text.replace('"task"', '"taks"'), "is not as an evaluation is written"),
        (lambda text: text.replace('"ties"', '"tied": 1, "ties"'), "tied"),
        (lambda _: "\x00\x01", "is damaged"),
    ],
)
def test_a_damaged_file_is_refused_with_what_is_wrong(
    damage: Callable[[str], str], told: str, make_record: MakeRecord, tmp_path: Path
) -> None:
    file = save_evaluation(make_record(), tmp_path / "one.json")
    file.write_text(damage(file.read_text()))
    with pytest.raises(ModelError, match=told):
        read_evaluation(file)


def test_a_missing_file_and_another_ending_are_refused(make_record: MakeRecord, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        read_evaluation(tmp_path / "none.json")
    with pytest.raises(ConfigError, match=r"ends with \.json"):
        save_evaluation(make_record(), tmp_path / "one.txt")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be written"):
        save_evaluation(make_record(), tmp_path / "file" / "one.json")


def test_evaluations_are_found_in_runs_and_beside_them_latest_first(
    make_record: MakeRecord, make_run: MakeRun, tmp_path: Path
) -> None:
    folder = tmp_path / "runs"
    one, two = make_run("dual", log=[step(1)]), make_run("group/kidrr", log=[step(1)])
    save_evaluation(make_record(made="2026-01-01T00:00:00+00:00"), one / "evaluations" / "val-1.json")
    save_evaluation(make_record(made="2026-01-03T00:00:00+00:00"), two / "evaluations" / "val-1.json")
    save_evaluation(make_record(made="2026-01-02T00:00:00+00:00"), folder / "mine.json")
    (folder / "other.json").write_text("{}")
    (one / "evaluations" / "broken.json").write_text("{}")
    found = list_evaluations(folder)
    assert [entry.name for entry in found] == ["group/kidrr/val-1", "mine", "dual/val-1", "dual/broken"]
    assert len({entry.id for entry in found}) == 4
    broken = found[-1]
    assert isinstance(broken, UnreadableEvaluation)
    assert str(tmp_path) not in json.dumps(broken.to_json())
    with pytest.raises(ModelError, match="has format None"):
        find_evaluation(folder, broken.id)
    assert find_evaluation(folder, found[0].id) == found[0]
    for path in ("group/kidrr/val-1", "../mine", str(folder / "mine.json")):
        with pytest.raises(ConfigError, match="unknown evaluation"):
            find_evaluation(folder, path)
    assert [entry.record.made[:10] for entry in evaluations_of(one)] == ["2026-01-01"]
    assert evaluations_of(tmp_path / "runs" / "group") == ()


def stored(record: EvaluationRecord, tmp_path: Path) -> StoredEvaluation:
    """The record, written and read."""
    return read_evaluation(save_evaluation(record, tmp_path / "one.json"))


def test_json_says_no_folder_of_a_picture_unless_asked(make_record: MakeRecord, tmp_path: Path) -> None:
    evaluation = stored(make_record(), tmp_path)
    told = json.dumps(evaluation.to_json())
    assert str(tmp_path) not in told
    assert "sub/" not in told
    assert "dog.png" in told
    assert str(tmp_path / "dog.png") in json.dumps(evaluation.to_json(show_paths=True))


def test_worst_queries_are_numbered_through(make_record: MakeRecord, tmp_path: Path) -> None:
    evaluation = stored(make_record(), tmp_path)
    assert [(case.number, case.direction) for case in evaluation.cases] == [(0, "image_to_text"), (1, "text_to_image")]
    picture, caption = evaluation.cases
    assert [pair and (pair[0], pair[1].name) for pair in (picture.pair("right"), picture.pair("wrong"))] == [
        ("a dog", "dog.png"),
        ("a cat", "dog.png"),
    ]
    assert [pair and (pair[0], pair[1].name) for pair in (caption.pair("right"), caption.pair("wrong"))] == [
        ("a dog", "dog.png"),
        ("a dog", "cat.png"),
    ]
    for number in (-1, 2):
        with pytest.raises(ConfigError, match="Known: 0 to 1"):
            worst_case(evaluation, number)
    with pytest.raises(ConfigError, match="made without worst queries"):
        worst_case(stored(make_record(worst=()), tmp_path), 0)


def test_pictures_of_a_case_are_those_it_names_and_must_be_there(make_record: MakeRecord, tmp_path: Path) -> None:
    case = stored(make_record(), tmp_path).cases[1]
    with pytest.raises(ModelError, match=r"the file of picture dog\.png is gone"):
        picture_of_case(case)
    for name in ("dog", "cat"):
        (tmp_path / f"{name}.png").touch()
    assert picture_of_case(case).name == "dog.png"
    assert picture_of_case(case, 0).name == "cat.png"
    with pytest.raises(ConfigError, match="unknown answer 1"):
        picture_of_case(case, 1)


def test_a_model_counts_by_its_fingerprint_alone(make_record: MakeRecord, make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run("dual", log=[step(1)])
    (run / "weights.safetensors").write_bytes(b"weights")
    other = make_run("other", log=[step(1)])
    (other / "weights.safetensors").write_bytes(b"other weights")
    known = run_fingerprint(run)
    model = EvaluatedModel(run=str(tmp_path / "gone"), method="dual_encoder", fingerprint=known, seed=0)
    record = make_record(models=(model,))
    beside = read_evaluation(save_evaluation(record, run / "evaluations" / "a.json"))
    assert model_of_case(beside, beside.cases[0]) == run
    moved = read_evaluation(save_evaluation(record, other / "evaluations" / "a.json"))
    with pytest.raises(ModelError, match="neither where it was nor among the runs"):
        model_of_case(moved, moved.cases[0])
    assert model_of_case(moved, moved.cases[0], list_runs(tmp_path / "runs")) == run
