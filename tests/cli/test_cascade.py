"""`crossgraph cascade`, `calibrate`, and searches of a gallery that was made with a cascade."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from crossgraph.errors import ModelError
from crossgraph.gallery.stages.cascade_manifest import CascadeManifest
from tests.cli.conftest import DATA, Trained, call


@pytest.fixture(scope="session")
def gallery(cascade: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gallery") / "gallery"
    assert call("index", DATA, "--gallery", folder, "--model", cascade).exit_code == 0
    return folder


def test_a_cascade_shows_its_parts_with_their_fingerprints(cascade: Path, trained: Trained) -> None:
    shown = json.loads(call("cascade", "show", cascade, "--json").stdout)
    for role, run in (("dense", trained.dual_encoder), ("rerank", trained.kidrr)):
        assert shown[role]["fingerprint"] == json.loads((run / "manifest.json").read_text())["weights"]
        assert (cascade / role / "weights.safetensors").read_bytes() == (run / "weights.safetensors").read_bytes()
    assert shown["codes"]["bits"] == 16
    assert shown["blend"] == json.loads((trained.kidrr / "manifest.json").read_text())["blend"]["chosen"]
    assert "random planes" in call("cascade", "show", cascade).stdout


@pytest.fixture
def blended(cascade: Path, tmp_path: Path) -> Path:
    """A copy of the cascade whose blend is an eighth."""
    shutil.copytree(cascade, tmp_path / "blended")
    CascadeManifest.read(cascade).model_copy(update={"blend": 0.125}).write(tmp_path / "blended")
    return tmp_path / "blended"


def test_a_cascade_of_the_parts_of_another_keeps_its_blend(blended: Path, trained: Trained, tmp_path: Path) -> None:
    for dense in (blended, trained.dual_encoder):
        out = tmp_path / f"of {dense.name}"
        built = call("cascade", "build", "--dense", dense, "--rerank", blended, "--out", out)
        assert CascadeManifest.read(out).blend == 0.125
        assert "for the dense run" not in built.stderr


@pytest.mark.parametrize("dense", [True, False])
def test_a_blend_that_was_chosen_for_another_dense_run_is_left_with_a_word(
    blended: Path, trained: Trained, tmp_path: Path, dense: bool
) -> None:
    words = ("--rerank", blended, *(("--dense", trained.kidrr) if dense else ()))
    built = call("cascade", "build", *words, "--out", tmp_path / "new")
    assert CascadeManifest.read(tmp_path / "new").blend == 0
    own = json.loads((trained.dual_encoder / "manifest.json").read_text())["weights"]
    assert f"chose 0.125 for the dense run {own}" in " ".join(built.stderr.split())


@pytest.mark.parametrize("blend", ["NaN", "Infinity", "-1"])
def test_a_cascade_whose_blend_cannot_be_is_refused(tmp_path: Path, blend: str) -> None:
    (tmp_path / "cascade.json").write_text(f'{{"blend": {blend}}}', encoding="utf-8")
    with pytest.raises(ModelError, match="blend"):
        CascadeManifest.read(tmp_path)


def test_a_cascade_answers_as_its_re_ranker_does_where_every_stage_hands_on_all(
    gallery: Path, trained: Trained
) -> None:
    words = ("search", "a red ball", "-k", 40, "--shortlist", 40, "--candidates", 40, "--no-exact", "--json")
    by_cascade = json.loads(call(*words, "--gallery", gallery).stdout)
    by_run = json.loads(call(*words, "--gallery", trained.gallery).stdout)
    assert by_cascade["compared"] == {"codes": 40, "shortlist": 40, "rerank": 40}
    assert [row["path"] for row in by_cascade["results"]] == [row["path"] for row in by_run["results"]]
    assert [row["score"] for row in by_cascade["results"]] == pytest.approx([row["score"] for row in by_run["results"]])


def test_paths_alone_and_commas_are_for_pipes(gallery: Path) -> None:
    words = ("search", "a red ball", "--gallery", gallery, "-k", 3, "--mode", "balanced")
    paths = call(*words, "--paths").stdout.splitlines()
    lines = call(*words, "--csv").stdout.splitlines()
    assert len(paths) == len(set(paths)) == 3
    assert all(Path(path).is_file() for path in paths)
    assert [line.split(",")[3] for line in lines[1:]] == paths
    assert call(*words, "--csv", "--paths").exit_code == 2


def test_a_sum_on_the_command_line_says_how_it_was_read(gallery: Path, trained: Trained) -> None:
    result = call("search", "2:a ball", "+", trained.images / "00003.jpg", "-", "tree", "--gallery", gallery)
    assert 'searched for: "2:a ball" + image:' in result.stderr
    assert "by the shortlist alone: a sum of sentences and pictures" in result.stderr


def test_feedback_and_pages_are_options(gallery: Path, trained: Trained) -> None:
    words = ("search", "a ball", "--gallery", gallery, "--json")
    first, second = (json.loads(call(*words, "-k", 4, "--offset", skip).stdout)["results"] for skip in (0, 4))
    assert [row["rank"] for row in (*first, *second)] == list(range(1, 9))
    found = json.loads(call(*words, "--dislike", first[0]["id"], "--like", first[1]["id"], "-k", 40).stdout)
    assert first[0]["id"] not in [row["id"] for row in found["results"]]


def test_a_changed_part_is_refused(cascade: Path, trained: Trained, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(cascade, broken)
    shutil.copyfile(trained.kidrr / "weights.safetensors", broken / "dense" / "weights.safetensors")
    result = call("index", DATA, "--gallery", tmp_path / "gallery", "--model", broken)
    assert result.exit_code == 2
    assert "belongs to another run" in result.stderr
    assert "make it again" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "a cascade needs a part"),
        (("--codes", "random:16"), "random codes are made of dense vectors"),
        (("--codes", "random:x"), "written random:BITS"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    result = call("cascade", "build", *words, "--out", tmp_path / "new")
    assert (result.exit_code, message in result.stderr) == (2, True)
    assert not (tmp_path / "new").exists()


def test_a_run_in_a_role_it_cannot_play_is_refused(trained: Trained, tmp_path: Path) -> None:
    for role, message in (("--rerank", "no fine score to re-rank with"), ("--codes", "gives no codes")):
        result = call("cascade", "build", role, trained.dual_encoder, "--out", tmp_path / "new")
        assert message in result.stderr


def test_the_stage_that_explains_can_be_chosen(trained: Trained, tmp_path: Path) -> None:
    build = ("cascade", "build", "--rerank", trained.kidrr, "--explain", "dense", "--out")
    assert "there is no such part" in call(*build, tmp_path / "refused").stderr
    assert call(*build, tmp_path / "new", "--dense", trained.dual_encoder).exit_code == 0
    asked = (
        "explain",
        "a ball above a box",
        min(trained.images.iterdir()),
        "--out",
        tmp_path / "x.png",
        "--json",
        "--model",
    )
    told = [json.loads(call(*asked, model).stdout) for model in (tmp_path / "new", trained.dual_encoder, trained.kidrr)]
    assert told[0]["score"] == told[1]["score"] != told[2]["score"]


def test_a_calibration_needs_more_pictures_than_a_few(cascade: Path) -> None:
    result = call("calibrate", cascade, "--data", DATA)
    assert (result.exit_code, "unlike pictures" in result.stderr) == (2, True)
    assert "not calibrated yet" in call("calibrate", cascade).stderr


def test_a_calibration_is_stored_with_the_model_and_speaks_in_searches(
    cascade: Path, gallery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossgraph.gallery.calibration.pairs.FEWEST", 1)
    monkeypatch.setattr("crossgraph.gallery.calibration.fit.FEWEST_PHRASES", 4)
    calibrated = tmp_path / "calibrated"
    shutil.copytree(cascade, calibrated)
    found = json.loads(call("calibrate", calibrated, "--data", DATA, "--split", "train", "--json").stdout)
    assert set(found["stages"]) == {"codes", "shortlist", "rerank"}
    stored = CascadeManifest.read(calibrated)
    assert stored.fingerprint == CascadeManifest.read(cascade).fingerprint
    assert found["stages"] == json.loads(call("calibrate", calibrated, "--json").stdout)["stages"]
    assert "| probability | queries |" in call("calibrate", calibrated, "--markdown").stdout
    printed = call("calibrate", calibrated).stdout
    titles = [line.strip() for line in printed.splitlines() if line.startswith("reliability")]
    assert titles[-2:] == ["reliability of stage rerank", "reliability of stage rerank, one to three words"]
    for mode in ("fast", "balanced", "best"):
        words = ("search", "a red ball", "--gallery", gallery, "--model", calibrated, "--mode", mode, "--no-exact")
        assert "match: " in call(*words).stderr
        assert json.loads(call(*words, "--json").stdout)["verdict"] in ("strong", "weak", "nothing good found")
    manifest = json.loads((calibrated / "cascade.json").read_text())
    for stage in manifest["calibration"].values():
        stage["phrases"] |= {"weights": [0] * 4, "bias": 99.0}
    (calibrated / "cascade.json").write_text(json.dumps(manifest))
    said = [
        call("search", query, "--gallery", gallery, "--model", calibrated, "--no-exact", "--json").stdout
        for query in ("a red ball", "a red ball left of a blue cube")
    ]
    assert [json.loads(one)["probability"] == 1 for one in said] == [True, False]
