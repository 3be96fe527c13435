"""A packed cascade is smaller, tells nothing of where it was made, and answers as the one it was made of."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from crossgraph.data.feature_cache import FeatureCache
from crossgraph.evaluation.ranking import score_corpus
from crossgraph.gallery.stages.cascade_manifest import CascadeManifest, Role
from crossgraph.gallery.stages.cascade_model import CascadeModel
from crossgraph.gallery.stages.packing import pack_cascade
from crossgraph.progress import Silent
from crossgraph.training.checkpoint import read_manifest, read_tensors, weights_fingerprint, write_manifest
from tests.cli.conftest import TINY, Trained, call, with_settings

RUNS: tuple[Role, ...] = ("dense", "rerank")


def scores(model: CascadeModel, images: list[Path], sentences: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Of every picture with every sentence: by the re-ranker and by the cosine of the dense run."""
    assert model.shortlist is not None
    cosines = model.shortlist.encode_image_files(images).encoded.embedding @ (
        model.shortlist.encode_raw_texts(sentences).embedding.T
    )
    fine = score_corpus(
        model.method, model.encode_image_files(images).encoded, model.encode_raw_texts(sentences), progress=Silent()
    )
    return fine, cosines


def test_the_copy_scores_as_the_original_does(packed: Path, cascade: Path, trained: Trained, tmp_path: Path) -> None:
    images, sentences = sorted(trained.images.iterdir())[:8], ["a red ball", "a green tree above a box", "a moon"]
    cache = FeatureCache(tmp_path)
    for found, expected in zip(
        scores(CascadeModel(packed, cache=cache), images, sentences),
        scores(CascadeModel(cascade, cache=cache), images, sentences),
        strict=True,
    ):
        assert not torch.equal(found, expected)  # or nothing was halved
        torch.testing.assert_close(found, expected, atol=5e-3, rtol=5e-3)


def test_weights_are_halved_on_disk_and_whole_when_computed_with(packed: Path, cascade: Path, tmp_path: Path) -> None:
    for role in RUNS:
        halves, facts = read_tensors(packed / role / "weights.safetensors")
        wholes, before = read_tensors(cascade / role / "weights.safetensors")
        assert facts == before
        assert {name for name, value in halves.items() if value.dtype == torch.float16} == {
            name for name, value in wholes.items() if value.is_floating_point() and value.ndim > 1
        }
        assert all(torch.equal(halves[name], wholes[name].to(halves[name].dtype)) for name in wholes)
    model = CascadeModel(packed, cache=FeatureCache(tmp_path))
    assert {value.dtype for value in model.method.parameters()} == {torch.float32}


def test_fingerprints_are_those_of_the_copy(packed: Path, cascade: Path) -> None:
    manifest, before = CascadeManifest.read(packed), CascadeManifest.read(cascade)
    assert manifest.fingerprint != before.fingerprint
    assert (manifest.blend, manifest.codes) == (before.blend, before.codes)
    for role in RUNS:
        part, own = manifest.parts()[role], read_manifest(packed / role)
        assert part is not None
        assert part.fingerprint == own.weights == weights_fingerprint(packed / role)
        assert own.calibration == read_manifest(cascade / role).calibration
        assert own.blend == read_manifest(cascade / role).blend
    dense = manifest.dense
    assert dense is not None
    assert read_manifest(packed / "rerank").shortlist == dense.fingerprint


def test_the_copy_says_nothing_of_where_it_was_made(packed: Path, trained: Trained) -> None:
    assert {path.name for path in packed.rglob("*") if path.is_file()} == {
        "cascade.json",
        "manifest.json",
        "weights.safetensors",
    }
    told = "".join(path.read_text(encoding="utf-8") for path in packed.rglob("*.json"))
    assert str(trained.dual_encoder.parent) not in told
    for role in RUNS:
        manifest = json.loads((packed / role / "manifest.json").read_text(encoding="utf-8"))
        assert (manifest["places"], manifest["environment"]) == ({}, {})
        assert [text for text in texts(manifest) if text.startswith("/")] == []


