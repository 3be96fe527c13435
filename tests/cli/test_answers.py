"""What every verb prints and writes when all is well."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from crossgraph.methods.kidrr import KidrrConfig
from crossgraph.types import Alignment, NodeMatch
from tests.cli.conftest import DATA, TINY, Trained, call, with_settings
from tests.gallery.fake_model import FakeModel


def answer(*words: object) -> dict[str, Any]:
    """The one JSON object a verb prints."""
    result = call(*words, "--json")
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_training_says_which_epoch_was_selected_and_reports_progress_on_stderr(
    trained: Trained, tmp_path: Path
) -> None:
    result = call(
        *("train", "--data", DATA, "--method", "dual_encoder", "--out", tmp_path / "run"),
        *with_settings(TINY),
        *("--set", "model.heads=2", "--json"),
    )
    assert json.loads(result.stdout)["selected"]["epoch"] == 1
    events = [json.loads(line)["event"] for line in result.stderr.splitlines()]
    assert "validation" in events


def test_a_finished_run_resumes_to_itself_without_settings(trained: Trained, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained.kidrr, run)
    found = answer("train", "--resume", "--data", DATA, "--out", run)
    before = json.loads((trained.kidrr / "manifest.json").read_text())
    after = json.loads((run / "manifest.json").read_text())
    assert found["fingerprint"] == before["weights"] == after["weights"]
    assert after["config"] == before["config"]


def test_the_method_given_wins_over_the_config_file(trained: Trained, tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text('method = "kidrr"\n[model]\nheads = 2\n')
    words = ("train", "--data", DATA, "--config", config, "--method", "dual_encoder", "--out", tmp_path / "run")
    assert answer(*words, *with_settings(TINY))["method"] == "dual_encoder"


def test_evaluation_gives_protocol_and_both_notions_of_relevance(trained: Trained) -> None:
    found = answer("evaluate", "--model", trained.dual_encoder, "--data", DATA, "--split", "val")
    assert set(found) >= {"models", "protocol", "strict", "duplicate_aware"}


def test_two_stage_evaluation_prints_the_recall_cap(trained: Trained) -> None:
    words = ("evaluate", "--model", trained.kidrr, "--data", DATA, "--two-stage", 2, "--blend", 0.5)
    result = call(*words, "--markdown")
    assert "| text→image recall cap |" in result.stdout
    assert "shortlist 2" in result.stdout
    assert "[low, high]" in call(*words).stdout, "brackets are not markup"


def test_what_a_reranker_gains_stands_beside_its_numbers(trained: Trained) -> None:
    words = ("evaluate", "--model", trained.kidrr, "--data", DATA, "--two-stage", 2)
    gain = answer(*words, "--against", trained.dual_encoder)["against"]
    first = answer("evaluate", "--model", trained.dual_encoder, "--data", DATA)["strict"]["mean"]["rsum"]
    assert gain["difference"]["rsum"] == pytest.approx(answer(*words)["strict"]["mean"]["rsum"] - first)
    assert set(answer(*words, "--against", trained.kidrr)["against"]["difference"].values()) == {0.0}
    assert "paired bootstrap interval" in call(*words, "--against", trained.dual_encoder, "--markdown").stdout
    assert answer(*words, "--against", "shortlist")["against"]["difference"] == gain["difference"]
    alone = call("evaluate", "--model", trained.dual_encoder, "--data", DATA, "--against", "shortlist")
    assert alone.exit_code == 2
    assert "has no shortlist model" in alone.stderr


def test_pairs_in_bfloat16_are_named_with_how_far_scores_move(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    words = ("evaluate", "--model", trained.kidrr, "--data", DATA)
    for more in ((), ("--two-stage", 2, "--against", "shortlist")):
        found = call(*words, *more, "--pair-precision", "bfloat16", "--json")
        assert json.loads(found.stdout)["protocol"]["pair_precision"] == "bfloat16"
        assert "pairs in bfloat16" in json.loads(found.stdout)["protocol"]["text"]
        told = next(json.loads(line) for line in found.stderr.splitlines() if '"pair precision"' in line)
        assert 0 < told["mean"] <= told["largest"] < 0.1
    assert answer(*words, "--pair-precision", "float32") == answer(*words)


def test_several_runs_give_mean_and_deviation(trained: Trained) -> None:
    result = call("evaluate", "--model", trained.dual_encoder, "--model", trained.kidrr, "--data", DATA, "--markdown")
    assert "over 2 runs" in result.stdout


def test_probes_tell_how_often_an_edited_caption_loses(trained: Trained) -> None:
    words = ("evaluate", "--model", trained.dual_encoder, "--data", DATA, "--probes")
    (probed,) = answer(*words)["probes"]
    assert 0 <= probed["kinds"]["swap"]["accuracy"] <= 100
    assert "| swap |" in call(*words, "--markdown").stdout


def test_an_ablation_prints_what_it_writes(trained: Trained, tmp_path: Path) -> None:
    words = ("ablate", "--data", DATA, "--method", "kidrr", "--out", tmp_path, "--seeds", 1, "--only", "no-anchor")
    more = ("--shortlist", trained.dual_encoder, "--two-stage", 2)
    found = answer(*words, *more, *with_settings(TINY))
    assert found == json.loads((tmp_path / "ablation.json").read_text())
    assert [variant["variant"] for variant in found["variants"]] == ["full", "no-anchor"]
    assert str(found["command"]).startswith(f"crossgraph ablate --method kidrr --data {DATA} --out {tmp_path}")
    printed = call(*words, *more, *with_settings(TINY), "--markdown").stdout
    assert printed.strip() == (tmp_path / "ablation.md").read_text().strip()
    assert "shortlist 2" in printed


def test_a_second_indexing_adds_nothing(trained: Trained) -> None:
    found = answer("index", DATA, "--gallery", trained.gallery)
    assert (found["added"], found["unchanged"]) == (0, 40)


def test_indexing_lists_skipped_files_with_path_and_reason(trained: Trained, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("RGB", (40, 40), "red").save(folder / "red.png")
    (folder / "broken.jpg").write_bytes(b"not a picture")
    words = ("index", folder, "--gallery", tmp_path / "gallery", "--model", trained.dual_encoder)
    result = call(*words)
    assert "1 added" in result.stdout
    assert f"{folder / 'broken.jpg'}: " in result.stderr
    found = answer(*words)
    (skipped,) = found["skipped"]
    assert skipped["path"] == str(folder / "broken.jpg")
    assert skipped["reason"]


def test_one_split_can_be_indexed(trained: Trained, tmp_path: Path) -> None:
    words = ("index", DATA, "--split", "test", "--gallery", tmp_path / "gallery", "--model", trained.kidrr)
    assert answer(*words)["added"] == 4


def test_search_results_carry_path_score_and_rank(trained: Trained) -> None:
    found = answer("search", "a red ball", "--gallery", trained.gallery, "-k", 3)
    results = found["results"]
    assert isinstance(results, list)
    assert [row["rank"] for row in results] == [1, 2, 3]
    assert all(Path(row["path"]).is_file() for row in results)
    scores = [row["score"] for row in results]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("words", "stage"),
    [(("--no-rerank",), "turned off"), (("--shortlist", 5), "re-ranked"), (("--captions",), "shortlist alone")],
)
def test_search_for_people_prints_one_line_per_answer(trained: Trained, words: tuple[object, ...], stage: str) -> None:
    result = call("search", "a red ball", "--gallery", trained.gallery, "-k", 3, *words)
    assert len(result.stdout.splitlines()) == 3
    assert stage in result.stderr
    assert re.search(r"^\d+ (pictures|captions) searched, ", result.stderr, re.MULTILINE)


def test_a_picture_finds_itself_by_file_but_not_as_item(trained: Trained) -> None:
    image = trained.images / "00003.jpg"
    by_file = answer("search", "--image", image, "--gallery", trained.gallery, "-k", 1)["results"]
    by_item = answer("search", "--item", image, "--gallery", trained.gallery, "-k", 40)["results"]
    assert isinstance(by_file, list)
    assert isinstance(by_item, list)
    assert by_file[0]["path"] == str(image)
    assert str(image) not in [row["path"] for row in by_item]


def test_a_moved_run_can_be_named(trained: Trained, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(trained.kidrr, moved)
    words = ("search", "a tree", "--gallery", trained.gallery)
    assert answer(*words, "--model", moved)["results"] == answer(*words)["results"]


def test_an_explanation_is_drawn_and_told(trained: Trained, tmp_path: Path) -> None:
    drawing = tmp_path / "new" / "overlay.png"
    words = ("explain", "a red ball", trained.images / "00000.jpg", "--model", trained.kidrr, "--out", drawing)
    found = answer(*words)
    assert [word["word"] for word in found["words"]] == ["a", "red", "ball"]
    with Image.open(drawing) as image:
        assert image.width > 300
    assert found["matches"] == []
    assert "ball" in call(*words).stdout


def test_matched_nodes_are_told_after_the_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = NodeMatch("object", "ball", ((0.0, 0.0, 0.5, 0.5),), 0.75, 0.25)
    lost = NodeMatch("relation", "ball · on · box", (), 0.0, 0.0)
    alignment = Alignment(
        ("ball",), torch.tensor([[0.0, 0.0, 0.5, 0.5]]), torch.ones(1, 1), torch.ones(1), 0.5, (found, lost)
    )
    drawing = Image.new("RGB", (4, 4))
    monkeypatch.setattr("crossgraph.verbs.load_search_model", lambda *_, **__: FakeModel("a", fine=True))
    monkeypatch.setattr("crossgraph.verbs.explain", lambda *_: (alignment, drawing))
    words = ("explain", "ball", tmp_path / "a.png", "--model", "run", "--out", tmp_path / "overlay.png")
    lines = call(*words).stdout.splitlines()
    assert [line.split() for line in lines[:2]] == [["1.000", "ball"], ["object", "0.750", "adds", "0.250", "ball"]]
    assert lines[2].startswith("relation")
    assert lines[2].endswith("ball · on · box, nowhere in the picture")
    matches = answer(*words)["matches"]
    assert [match["kind"] for match in matches] == ["object", "relation"]


def test_data_check_counts_and_lists(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    assert answer("data", "check", DATA)["images"] == 40
    result = call("data", "check", tmp_path)
    assert result.exit_code == 1
    assert f"{tmp_path / 'empty.jpg'}: " in result.stderr
    assert "read 0, skipped 1, of no interest 0, left out 0" in result.stdout


def test_every_method_is_listed_and_shown_with_its_sources_and_switches() -> None:
    listed = call("methods", "list").stdout
    for name in ("dual_encoder", "kidrr"):
        assert name in listed
    shown = call("methods", "show", "kidrr").stdout
    for words in ("Dissemination", "purpose", *KidrrConfig.model_fields, str(KidrrConfig().sharpness)):
        assert words in shown


def test_doctor_tells_versions_threads_cache_and_weights(cache: Path) -> None:
    found = answer("doctor")
    assert found["cache"]["folder"] == str(cache)
    assert found["weights"]["efficientnet-lite0"] == "installed"
    assert found["languages of sentences"]["minilm"] == ["en"]
    assert "torch" in call("doctor").stdout


def test_version_is_printed() -> None:
    assert call("--version").stdout.startswith("crossgraph ")
