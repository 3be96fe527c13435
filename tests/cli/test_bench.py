"""`crossgraph bench` lists what there is, measures one, and keeps what came out."""

import json
from pathlib import Path

import pytest

from crossgraph.bench.timing import Machine, Outcome
from tests.cli.conftest import call
from tests.cli.test_refusals import refusal


def test_without_a_name_the_benchmarks_are_listed() -> None:
    listed = call("bench").stdout
    assert "pairs" in listed
    assert "mAP@all" in listed


def test_an_outcome_is_printed_and_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    outcome = Outcome("codes", Machine(2, 1, (0.0, 0.0, 0.0), 90.0, 40.0), [{"way": "by a bound", "microseconds": 3.0}])
    monkeypatch.setattr("crossgraph.bench.codes.nearest", lambda: outcome)
    assert "by a bound" in call("bench", "codes", "--out", tmp_path).stdout
    assert json.loads((tmp_path / "codes.json").read_text())["machine"]["cores"] == 2
    assert json.loads(call("bench", "codes", "--json").stdout)["benches"][0]["name"] == "codes"


def test_an_unknown_name_is_refused_before_anything_is_measured() -> None:
    assert "Did you mean 'codes'?" in refusal("bench", "pairs", "code")
