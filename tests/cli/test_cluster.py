"""The verbs with --cluster: the same answers as without. One cluster of two workers, joined by this process."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from crossgraph import verbs
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.data.sources import open_corpus
from crossgraph.distributed.connection import connected
from crossgraph.distributed.given import on_cluster
from crossgraph.distributed.models import place_of
from crossgraph.distributed.settings import ClusterSettings
from crossgraph.errors import ModelError
from crossgraph.gallery.calibration.pairs import encode_corpus
from crossgraph.gallery.gallery import Gallery
from tests import one_cluster
from tests.cli.conftest import DATA, Trained, call

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster(trained: Trained) -> str:
    """Two workers, which every command here finds started."""
    one_cluster.joined()
    return one_cluster.ADDRESS


def test_a_gallery_indexed_by_workers_is_that_of_one_process(cluster: str, trained: Trained, tmp_path: Path) -> None:
    there = tmp_path / "gallery"
    told = call("index", DATA, "--gallery", there, "--model", trained.kidrr, "--cluster", cluster, "--json")
    assert json.loads(told.stdout)["added"] == 40
    one, other = (Gallery.open(folder).snapshot() for folder in (trained.gallery, there))
    assert one.items.to_pylist() == other.items.to_pylist()
    assert np.allclose(one.vectors.whole(), other.vectors.whole(), atol=1e-5)
    migrated = call("gallery", "migrate", there, "--model", trained.dual_encoder, "--cluster", cluster, "--json")
    assert json.loads(migrated.stdout)["encoded"] == 40


def test_evaluation_on_workers_gives_the_same_numbers(cluster: str, trained: Trained) -> None:
    words = ("evaluate", "--data", DATA, "--model", trained.kidrr, "--split", "train", "--two-stage", 5, "--json")
    here, there = json.loads(call(*words).stdout), json.loads(call(*words, "--cluster", cluster).stdout)
    assert there == here


def test_a_corpus_encoded_by_workers_for_calibration_is_the_same(cluster: str, cascade: Path) -> None:
    corpus, model = open_corpus(DATA), verbs.load(cascade)
    here = encode_corpus(model, corpus)
    with on_cluster(cluster) as workers:
        assert workers is not None
        there = workers.encode_corpus(model, corpus)
    assert there.captions == here.captions
    assert np.array_equal(there.caption_image, here.caption_image)
    for one, other in ((here.images, there.images), (here.texts, there.texts)):
        assert np.allclose(one.vectors, other.vectors, atol=1e-5)
        assert one.codes is not None
        assert other.codes is not None
        assert np.array_equal(one.codes, other.codes)
        fine, expected = (side.need_fine().without_padding().parts for side in (one, other))
        assert fine is not None
        assert expected is not None
        assert torch.allclose(fine, expected, atol=1e-4)


def test_a_model_that_a_worker_does_not_find_is_sent(cluster: str, trained: Trained, tmp_path: Path) -> None:
    model, cache = verbs.load(trained.kidrr), FeatureCache(tmp_path / "cache")
    with connected(ClusterSettings("auto")) as connection:
        place = replace(place_of(model, connection, device="cpu"), reference=str(tmp_path / "elsewhere"))
        sent = place.load(cache, tmp_path)
    assert (sent.fingerprint, sent.shortlist.fingerprint) == (model.fingerprint, model.shortlist.fingerprint)
    with pytest.raises(ModelError, match="where every node can read it"):
        replace(place, files=None).load(cache, tmp_path)
