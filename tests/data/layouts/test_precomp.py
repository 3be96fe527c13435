"""SCAN's region features with their sentences: read, trained on, and refused where they cannot serve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossgraph.config import RunConfig
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.data.features.given_tables import given_image_table
from crossgraph.data.sources import open_corpus, source_of
from crossgraph.errors import CrossgraphError, DataError
from crossgraph.verbs.evaluating import evaluate
from crossgraph.verbs.training import train
from tests.data.drawn_sets import put_lines

RNG = np.random.default_rng(0)
COUNTS = {"train": 6, "dev": 2, "test": 3}


def put_precomp(folder: Path, *, repeated: bool = False) -> dict[str, np.ndarray]:
    """Features of every split, five sentences an image; in dev and test every image may be repeated for each."""
    features = {split: RNG.normal(size=(count, 4, 8)).astype(np.float32) for split, count in COUNTS.items()}
    for split, own in features.items():
        folder.mkdir(exist_ok=True)
        np.save(folder / f"{split}_ims.npy", np.repeat(own, 5, axis=0) if repeated and split != "train" else own)
        lines = [f"{split} image {image} sentence {line}" for image in range(len(own)) for line in range(5)]
        put_lines(folder / f"{split}_caps.txt", *lines)
        put_lines(folder / f"{split}_ids.txt", *range(len(lines)))
    return features


@pytest.mark.parametrize("repeated", [False, True])
def test_regions_and_sentences_are_read_by_split(tmp_path: Path, repeated: bool) -> None:
    features = put_precomp(tmp_path, repeated=repeated)
    corpus = open_corpus(tmp_path)
    assert source_of(tmp_path) == "precomp"
    assert corpus.image_splits == ("train",) * 6 + ("val",) * 2 + ("test",) * 3
    assert corpus.caption_image.tolist() == np.repeat(np.arange(11), 5).tolist()
    assert corpus.captions[30] == "dev image 0 sentence 0"
    assert corpus.features is not None
    assert np.array_equal(np.stack([*corpus.features.images]), np.concatenate(list(features.values())))
    batch = given_image_table(corpus.split("test")).rows([2, 0])
    assert np.array_equal(batch.parts.numpy(), features["test"][[2, 0]])
    assert batch.mask.all()
    assert np.allclose(batch.whole.numpy(), features["test"][[2, 0]].mean(axis=1), atol=1e-6)


def test_a_method_that_reads_regions_is_trained_and_evaluated_on_them(tmp_path: Path) -> None:
    put_precomp(tmp_path / "precomp")
    config = RunConfig.model_validate(
        {"images": {"mirror": False}, "training": {"epochs": 1, "batch_size": 4}, "model": {}}
    )
    cache = FeatureCache(tmp_path / "cache")
    model = train(tmp_path / "precomp", out=tmp_path / "run", config=config, cache=cache)
    assert model.given == {"kind": "precomp", "image_width": 8, "text_width": 0}
    report = evaluate(model, tmp_path / "precomp", split="test")
    assert np.isfinite(list(report.strict.mean.values())).all()
    assert len(model.encode_raw_texts(["train image 3 sentence 1"])) == 1


def test_files_that_do_not_fit_each_other_are_named(tmp_path: Path) -> None:
    put_precomp(tmp_path)
    put_lines(tmp_path / "dev_caps.txt", "one", "two", "three")
    with pytest.raises(DataError, match=r"dev_caps\.txt: 3 lines for 2 images in dev_ims\.npy"):
        open_corpus(tmp_path)
    np.save(tmp_path / "dev_ims.npy", np.zeros((3, 8), np.float32))
    with pytest.raises(DataError, match="images x regions x numbers; got float32 3 x 8"):
        open_corpus(tmp_path)
    np.save(tmp_path / "dev_ims.npy", np.full((3, 4, 8), np.nan, np.float32))
    with pytest.raises(DataError, match="not finite at image 1, region 1, number 1"):
        open_corpus(tmp_path)
    (tmp_path / "dev_ims.npy").write_bytes(b"no array")
    with pytest.raises(DataError, match="cannot be read as npy"):
        open_corpus(tmp_path)


def test_an_empty_line_is_listed(tmp_path: Path) -> None:
    put_precomp(tmp_path)
    file = tmp_path / "test_caps.txt"
    lines = file.read_text().splitlines()
    put_lines(file, *lines[:3], "", *lines[4:])
    corpus = open_corpus(tmp_path)
    assert [(one.path, one.where) for one in corpus.skipped_rows] == [(file, "line 4")]
    assert len(corpus.captions) == 54
    assert corpus.captions[-11] == "test image 0 sentence 4"


def test_a_method_that_reads_scene_graphs_is_refused(tmp_path: Path) -> None:
    put_precomp(tmp_path / "precomp")
    config = RunConfig.model_validate({"method": "racg", "images": {"mirror": False}})
    with pytest.raises(CrossgraphError, match="nobody knows where in a picture they are"):
        train(tmp_path / "precomp", out=tmp_path / "run", config=config, cache=FeatureCache(tmp_path / "cache"))
