"""The table of an ablation, by hand."""

import math

import pytest

from crossgraph.evaluation.ablation_table import COLUMNS, AblationResult, AblationRun, Variant


def variant(name: str, *values: dict[str, float]) -> Variant:
    runs = tuple(AblationRun(seed, f"runs/{name}-{seed}", "", measures) for seed, measures in enumerate(values))
    return Variant(name, {} if name == "full" else {"rounds": 0}, runs)


@pytest.fixture
def result() -> AblationResult:
    """Two variants and two seeds; the twins of one run could not be told, so twin accuracy has no column."""
    return AblationResult(
        "kidrr",
        "toy, split val",
        "crossgraph ablate --method kidrr",
        (
            variant("full", {"rsum": 400.0, "swap_accuracy": 90.0}, {"rsum": 406.0, "swap_accuracy": 90.0}),
            variant("no-anchor", {"rsum": 390.0, "swap_accuracy": 51.0}, {"rsum": 391.0, "swap_accuracy": 53.0}),
        ),
        ("no-boxes",),
    )


def test_a_cell_is_mean_sample_deviation_and_difference_to_the_full_method(result: AblationResult) -> None:
    assert result.columns == ("rsum", "swap_accuracy")
    assert result.lines() == [
        ("full", "403.0 ± 4.2", "90.0 ± 0.0"),
        ("no-anchor", "390.5 ± 0.7 (-12.5)", "52.0 ± 1.4 (-38.0)"),
    ]


def test_json_holds_every_number_of_every_run(result: AblationResult) -> None:
    told = result.to_json()["variants"][1]  # type: ignore[index]
    assert told["measures"]["rsum"] == {
        "mean": 390.5,
        "deviation": pytest.approx(math.sqrt(0.5)),
        "difference": -12.5,
    }
    assert [run["folder"] for run in told["runs"]] == ["runs/no-anchor-0", "runs/no-anchor-1"]
    assert told["runs"][1]["measures"]["swap_accuracy"] == 53.0
    assert result.to_json()["seeds"] == [0, 1]


def test_markdown_names_protocol_command_runs_and_what_was_left_out(result: AblationResult) -> None:
    page = result.markdown()
    assert "| variant | rSum | swap accuracy |" in page
    assert "toy, split val; ±: sample deviation over 2 runs; in brackets: difference to the full method" in page
    assert "    crossgraph ablate --method kidrr" in page
    assert "| no-anchor | `model.rounds=0` | runs/no-anchor-0, runs/no-anchor-1 |" in page
    assert "Left out, because the settings are so already: no-boxes." in page


def test_one_seed_has_no_deviation() -> None:
    single = AblationResult("kidrr", "toy", None, (variant("full", {"rsum": 400.0}),), ())
    assert single.lines() == [("full", "400.0")]
    assert "±" not in single.markdown()
    assert single.to_json()["variants"][0]["measures"]["rsum"]["deviation"] is None  # type: ignore[index]


def test_every_measure_makes_a_table_with_as_many_cells_in_each_row() -> None:
    measures = dict.fromkeys(COLUMNS, 0.5)
    page = AblationResult("scahn", "toy", None, (variant("full", measures), variant("no-inter", measures)), ())
    rows = page.markdown().split("\n\n")[1].splitlines()
    assert {row.count("|") for row in rows} == {len(COLUMNS) + 2}
