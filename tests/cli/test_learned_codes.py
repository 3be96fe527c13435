"""A cascade whose codes are learned of its dense vectors, made and searched through the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from crossgraph.data.feature_cache import default_cache
from crossgraph.data.sources import open_corpus
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.stages.cascade_manifest import CascadeManifest, Learned
from crossgraph.gallery.stages.cascade_model import CascadeModel
from crossgraph.gallery.stages.code_index import hamming
from crossgraph.gallery.stages.codes import PLANES, LearnedPlanes
from crossgraph.gallery.stages.quantisation import fit_quantisation
from crossgraph.verbs import load_model
from tests.cli.conftest import DATA, Trained, call


@pytest.fixture(scope="module")
def cascade(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Learned codes, the dual encoder, KIDRR."""
    out = tmp_path_factory.mktemp("cascade") / "cascade"
    words = ("--codes", "itq:16", "--data", DATA, "--dense", trained.dual_encoder, "--rerank", trained.kidrr)
    assert call("cascade", "build", *words, "--out", out).exit_code == 0
    return out


@pytest.fixture(scope="module")
def gallery(cascade: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gallery") / "gallery"
    assert call("index", DATA, "--gallery", folder, "--model", cascade).exit_code == 0
    return folder


def test_planes_are_learned_of_the_training_pictures_and_captions_alone(cascade: Path, trained: Trained) -> None:
    shown = json.loads(call("cascade", "show", cascade, "--json").stdout)["codes"]
    corpus = open_corpus(DATA).split("train")
    model = load_model(trained.dual_encoder)
    sides = [model.encode_corpus_images(corpus).encoded.embedding, model.encode_corpus_texts(corpus).embedding]
    planes = LearnedPlanes(fit_quantisation(sides, bits=16))
    assert shown == {
        "bits": 16,
        "width": sides[0].shape[1],
        "data": corpus.name,
        "split": "train",
        "images": len(corpus),
        "captions": len(corpus.captions),
        "fingerprint": planes.fingerprint,
    }
    stored = LearnedPlanes.read(cascade / "codes")
    assert np.array_equal(stored.learned.planes, planes.learned.planes)
    assert sorted(path.name for path in (cascade / "codes").iterdir()) == [PLANES]
    assert f"16 planes learned of {corpus.name}" in call("cascade", "show", cascade).stdout


def test_every_kind_of_query_goes_by_the_codes(gallery: Path, trained: Trained) -> None:
    picture = trained.images / "00003.jpg"
    for query in (("a red ball",), ("--image", picture), ("2:a ball", "+", picture, "-", "tree")):
        found = json.loads(
            call("search", *query, "--gallery", gallery, "--mode", "fast", "--no-exact", "--json").stdout
        )
        assert found["compared"] == {"codes": 40}
        assert len(found["results"]) == 10
    alike = json.loads(call("search", "--item", "00003.jpg", "--gallery", gallery, "--mode", "fast", "--json").stdout)
    assert len(alike["results"]) == 10
    first = alike["results"][0]["id"]
    words = ("search", "a red ball", "--gallery", gallery, "--mode", "fast", "--no-exact", "--json")
    assert first not in [row["id"] for row in json.loads(call(*words, "--dislike", first).stdout)["results"]]


def test_codes_stored_in_a_gallery_are_those_of_its_vectors(gallery: Path, cascade: Path) -> None:
    model = CascadeModel(cascade, cache=default_cache())
    snapshot = Gallery.open(gallery, model).snapshot()
    assert snapshot.codes is not None
    planes = LearnedPlanes.read(cascade / "codes")
    assert np.array_equal(snapshot.codes.whole(), planes.codes_of_vectors(snapshot.vectors.whole()))
    assert len({int(distance) for distance in hamming(snapshot.codes.whole(), snapshot.codes.whole()[0])}) > 2
    assert json.loads(call("gallery", "verify", gallery, "--json").stdout)["problems"] == []


def test_a_moved_cascade_answers_as_before(gallery: Path, cascade: Path, tmp_path: Path) -> None:
    words = ("search", "a red ball", "--mode", "fast", "--no-exact", "--json")
    before = json.loads(call(*words, "--gallery", gallery).stdout)["results"]
    shutil.copytree(gallery, tmp_path / "gallery")
    shutil.copytree(cascade, tmp_path / "elsewhere")
    after = json.loads(call(*words, "--gallery", tmp_path / "gallery", "--model", tmp_path / "elsewhere").stdout)
    assert [(row["path"], row["score"]) for row in after["results"]] == [(row["path"], row["score"]) for row in before]


def test_a_gallery_migrates_from_random_to_learned_codes(cascade: Path, trained: Trained, tmp_path: Path) -> None:
    words = ("--codes", "random:16", "--dense", trained.dual_encoder, "--rerank", trained.kidrr)
    assert call("cascade", "build", *words, "--out", tmp_path / "random").exit_code == 0
    folder = tmp_path / "gallery"
    assert call("index", DATA, "--gallery", folder, "--model", tmp_path / "random").exit_code == 0
    before = Gallery.open(folder, CascadeModel(tmp_path / "random", cache=default_cache())).snapshot().codes
    assert call("gallery", "migrate", folder, "--model", cascade).exit_code == 0
    snapshot = Gallery.open(folder, CascadeModel(cascade, cache=default_cache())).snapshot()
    assert before is not None
    assert snapshot.codes is not None
    assert not np.array_equal(snapshot.codes.whole(), before.whole())
    expected = LearnedPlanes.read(cascade / "codes").codes_of_vectors(snapshot.vectors.whole())
    assert np.array_equal(snapshot.codes.whole(), expected)


def test_the_same_parts_make_the_same_cascade(cascade: Path, trained: Trained, tmp_path: Path) -> None:
    words = ("--data", DATA, "--dense", trained.dual_encoder, "--rerank", trained.kidrr)
    assert call("cascade", "build", *words, "--codes", "itq:16", "--out", tmp_path / "again").exit_code == 0
    assert call("cascade", "build", *words, "--codes", "itq:24", "--out", tmp_path / "wider").exit_code == 0
    assert call("cascade", "build", *words, "--codes", "itq:16", "--split", "val", "--out", tmp_path / "val")
    one, again, wider, val = (
        CascadeManifest.read(folder) for folder in (cascade, tmp_path / "again", tmp_path / "wider", tmp_path / "val")
    )
    assert one == again
    assert len({one.fingerprint, wider.fingerprint, val.fingerprint}) == 3
    assert isinstance(wider.codes, Learned)
    assert (wider.codes.bits, wider.codes.width) == (24, 16), "more bits than numbers of a vector"


def test_planes_that_were_changed_are_refused(cascade: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(cascade, broken)
    vectors = torch.randn(60, 16, generator=torch.Generator().manual_seed(7))
    LearnedPlanes(fit_quantisation([vectors], bits=16)).write(broken / "codes")
    result = call("index", DATA, "--gallery", tmp_path / "gallery", "--model", broken)
    assert (result.exit_code, "but the cascade was built with" in result.stderr) == (2, True)
    (broken / "codes" / PLANES).unlink()
    result = call("index", DATA, "--gallery", tmp_path / "gallery", "--model", broken)
    assert (result.exit_code, "Build the cascade again" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--codes", "itq:16", "--data", DATA), "learned codes are made of dense vectors"),
        (("--codes", "itq:16"), "give --data"),
        (("--codes", "random:16", "--data", DATA), "give --codes itq:256 too"),
        (("--codes", "itq:x", "--data", DATA), "written itq:BITS"),
        (("--codes", "itq:12", "--data", DATA), "learned codes have 8 to 4096 bits, a multiple of 8; got 12"),
        (("--codes", "itq:16", "--data", DATA, "--split", "summer"), "summer"),
    ],
)
def test_what_nothing_can_be_learned_of_is_refused(
    words: tuple[str, ...], message: str, trained: Trained, tmp_path: Path
) -> None:
    dense = () if "made of dense" in message else ("--dense", trained.dual_encoder)
    result = call("cascade", "build", *words, *dense, "--out", tmp_path / "new")
    assert (result.exit_code, message in result.stderr) == (2, True), result.stderr
    assert list(tmp_path.iterdir()) == []
