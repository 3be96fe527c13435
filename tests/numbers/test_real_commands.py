"""Real commands, as small as they can be: what they write has the numbers where the declarations look for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import remake as program
from comparison import values_at

from crossgraph.evaluation.ablation_table import AblationResult, AblationRun, Variant
from tests.numbers.test_declarations import declared

DOCUMENT = "# Title\n\n| | rSum | R@1 / 5 |\n|---|---:|---|\n| dual encoder | 100.0 | 1.0 / 2.0 |\n"
DECLARED = """
[[step]]
name = "dual"
command = "crossgraph train --data scenes:24 --method dual_encoder --set training.epochs=1 --set training.batch_size=8 \
--set texts.min_count=1 --set images.size=64 --set images.cells=[2] --set model.width=16 --set model.word_width=16 \
--set model.heads=2 --out {out}"
minutes = 1
[[step]]
name = "dual-val"
command = "crossgraph evaluate --model {dual} --data scenes:24 --split val --json"
minutes = 1
[[table]]
name = "tiny"
document = "README.md"
heading = "Title"
allowed = 600
[table.columns]
"rSum" = ["dual-val: strict.mean.rsum"]
"R@1 / 5" = ["dual-val: strict.mean.image_to_text_r1", "dual-val: strict.mean.image_to_text_r5"]
"""


@pytest.mark.slow
def test_a_training_and_an_evaluation_are_run_once_and_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = declared(tmp_path, DECLARED, DOCUMENT)
    monkeypatch.setattr(program, "read_declarations", lambda: found)
    monkeypatch.setenv("CROSSGRAPH_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "out"
    assert program.main(["--out", str(out)]) == 0
    first = capsys.readouterr()
    assert "0 DIFFERS, 0 not made" in first.out
    evaluated = next(out.glob("dual-val-*"))
    assert json.loads((evaluated / "numbers.json").read_text(encoding="utf-8"))["protocol"]["split"] == "val"
    assert program.main(["--out", str(out)]) == 0
    again = capsys.readouterr()
    assert again.out == first.out
    assert again.err.splitlines() == ["[1/2] dual: done before", "[2/2] dual-val: done before"]


def test_an_ablation_has_its_numbers_where_they_are_looked_for() -> None:
    def variant(name: str, *rsums: float) -> Variant:
        runs = [AblationRun(seed, f"runs/{name}-{seed}", "", {"rsum": rsum}) for seed, rsum in enumerate(rsums)]
        return Variant(name, {}, tuple(runs))

    result = AblationResult(
        "racg", "", None, (variant("full", 470.0, 480.0), variant("no-relations", 440.0, 450.0)), ()
    )
    written = json.loads(json.dumps(result.to_json()))
    asked = "variants[variant=no-relations].measures.rsum"
    assert values_at(written, f"{asked}.mean") == [445]
    assert values_at(written, f"{asked}.difference") == [-30]
    assert values_at(written, f"{asked}.deviation") == pytest.approx([50**0.5])
