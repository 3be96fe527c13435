"""`crossgraph teach`: what it prints, and what it refuses before any work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossgraph.data.sources import open_corpus
from crossgraph.training.teaching import TeachingConfig
from tests.cli.conftest import DATA, Trained, call
from tests.other_languages import write_captions


@pytest.fixture
def captions(cache: Path, tmp_path: Path) -> Path:
    return write_captions(open_corpus(DATA), tmp_path / "captions.jsonl")


def test_recalls_are_printed_beside_those_of_english(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[TeachingConfig] = []

    def teach(*_: object, settings: TeachingConfig, **__: object) -> dict[str, float]:
        asked.append(settings)
        return {"en": 60.0, "de": 54.0}

    monkeypatch.setattr("crossgraph.verbs.teaching.teach", teach)
    words = ("teach", "run", "--captions", "c.jsonl", "--data", DATA, "--out", tmp_path / "out", "--set", "epochs=2")
    assert "de: 54.0 of 100 captions find their picture among the first 10, 90% of English's" in call(*words).stdout
    told = json.loads(call(*words, "--json").stdout)
    assert told == {"model": str(tmp_path / "out"), "recall_at_10": {"en": 60.0, "de": 54.0}}
    assert [settings.epochs for settings in asked] == [2, 2]


def test_a_run_that_reads_no_states_is_refused(trained: Trained, captions: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = call("teach", trained.dual_encoder, "--captions", captions, "--data", DATA, "--out", out)
    assert result.exit_code == 2
    assert "gives no word states" in result.stderr
    assert not out.exists()


def test_an_unknown_setting_is_named(tmp_path: Path) -> None:
    words = ("--captions", "c.jsonl", "--data", DATA, "--out", tmp_path / "out", "--set", "epoch=2")
    result = call("teach", "run", *words)
    assert result.exit_code == 2
    assert "unknown setting 'epoch'. Did you mean 'epochs'?" in result.stderr
