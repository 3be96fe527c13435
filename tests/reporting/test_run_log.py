"""Logs read while they grow, and curves reduced to means."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgraph.reporting.curves import Curve
from crossgraph.reporting.run_log import RunLog, read_log
from crossgraph.training.checkpoint import LOG
from tests.reporting.conftest import MakeRun, step, validated


def test_curves_are_read_by_name_and_place(make_run: MakeRun) -> None:
    run = make_run(log=[step(1), step(2, loss_labels=0.5), validated(1, 100.0), step(3, epoch=2), validated(2, 120.0)])
    log = read_log(run)
    assert log.steps["loss"] == Curve((1.0, 2.0, 3.0), (10.0, 5.0, 10.0 / 3))
    assert log.steps["loss_labels"] == Curve((2.0,), (0.5,))
    assert log.validation["rsum"] == Curve((1.0, 2.0), (100.0, 120.0))
    assert (log.step, log.epoch, log.validated, log.unread) == (3, 2, 2, 0)
    assert "epoch" not in log.steps


def test_a_line_that_is_still_being_written_is_left_alone_and_read_once_it_is_whole(make_run: MakeRun) -> None:
    run = make_run(log=[step(1), step(2)])
    line = json.dumps(step(3))
    with (run / LOG).open("a") as file:
        file.write(line[: len(line) // 2])
    before = read_log(run)
    with (run / LOG).open("a") as file:
        file.write(line[len(line) // 2 :] + "\n")
    after = read_log(run)
    assert (before.step, before.unread, after.step, after.unread) == (2, 0, 3, 0)


def test_damaged_lines_in_the_middle_are_counted_and_nothing_else_is_lost(make_run: MakeRun) -> None:
    run = make_run(log=[step(1)])
    odd = (
        b'{"epoch": 1, "st\n\xff\xfe\n[1, 2]\n\n{"epoch": 1, "step": "two", "loss": 1}\n{"step": 1'
        + b"0" * 400
        + b"}\n"
    )
    with (run / LOG).open("ab") as file:
        file.write(odd + json.dumps(step(2)).encode() + b"\n")
    log = read_log(run)
    assert (log.steps["loss"].x, log.unread) == ((1.0, 2.0), 3)


def test_numbers_that_are_none_are_gaps(make_run: MakeRun) -> None:
    run = make_run(log=[step(1, gradient=math.inf), step(2, gradient=math.nan), step(3)])
    assert read_log(run).steps["gradient"].y == (None, None, 1.0)
    json.dumps(read_log(run).steps["gradient"].to_json(), allow_nan=False)


def test_no_log_is_an_empty_one(tmp_path: Path) -> None:
    assert read_log(tmp_path) == RunLog()


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=200), st.integers(1, 50))
def test_a_reduced_curve_is_the_means_of_equal_parts(values: list[float | None], most: int) -> None:
    curve = Curve(tuple(map(float, range(len(values)))), tuple(values))
    reduced = curve.reduced(most)
    assert len(reduced) <= most
    if len(values) <= most:
        assert reduced == curve
        return
    size = math.ceil(len(values) / most)
    parts = [values[start : start + size] for start in range(0, len(values), size)]
    assert len(parts) == len(reduced)
    for part, mean in zip(parts, reduced.y, strict=True):
        known = [value for value in part if value is not None]
        assert mean == (pytest.approx(sum(known) / len(part), abs=1e-6) if len(known) == len(part) else None)
