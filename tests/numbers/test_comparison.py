"""A number beside the printed one: where it stands in what was written, how far it is off, and the verdict."""

from __future__ import annotations

import pytest
from comparison import compared, is_bad, report, values_at
from declarations import Number, Source
from printed import read_numbers

from crossgraph.errors import ScoreError

WRITTEN = {
    "strict": {"mean": {"rsum": 324.9}, "deviation": {"rsum": 0.2}},
    "single": {"mean": {"rsum": 324.9}, "deviation": None},
    "runs": [{"seed": 0, "code": [0.13, 0.25]}, {"seed": 1, "code": [0.15, 0.27]}],
    "variants": [{"variant": "full", "epochs": 6, "x": 1}, {"variant": "full", "epochs": 12, "x": 2}],
    "rates": {"there: strong": 0.76, "a": True},
}


def number(printed: str, path: str, *, allowed: float, factor: float = 1) -> Number:
    """A printed number of this source."""
    source = Source("step", path, factor)
    return Number("README.md", "Results", "RACG, rSum", read_numbers(printed)[0], source, allowed, "racg", ("racg",))


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("strict.mean.rsum", [324.9]),
        ("runs.1.code.0", [0.15]),
        ("runs.*.code.1", [0.25, 0.27]),
        ("runs[seed=1].code.0", [0.15]),
        ("variants[variant=full][epochs=12].x", [2]),
        ("variants[epochs=6|12].x", [1, 2]),
        ("rates.there: strong", [0.76]),
    ],
)
def test_a_path_leads_to_numbers(path: str, values: list[float]) -> None:
    assert values_at(WRITTEN, path) == values


@pytest.mark.parametrize(
    "path", ["strict.mean.mr", "strict.mean", "runs.2.seed", "variants[variant=none].x", "rates.a", "single.deviation"]
)
def test_a_path_without_a_number_at_its_end_is_refused(path: str) -> None:
    with pytest.raises(ScoreError, match="no number at"):
        values_at(WRITTEN, path)


@pytest.mark.parametrize(
    ("printed", "allowed", "verdict", "bad"),
    [
        ("324.9 ± 0.1", 0.1, "same", False),
        ("324.85 ± .1", 0.1, "within", False),
        ("325", 0.5, "same", False),
        ("324.8 ± 0.1", 0.1, "within", False),
        ("324.7 ± 0.1", 0.1, "DIFFERS", True),
        ("326.0", 1.5, "within", False),
        ("326.5", 1.5, "DIFFERS", True),
    ],
)
def test_the_verdict_is_by_the_printed_digits_and_by_what_is_allowed(
    printed: str, allowed: float, verdict: str, bad: bool
) -> None:
    found = compared(number(printed, "strict.mean.rsum", allowed=allowed), WRITTEN)
    assert (found.verdict, is_bad(found)) == (verdict, bad)


def test_the_mean_over_entries_is_taken_with_its_factor_and_deviation() -> None:
    found = compared(number("14 ± 1", "runs.*.code.0", allowed=1, factor=100), WRITTEN)
    assert found.value == pytest.approx(14)
    assert found.deviation == pytest.approx(2**0.5)
    assert found.cells()[2] == "14 ± 1"


def test_the_deviation_stands_beside_where_one_is_printed() -> None:
    assert compared(number("324.8 ± 0.1", "strict.mean.rsum", allowed=0.1), WRITTEN).cells() == (
        "README.md, Results: RACG, rSum",
        "324.8 ± 0.1",
        "324.9 ± 0.2",
        "+0.1",
        "0.1",
        "within",
    )
    assert compared(number("324.8", "strict.mean.rsum", allowed=1), WRITTEN).cells()[2] == "324.9"
    assert compared(number("324.8 ± 0.1", "single.mean.rsum", allowed=1), WRITTEN).cells()[2] == "324.9"


def test_a_number_that_was_not_made_says_why_and_is_bad() -> None:
    for found in ("racg-0 ended with 2", WRITTEN):
        one = compared(number("324.8", "strict.mean.mr", allowed=1), found)
        assert (one.verdict, is_bad(one)) == ("not made", True)
    assert "no number at strict.mean.mr" in one.cells()[-1]


def test_the_report_counts_the_verdicts() -> None:
    all_of_them = [
        compared(number(printed, "strict.mean.rsum", allowed=0.5), WRITTEN) for printed in ("324.9", "325.2", "326.0")
    ]
    text = report([*all_of_them, compared(number("1", "strict.mean.rsum", allowed=1), "failed")])
    assert "4 numbers: 1 same, 1 within, 1 DIFFERS, 1 not made." in text
    assert text.count("\n| README.md") == 4
