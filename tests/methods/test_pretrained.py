"""The method that compares whole vectors as a pretrained model gave them."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from crossgraph.errors import ConfigError, ModelError
from crossgraph.methods.catalogue import build_method
from crossgraph.methods.contract import InputSizes
from tests.methods.synthetic_items import draw_captions, small_method, text_batch

SIZES = InputSizes(part_width=3, whole_width=4, state_width=2, text_whole_width=4)


def taken(images: str = "one", texts: str = "other", **settings: float) -> Any:
    method: Any = build_method("pretrained", settings, SIZES)
    method.take(images, texts, (20.0, -10.0))
    return method


def test_settings_are_stronger_than_the_models_own_logits() -> None:
    assert taken().logits_of(torch.tensor([0.5])).tolist() == [0.0]
    assert taken(scale=100.0).logits.tolist() == [100, -10]
    assert taken(bias=0.0).logits.tolist() == [20, 0]


def test_the_two_towers_are_part_of_what_is_saved() -> None:
    one, again, other, swapped = taken(), taken(), taken("third"), taken("other", "one")
    assert torch.equal(one.towers, again.towers)
    assert not torch.equal(one.towers, other.towers)
    assert not torch.equal(one.towers, swapped.towers)


def test_spaces_of_unlike_width_are_refused() -> None:
    with pytest.raises(ConfigError, match="4 numbers, texts 5"):
        build_method("pretrained", {}, SIZES.model_copy(update={"text_whole_width": 5}))


def test_texts_without_a_whole_vector_are_refused() -> None:
    method = small_method("pretrained")
    with pytest.raises(ModelError, match="whole vectors"):
        method.encode_texts(replace(text_batch(draw_captions(2)), whole=None))
