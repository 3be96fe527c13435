"""What selects an epoch, and what it is measured on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from crossgraph.errors import ConfigError, DataError
from crossgraph.training.dataset import Dataset
from crossgraph.training.held_out import hold_out
from crossgraph.training.model import encode_images, encode_texts
from crossgraph.training.validation import Validation
from tests.training.fake_dataset import fake_corpus, fake_dataset, fake_trainer


def labelled_dataset() -> Dataset:
    """Six pictures of two labels, some with both."""
    dataset = fake_dataset([1, 2, 1, 3, 1, 2])
    labels = np.array([[1, 0], [1, 0], [0, 1], [1, 1], [0, 1], [1, 0]], dtype=np.bool_)
    return replace(dataset, corpus=replace(dataset.corpus, labels=labels, label_names=("a", "b")))


def test_a_slice_and_the_rest_are_the_corpus_and_the_seed_decides() -> None:
    corpus = fake_corpus([1] * 20)
    rest, held = hold_out(corpus, share=0.25, seed=3)
    assert (len(rest), len(held)) == (15, 5)
    assert {*rest.image_ids, *held.image_ids} == set(corpus.image_ids)
    assert held.image_ids == hold_out(corpus, share=0.25, seed=3)[1].image_ids
    assert held.image_ids != hold_out(corpus, share=0.25, seed=4)[1].image_ids


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_a_slice_that_leaves_nothing_to_compare_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="both parts need at least two"):
        hold_out(fake_corpus([1] * 20), share=share, seed=0)


def test_map_of_the_slice_equals_scikit_learn_with_own_pairs_left_out(tmp_path: Path) -> None:
    dataset, method = labelled_dataset(), fake_trainer(tmp_path).method
    measured = Validation(dataset, 3, None, device="cpu", by="map").measure(
        method, progress=fake_trainer(tmp_path).progress
    )
    corpus = dataset.corpus
    scores = encode_images(method, dataset.images).embedding @ encode_texts(method, dataset.texts).embedding.T
    labels, links = corpus.labels.astype(int), corpus.caption_image
    relevant, other = labels @ labels[links].T > 0, np.arange(6)[:, None] != links[None]
    there = [average_precision_score(relevant[i][other[i]], scores[i].numpy()[other[i]]) for i in range(6)]
    back = [
        average_precision_score(relevant[other[:, j], j], scores[other[:, j], j].numpy()) for j in range(len(links))
    ]
    assert measured.values["image_to_text_map"] == pytest.approx(np.mean(there))
    assert measured.values["text_to_image_map"] == pytest.approx(np.mean(back))
    assert measured.selects == measured.values["map"] == pytest.approx((np.mean(there) + np.mean(back)) / 2)


def test_map_without_labels_is_refused() -> None:
    with pytest.raises(DataError, match="needs labels, and corpus 'fake' has none"):
        Validation(fake_dataset(), 3, None, device="cpu", by="map")


def test_the_epoch_is_chosen_by_the_number_that_selects(tmp_path: Path) -> None:
    trainer = fake_trainer(tmp_path, epochs=4)
    trainer.validation = Validation(labelled_dataset(), 3, None, device="cpu", by="map")
    selected = trainer.train()
    assert set(selected) == {"epoch", "map", "image_to_text_map", "text_to_image_map"}
    assert trainer.position.best == selected["map"]
