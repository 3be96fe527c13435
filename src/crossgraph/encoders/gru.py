"""The trainable text side: a bidirectional GRU over word embeddings or frozen word states."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from crossgraph.encoders.widths import TextWidths
from crossgraph.errors import ConfigError, ModelError
from crossgraph.layers.dropout import Dropout
from crossgraph.types import TextBatch
from crossgraph.words import PADDING


@runtime_checkable
class WordSettings(Protocol):
    """The settings of a method that its word encoder has to know."""

    @property
    def width(self) -> int: ...

    @property
    def word_width(self) -> int: ...

    @property
    def gru_width(self) -> int: ...

    @property
    def dropout(self) -> float: ...


class WordEncoder(nn.Module):
    """Words in context: a GRU in each direction, averaged *(Lee et al. 2018, SCAN)*.

    It reads ids if `vocabulary` (the number of ids) is given, frozen states if `state_width` is; one of the two.
    A linear map of the inputs is added to the GRU's output, which keeps what frozen states already know. `gru_width` is
    the GRU's own width where it differs from the output's; 0 leaves the GRU out, which serves frozen states that are in
    context already.
    """

    def __init__(
        self,
        width: int,
        *,
        vocabulary: int = 0,
        state_width: int = 0,
        word_width: int = 300,
        dropout: float = 0.0,
        gru_width: int | None = None,
    ) -> None:
        super().__init__()
        if (vocabulary > 0) == (state_width > 0):
            raise ConfigError(
                f"a word encoder reads either ids or states: give vocabulary or state_width, got {vocabulary} "
                f"and {state_width}."
            )
        self.width = width
        self.embedding = nn.Embedding(vocabulary, word_width, padding_idx=PADDING) if vocabulary else None
        self.norm = nn.LayerNorm(state_width) if state_width else None
        self.dropout = Dropout(dropout)
        inner = width if gru_width is None else gru_width
        recurrent = inner > 0
        self.narrow = nn.Linear(state_width, word_width) if state_width and recurrent else nn.Identity()
        self.gru = nn.GRU(word_width, inner, batch_first=True, bidirectional=True) if recurrent else None
        self.widen = nn.Linear(inner, width) if recurrent and inner != width else nn.Identity()
        self.shortcut = nn.Linear(state_width or word_width, width)

    @classmethod
    def of(cls, settings: WordSettings, sizes: TextWidths) -> WordEncoder:
        """The encoder that a method's settings ask for."""
        return cls(
            settings.width,
            vocabulary=sizes.vocabulary,
            state_width=sizes.state_width,
            word_width=settings.word_width,
            dropout=settings.dropout,
            gru_width=settings.gru_width,
        )

    def forward(self, texts: TextBatch) -> Float[Tensor, "m p d"]:
        """One vector per word; zero at padded positions, and no row depends on padding or on other rows."""
        words = self.dropout(self._words(texts))
        states: Tensor = self.shortcut(words)
        if self.gru is not None:
            states = states + self._in_context(words, texts.mask, self.gru)
        return states.masked_fill(~texts.mask[:, :, None], 0.0)

    def _in_context(
        self, words: Float[Tensor, "m p e"], mask: Bool[Tensor, "m p"], gru: nn.GRU
    ) -> Float[Tensor, "m p d"]:
        """What the GRU makes of the words: both directions averaged."""
        lengths = mask.sum(dim=1).clamp(min=1).cpu()
        packed = pack_padded_sequence(self.narrow(words), lengths, batch_first=True, enforce_sorted=False)
        both, _ = pad_packed_sequence(gru(packed)[0], batch_first=True, total_length=mask.shape[1])
        forward, backward = torch.chunk(both, 2, dim=2)
        context: Tensor = self.widen((forward + backward) / 2)
        return context

    def _words(self, texts: TextBatch) -> Float[Tensor, "m p e"]:
        if self.embedding is not None and texts.ids is not None:
            embedded: Tensor = self.embedding(texts.ids)
            return embedded
        if self.norm is not None and texts.states is not None:
            normed: Tensor = self.norm(texts.states)
            return normed
        wanted = "ids" if self.embedding is not None else "states"
        raise ModelError(f"this word encoder reads {wanted}, which the texts lack; encode them as in training.")
