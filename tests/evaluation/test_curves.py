"""Precision against recall, as numbers and as a picture."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from crossgraph.errors import ConfigError, MissingExtraError
from crossgraph.evaluation.curves import Curve, CurveSums, curve_ranks, draw_curves
from crossgraph.evaluation.label_report import LabelReport, LabelRun, require_same_task
from crossgraph.evaluation.label_scores import CodeFacts, DirectionScores
from crossgraph.evaluation.protocols import PROTOCOLS
from crossgraph.evaluation.radius import by_radius
from crossgraph.evaluation.tie_groups import groups_of_scores


def test_a_curve_by_hand_leaves_out_queries_without_an_answer() -> None:
    scores = np.array([[3.0, 2.0, 1.0]] * 3)
    sums = CurveSums(np.array([1, 2, 3]))
    sums.add(groups_of_scores(scores[:1], np.array([[1, 0, 1]])))
    sums.add(groups_of_scores(scores[1:], np.array([[0, 1, 0], [0, 0, 0]])))
    curve = sums.curve()
    assert curve.precision == pytest.approx((0.5, 0.5, 0.5))
    assert curve.recall == pytest.approx((0.25, 0.75, 1.0))


def test_ranks_run_from_one_to_the_whole_gallery() -> None:
    ranks = curve_ranks(18015)
    assert (ranks[0], ranks[-1]) == (1, 18015)
    assert (np.diff(ranks) > 0).all()
    assert curve_ranks(1).tolist() == [1]


def direction(main: float, *, tied: bool = True, items: int = 9) -> DirectionScores:
    bound = 0.05 if tied else 0.0
    values = {"main": main, "ties_won": main + bound, "ties_lost": main - bound, "map_at_all": main}
    values |= {"ndcg_at_100": 0.5, "precision_at_100": 0.4, "chance": 0.1}
    groups = groups_of_scores(np.array([[3.0, 2.0]]), np.array([[1, 0]]))
    return DirectionScores(values, 7, 1, items, Curve((1, 2), (1.0, 0.5), (0.5, 1.0)), by_radius(groups))


def report(*mains: float, tied: bool = True) -> LabelReport:
    codes = (CodeFacts(16, 0.5, 0.25), CodeFacts(16, 0.75, 0.125))
    runs = tuple(
        LabelRun(
            "some",
            seed,
            direction(main, tied=tied),
            direction(main - 0.1, tied=tied),
            codes,
            "3 labels",
            "by map on slice",
        )
        for seed, main in enumerate(mains)
    )
    return LabelReport("small", PROTOCOLS["train-database"], runs)


def test_a_report_has_both_ways_their_mean_and_the_deviation_over_seeds() -> None:
    found = report(0.6, 0.8)
    assert found.lines()[0] == ("mAP@all", "0.700 ± 0.141", "0.600 ± 0.141", "0.650 ± 0.141")
    assert found.summary.mean["mean_main"] == pytest.approx(0.65)
    for part in (
        "small, 3 labels; protocol train-database",
        "seeds 0, 1",
        "over 2 runs",
        "7 queries (1 without a relevant item)",
    ):
        assert part in found.text()
    assert "by map on slice" in found.text()
    assert found.to_json()["deviation"] is not None


def test_bounds_are_printed_only_where_ties_matter() -> None:
    names = [line[0] for line in report(0.6).lines()]
    assert {"mAP@all, ties won", "mAP@all, ties lost"} <= set(names)
    assert not any("ties" in line[0] for line in report(0.6, tied=False).lines())


def test_precision_at_more_ranks_than_items_is_left_out_and_said() -> None:
    codes = (CodeFacts(16, 0.5, 0.25), CodeFacts(16, 0.75, 0.125))

    def shown(images: int, captions: int, *changes: str) -> tuple[tuple[str, ...] | None, str]:
        run = LabelRun(
            "some", 0, direction(0.6, items=captions), direction(0.5, items=images), codes, "3 labels", "by map"
        )
        found = LabelReport("small", PROTOCOLS["train-database"].varied(changes), (run,))
        return next((line[1:] for line in found.lines() if line[0] == "P@100"), None), found.text()

    assert shown(100, 500) == (("0.400", "0.400", "0.400"), shown(100, 500)[1])
    assert "left out" not in shown(100, 500)[1].rpartition("seed 0")[2]
    assert shown(69, 345)[0] == ("0.400", "–", "–")
    assert shown(69, 69)[0] is None
    for captions in (345, 69):
        assert "P@100 is left out where there are fewer than 100 items" in shown(69, captions)[1]
    assert "P@80 divides by 80 also where" in shown(69, 345, "metric=precision", "k=80")[1]


def test_codes_and_radii_stand_beside_the_numbers() -> None:
    markdown = report(0.6).markdown()
    assert "16 bits; distinct codes 50.0% of pictures, 75.0% of captions" in markdown
    assert "| radius | i→t P, empty 0 |" in markdown
    assert len(report(0.6).tables()) == 3


def test_runs_that_searched_different_items_have_no_common_mean() -> None:
    runs = [
        LabelRun("some", 0, direction(0.5, items=n), direction(0.5, items=n), None, "3 labels", "") for n in (9, 10)
    ]
    with pytest.raises(ConfigError, match="no common mean"):
        require_same_task(runs)


def test_curves_are_written_as_numbers_or_as_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found = report(0.6)
    found.write_curves(tmp_path / "curves.json")
    told = json.loads((tmp_path / "curves.json").read_text(encoding="utf-8"))
    assert told["curves"]["image→text"] == {"ranks": [1, 2], "precision": [1.0, 0.5], "recall": [0.5, 1.0]}
    found.write_curves(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ConfigError, match=r"\.json, \.png"):
        found.write_curves(tmp_path / "curves.txt")


def test_drawing_without_matplotlib_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"crossgraph\[plots\]"):
        draw_curves({}, tmp_path / "curves.png", title="")
