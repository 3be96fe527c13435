"""The layers of a sentence encoder that are trained, and what is cached below them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from crossgraph.data.feature_cache import FeatureCache
from crossgraph.data.features.text_features import extract_text_features
from crossgraph.encoders.catalogue import build_text_encoder
from crossgraph.encoders.fingerprint import encoder_fingerprint
from crossgraph.encoders.transformer_text import TransformerTextEncoder
from crossgraph.encoders.tuned_text import InnerStateEncoder, TextBackbone
from crossgraph.errors import ConfigError, ModelError

SENTENCES = ["Two dogs run through snow", "a", "", "the skateboarder's t-shirt, Ünïcödé 3.50!", "!!", "dog " * 60]


@pytest.fixture(scope="module")
def minilm() -> TransformerTextEncoder:
    encoder = build_text_encoder({"kind": "transformer", "name": "minilm", "max_words": 30})
    assert isinstance(encoder, TransformerTextEncoder)
    return encoder


@pytest.mark.parametrize("layer", [0, 4, 5])
def test_cached_states_through_the_upper_layers_are_those_of_the_whole_network(
    layer: int, minilm: TransformerTextEncoder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    captions = [*SENTENCES, *(f"a dog and {number} cats" for number in range(70))]  # more than are kept in memory
    inner = InnerStateEncoder(minilm, TextBackbone(minilm, from_layer=layer))
    cache = FeatureCache(tmp_path_factory.mktemp("cache"))
    whole = extract_text_features(captions, minilm, cache)
    for _ in range(2):  # computed, then read
        table = extract_text_features(captions, inner, cache)
        for rows in ([*range(len(captions))], [3, 5, 1, 3], [1]):
            found, expected = table.rows(rows), whole.rows(rows)
            assert found.words == expected.words
            assert torch.equal(found.mask, expected.mask)
            assert found.whole is not None
            assert found.states is not None
            torch.testing.assert_close(found.states[found.mask], expected.states[expected.mask], atol=1e-2, rtol=1e-2)
            torch.testing.assert_close(found.whole, expected.whole, atol=1e-2, rtol=1e-2)


def test_gradients_reach_every_layer_that_is_trained_and_nothing_below(minilm: TransformerTextEncoder) -> None:
    upper = TextBackbone(minilm, from_layer=4)
    table = extract_text_features(SENTENCES, InnerStateEncoder(minilm, upper), FeatureCache.__new__(FeatureCache))
    states = table.rows(range(len(SENTENCES))).states
    assert states is not None
    states.square().sum().backward()
    assert [len(layer) for layer in upper.layers()] == [16, 16]
    for name, parameter in upper.named_parameters():
        assert parameter.grad is not None, name
        # every key gets the same from a bias of the keys, which softmax does not hear
        assert parameter.grad.abs().max() > 0 or name.endswith("key.bias"), name
    assert not any(value.requires_grad for value in minilm.network.state_dict().values())
    top = {id(parameter) for name, parameter in upper.named_parameters() if ".layer.5." in name}
    assert {id(parameter) for parameter in upper.layers()[0]} == top


def test_an_encoder_with_trained_layers_is_another_one_and_without_changes_the_same(
    minilm: TransformerTextEncoder,
) -> None:
    description = {"kind": "transformer", "name": "minilm", "max_words": 30}
    upper = TextBackbone(minilm, from_layer=5)
    assert build_text_encoder(description, tuned=upper.state_dict()).fingerprint == minilm.fingerprint
    with torch.no_grad():
        upper.layers()[0][0].add_(0.1)
    other = build_text_encoder(description, tuned=upper.state_dict())
    assert other.fingerprint != minilm.fingerprint
    before, after = (encoder.encode(["two dogs"])[0].states for encoder in (minilm, other))
    assert before is not None
    assert after is not None
    assert not np.array_equal(before, after)
    with pytest.raises(ModelError, match="another network"):
        build_text_encoder(description, tuned={"encoder.layer.9.output.dense.bias": torch.zeros(384)})
    with pytest.raises(ModelError, match="is not the one described"):
        build_text_encoder({**description, "fingerprint": minilm.fingerprint}, tuned=upper.state_dict())


def test_what_is_cached_is_known_by_the_encoder_and_the_layer(minilm: TransformerTextEncoder) -> None:
    prints = {InnerStateEncoder(minilm, TextBackbone(minilm, from_layer=layer)).fingerprint for layer in (3, 4)}
    assert len(prints) == 2
    assert encoder_fingerprint("inner states", {"of": minilm.fingerprint, "layer": 4}) in prints


def test_what_cannot_be_trained_is_refused(minilm: TransformerTextEncoder) -> None:
    with pytest.raises(ConfigError, match="layers 0 to 5"):
        TextBackbone(minilm, from_layer=6)
    with pytest.raises(ConfigError, match="no plain BERT"):
        TextBackbone(build_text_encoder({"kind": "vocabulary", "words": ["dog"]}), from_layer=0)
