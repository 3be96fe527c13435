"""The trainable text side: a bidirectional GRU over word embeddings or frozen word states."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from crossgraph.data.text import PADDING
from crossgraph.errors import ConfigError, ModelError
from crossgraph.types import TextBatch


class WordEncoder(nn.Module):
    """Words in context: a GRU in each direction, averaged *(Lee et al. 2018, SCAN)*.

    It reads ids if `vocabulary` (the number of ids) is given, frozen states if `state_width` is; one of the two.
    `residual` adds a linear map of the inputs to the GRU's output, which keeps what frozen states already know.
    """

    def __init__(
        self,
        width: int,
        *,
        vocabulary: int = 0,
        state_width: int = 0,
        word_width: int = 300,
        dropout: float = 0.0,
        residual: bool = False,
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
        self.narrow = nn.Linear(state_width, word_width) if state_width else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.gru = nn.GRU(word_width, width, batch_first=True, bidirectional=True)
        self.shortcut = nn.Linear(state_width or word_width, width) if residual else None

    def forward(self, texts: TextBatch) -> Float[Tensor, "m p d"]:
        """One vector per word; zero at padded positions, and no row depends on padding or on other rows."""
        words = self.dropout(self._words(texts))
        lengths = texts.mask.sum(dim=1).clamp(min=1).cpu()
        packed = pack_padded_sequence(self.narrow(words), lengths, batch_first=True, enforce_sorted=False)
        both, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=texts.mask.shape[1])
        forward, backward = torch.chunk(both, 2, dim=2)
        context: Tensor = (forward + backward) / 2
        if self.shortcut is not None:
            context = context + self.shortcut(words)
        return context.masked_fill(~texts.mask[:, :, None], 0.0)

    def _words(self, texts: TextBatch) -> Float[Tensor, "m p e"]:
        if self.embedding is not None and texts.ids is not None:
            embedded: Tensor = self.embedding(texts.ids)
            return embedded
        if self.norm is not None and texts.states is not None:
            normed: Tensor = self.norm(texts.states)
            return normed
        wanted = "ids" if self.embedding is not None else "states"
        raise ModelError(f"this word encoder reads {wanted}, which the texts lack; encode them as in training.")
