"""Runs side by side: what differs, what is drawn, what is said of each."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from crossgraph.errors import ConfigError, ModelError
from crossgraph.reporting.comparison import MOST_RUNS, compare, read_run
from tests.reporting.conftest import MakeRun, step, validated

LOG = [step(1, loss_a=1.0, loss_b=2.0), step(2, loss_a=1.0, loss_b=2.0), validated(1, 200.0)]


def test_only_what_differs_is_listed_and_defaults_count(make_run: MakeRun) -> None:
    one = make_run("one", log=LOG, model={"dropout": 0.3})
    two = make_run("two", log=LOG, training={"epochs": 3, "seed": 1}, model={"width": 32})
    found = {row[0]: row[1:] for row in compare([one, two]).differences.rows}
    assert found["training.seed"] == ("0", "1")
    assert found["model.width"] == ("512", "32")
    assert "model.dropout" not in found, "one has it by its manifest, the other by default"
    assert "training.epochs" not in found


def test_runs_of_different_methods_have_a_dash_where_one_has_no_such_setting(make_run: MakeRun) -> None:
    one, two = make_run("one", log=LOG), make_run("two", log=LOG, method="cca")
    found = {row[0]: row[1:] for row in compare([one, two]).differences.rows}
    assert found["method"] == ("dual_encoder", "cca")
    assert found["model.components"] == ("–", "128")


def test_a_setting_that_this_version_does_not_know_is_shown_as_it_stands(make_run: MakeRun) -> None:
    run = make_run("one", log=LOG, model={"of_another_version": 7})
    assert read_run(run).settings["model.of_another_version"] == "7"
    assert "model.width" not in read_run(run).settings


def test_losses_of_one_run_share_a_chart_and_several_runs_have_one_each(make_run: MakeRun) -> None:
    one, two = make_run("x/one", log=LOG), make_run("x/two", log=LOG[:2])
    alone, both = compare([one]), compare([one, two])
    assert [chart.title for chart in alone.training_charts] == [
        "Losses",
        "Gradient norm, before clipping",
        "Learning rate",
    ]
    assert [chart.title for chart in both.training_charts] == [
        "loss, all parts",
        "loss: a",
        "loss: b",
        "gradient norm",
        "learning rate",
    ]
    assert [chart.title for chart in alone.validation_charts] == ["rSum", "Recall, %"]
    assert "two" not in both.validation_charts[0].svg, "two was never validated"
    assert "two" in both.training_charts[0].svg


def test_drawings_of_a_page_have_identifiers_of_their_own(make_run: MakeRun) -> None:
    found = compare([make_run("one", log=LOG), make_run("two", log=LOG)])
    marks = [chart.svg.split('id="')[1].split('"')[0] for chart in (*found.training_charts, *found.validation_charts)]
    assert len(set(marks)) == len(marks)


def test_last_values_are_those_of_the_log(make_run: MakeRun) -> None:
    rows = {row[0]: row[1] for row in compare([make_run(log=LOG)]).last_values.rows}
    assert rows == {
        "steps": "2",
        "learning rate": "0.001",
        "loss, all parts": "5",
        "gradient norm": "1",
        "loss: a": "1",
        "loss: b": "2",
        "epochs validated": "1",
        "rSum": "200",
        "image→text R@1": "33.33",
        "text→image R@1": "28.57",
    }


def test_facts_of_a_copied_run_are_those_that_it_notes(make_run: MakeRun) -> None:
    run = make_run(log=LOG, selected={"epoch": 1, "rsum": 200.0})
    (before,) = compare([run]).runs
    os.utime(run / "log.jsonl", (2e9, 2e9))
    (copied,) = compare([run]).runs
    assert copied.summary.changed != before.summary.changed
    assert copied.facts == before.facts
    assert copied.facts["started"] == "2026-01-02 03:04"


def test_names_lose_the_folders_that_all_are_in_and_stay_different(make_run: MakeRun) -> None:
    runs = [make_run("a/one", log=LOG), make_run("b/one", log=LOG)]
    assert compare(runs).names == ("one", "one (2)")


def test_none_and_too_many_and_no_runs_are_refused(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(log=LOG)
    with pytest.raises(ConfigError, match="0 runs cannot be shown together"):
        compare([])
    with pytest.raises(ConfigError, match=f"choose 1 to {MOST_RUNS}"):
        compare([run] * (MOST_RUNS + 1))
    with pytest.raises(ModelError, match="is not a trained run"):
        compare([tmp_path])


def test_json_of_a_comparison_is_plain(make_run: MakeRun, tmp_path: Path) -> None:
    told = json.dumps(compare([make_run("one", log=LOG), make_run("two", log=LOG)]).to_json(), allow_nan=False)
    assert str(tmp_path) not in told
    assert json.loads(told)["runs"][0]["steps"]["loss"]["y"] == [10.0, 5.0]


def test_a_run_before_its_first_validation_can_be_shown(make_run: MakeRun) -> None:
    for name, log in (("one", [step(1), step(2)]), ("two", [])):
        rows = compare([make_run(name, log=log)]).last_values.rows
        assert {("steps", str(len(log))), ("epochs validated", "0")} <= set(rows)
