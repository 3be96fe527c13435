"""Evaluation by labels, from the command line: what is printed and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import DATA, TINY, Trained, call, with_settings

ANY = ("--vary", "selection=any")
SPLIT_BY_LABELS = ("--protocol", "hash-mir", "--vary", "query_count=6", "--vary", "training_count=24")


def refused(*words: object) -> str:
    """The message with which a command is refused."""
    result = call(*words)
    assert result.exit_code == 2, result.output
    return result.stderr


def test_both_ways_and_their_mean_are_printed_with_the_protocol(trained: Trained, tmp_path: Path) -> None:
    words = ("evaluate", "--model", trained.dual_encoder, "--model", trained.kidrr, "--data", DATA)
    protocol = ("--protocol", "unseen-database", *ANY)
    found = json.loads(call(*words, *protocol, "--json", "--curves", tmp_path / "curves.json").stdout)
    mean = found["mean"]
    assert mean["mean_main"] == pytest.approx((mean["image_to_text_main"] + mean["text_to_image_main"]) / 2)
    assert 0 < mean["mean_main"] <= 1
    assert found["deviation"]["mean_main"] >= 0
    assert found["protocol"]["own_pair"] is False
    assert len(json.loads((tmp_path / "curves.json").read_text())["curves"]) == 4
    markdown = call(*words, *protocol, "--markdown").stdout
    assert "| mAP@all |" in markdown
    assert "protocol unseen-database with selection=any: queries: split val" in markdown
    assert "by rsum on val" in markdown


def test_a_run_selected_on_the_queries_is_refused(trained: Trained) -> None:
    words = ("evaluate", "--model", trained.dual_encoder, "--data", DATA, "--protocol", "train-database")
    assert "which asks the queries of protocol train-database" in refused(*words)


def test_a_drawn_protocol_measures_only_runs_that_left_its_queries_out(trained: Trained, tmp_path: Path) -> None:
    run = tmp_path / "run"
    settings = with_settings((*TINY, "model.heads=2", "training.validation_slice=0.2", "training.select_by=map"))
    train = ("train", "--data", DATA, "--method", "dual_encoder", *settings)
    assert "no split 'dev' to select epochs by" in refused(
        *train,
        *with_settings(("training.validation_slice=0.0", "training.validation_split=dev")),
        *SPLIT_BY_LABELS,
        "--out",
        tmp_path / "other",
    )
    assert "validation mAP 0." in call(*train, *SPLIT_BY_LABELS, "--out", run).stdout
    evaluate = ("evaluate", "--data", DATA, "--json", "--model")
    found = json.loads(call(*evaluate, run, *SPLIT_BY_LABELS).stdout)
    side = found["runs"][0]["image_to_text"]
    assert (side["queries"], side["items"]) == (6, 34)
    assert found["runs"][0]["selected_on"] == "by map on slice of train"
    assert "was trained on other data" in refused(*evaluate, trained.dual_encoder, *SPLIT_BY_LABELS)
    assert "was trained on other data" in refused(*evaluate, run, *SPLIT_BY_LABELS, "--vary", "seed=1")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--vary", "k=3"), "give --protocol NAME too"),
        (("--protocol", "train-database", "--two-stage", 3), "leave out --two-stage"),
        (("--protocol", "train-databse"), "Did you mean 'train-database'"),
    ],
)
def test_options_that_do_not_fit_are_refused(words: tuple[object, ...], message: str, trained: Trained) -> None:
    assert message in refused("evaluate", "--model", trained.dual_encoder, "--data", DATA, *words)
