"""The trainable word encoder."""

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from crossgraph.encoders.gru import WordEncoder
from crossgraph.errors import ConfigError, ModelError
from crossgraph.types import TextBatch


def id_texts(rows: list[list[int]], *, padded: int) -> TextBatch:
    ids = torch.zeros(len(rows), padded, dtype=torch.long)
    for row, values in enumerate(rows):
        ids[row, : len(values)] = torch.tensor(values)
    return TextBatch(ids > 0, tuple(tuple(f"w{value}" for value in values) for values in rows), ids=ids)


def state_texts(lengths: list[int], *, width: int = 6, seed: int = 0) -> TextBatch:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    states = torch.randn(len(lengths), max(lengths), width, generator=generator)
    return TextBatch(mask, tuple(("w",) * length for length in lengths), states=states)


def test_padding_and_companions_change_nothing_and_padded_positions_are_zero() -> None:
    encoder = WordEncoder(5, vocabulary=9, word_width=4).eval()
    narrow = encoder(id_texts([[2, 3, 4]], padded=3))
    wide = encoder(id_texts([[5, 6, 7, 8, 2], [2, 3, 4]], padded=7))
    torch.testing.assert_close(wide[1, :3], narrow[0])
    assert wide.shape == (2, 7, 5)
    assert (wide[1, 3:] == 0).all()
    assert (wide[0, 5:] == 0).all()


def test_what_stands_in_padded_states_does_not_matter() -> None:
    encoder = WordEncoder(5, state_width=6, word_width=4).eval()
    texts = state_texts([2, 4])
    assert texts.states is not None
    littered = TextBatch(texts.mask, texts.words, states=texts.states.masked_fill(~texts.mask[..., None], 99.0))
    torch.testing.assert_close(encoder(littered), encoder(texts))


def test_the_output_is_the_mean_of_one_gru_each_way() -> None:
    encoder = WordEncoder(3, state_width=6, word_width=4).eval()
    texts = state_texts([4])
    assert texts.states is not None
    assert encoder.shortcut is not None
    normed = F.layer_norm(texts.states[0], (6,))
    words = encoder.narrow(normed)
    parameters = dict(encoder.gru.named_parameters())

    def one_way(sequence: torch.Tensor, suffix: str) -> torch.Tensor:
        state, seen = torch.zeros(3), []
        for word in sequence:
            gates = F.linear(word, parameters[f"weight_ih_l0{suffix}"], parameters[f"bias_ih_l0{suffix}"]).chunk(3)
            back = F.linear(state, parameters[f"weight_hh_l0{suffix}"], parameters[f"bias_hh_l0{suffix}"]).chunk(3)
            reset, update = torch.sigmoid(gates[0] + back[0]), torch.sigmoid(gates[1] + back[1])
            state = (1 - update) * torch.tanh(gates[2] + reset * back[2]) + update * state
            seen.append(state)
        return torch.stack(seen)

    expected = (one_way(words, "") + one_way(words.flip(0), "_reverse").flip(0)) / 2 + encoder.shortcut(normed)
    torch.testing.assert_close(encoder(texts)[0], expected)


def test_every_parameter_gets_a_finite_gradient() -> None:
    for encoder, texts in (
        (WordEncoder(5, vocabulary=9, word_width=4), id_texts([[2, 3], [4]], padded=2)),
        (WordEncoder(5, state_width=6, word_width=4), state_texts([2, 1])),
    ):
        encoder(texts).pow(2).sum().backward()
        for name, parameter in encoder.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all()
            assert parameter.grad.abs().sum() > 0, name


def test_dropout_acts_in_training_only() -> None:
    encoder = WordEncoder(5, state_width=6, dropout=0.5)
    texts = state_texts([3])
    torch.manual_seed(0)
    assert not torch.equal(encoder(texts), encoder(texts))
    encoder.eval()
    assert torch.equal(encoder(texts), encoder(texts))


@pytest.mark.parametrize("sizes", [{}, {"vocabulary": 5, "state_width": 6}])
def test_ids_and_states_exclude_each_other(sizes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="either ids or states"):
        WordEncoder(4, **sizes)


def test_texts_of_the_other_kind_are_refused() -> None:
    with pytest.raises(ModelError, match="reads ids"):
        WordEncoder(4, vocabulary=5)(state_texts([2]))
    with pytest.raises(ModelError, match="reads states"):
        WordEncoder(4, state_width=6)(id_texts([[2]], padded=1))