def texts(tree: Any) -> Iterator[str]:
    """Every text in a tree of plain values."""
    if isinstance(tree, str):
        yield tree
    for value in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from texts(value)


def test_the_copy_can_be_moved_and_is_not_written_to(packed: Path, trained: Trained, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(packed, moved)
    before = {path: path.stat().st_mtime_ns for path in moved.rglob("*")}
    assert call("index", trained.images, "--gallery", tmp_path / "gallery", "--model", moved).exit_code == 0
    assert "re-ranked" in call("search", "a red ball", "--gallery", tmp_path / "gallery").stderr
    assert {path: path.stat().st_mtime_ns for path in moved.rglob("*")} == before


def test_sizes_are_printed_and_a_limit_is_kept(packed: Path, cascade: Path, tmp_path: Path) -> None:
    told = json.loads(call("cascade", "pack", cascade, "--out", tmp_path / "one", "--json").stdout)
    assert told["files"] == {
        path.relative_to(packed).as_posix(): path.stat().st_size for path in packed.rglob("*") if path.is_file()
    }
    assert "MB of 40" in call("cascade", "pack", cascade, "--out", tmp_path / "two").stdout
    refused = call("cascade", "pack", cascade, "--out", tmp_path / "three", "--limit", "0.01")
    assert (refused.exit_code, "more than the limit of 0.01; the largest files: " in refused.stderr) == (2, True)
    assert {path.name for path in tmp_path.iterdir()} == {"one", "two"}
    assert "is there already" in call("cascade", "pack", cascade, "--out", tmp_path / "one").stderr


def test_packing_again_gives_the_same_files(packed: Path, tmp_path: Path) -> None:
    assert call("cascade", "pack", packed, "--out", tmp_path / "again").exit_code == 0
    for path in packed.rglob("*.safetensors"):
        assert (tmp_path / "again" / path.relative_to(packed)).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("role", RUNS)
def test_what_reads_with_anything_of_the_users_is_refused(cascade: Path, tmp_path: Path, role: str) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(cascade, broken)
    manifest = read_manifest(broken / role)
    images = manifest.config.images.model_copy(update={"encoder": "hf:owner/model"})
    config = manifest.config.model_copy(update={"images": images})
    write_manifest(broken / role, manifest.model_copy(update={"config": config}))
    refused = call("cascade", "pack", broken, "--out", tmp_path / "out")
    assert (refused.exit_code, "reads pictures with hf:owner/model" in refused.stderr) == (2, True)
    assert not (tmp_path / "out").exists()


def test_a_network_that_was_trained_keeps_its_place_and_gets_its_own_fingerprint(
    cache: Path, trained: Trained, tmp_path: Path
) -> None:
    settings = with_settings([*TINY, "images.trainable=true", "model.heads=2"])
    words = ("train", "--data", "scenes:24:1", "--method", "dual_encoder", "--out", tmp_path / "run", *settings)
    assert call(*words).exit_code == 0
    assert call("cascade", "build", "--dense", tmp_path / "run", "--out", tmp_path / "cascade").exit_code == 0
    features = FeatureCache(tmp_path / "features")
    pack_cascade(tmp_path / "cascade", tmp_path / "packed", cache=features)
    before, after = (CascadeModel(tmp_path / name, cache=features) for name in ("cascade", "packed"))
    images = sorted(trained.images.iterdir())[:4]
    found, expected = (one.encode_image_files(images).encoded.embedding for one in (after, before))
    torch.testing.assert_close(found, expected, atol=5e-3, rtol=5e-3)
    own = read_manifest(tmp_path / "packed" / "dense").image_encoder
    assert own == after.last.image_encoder.fingerprint != before.last.image_encoder.fingerprint
