"""A small network that is taught to give word states as a frozen text model gives them of another language.

pieces -> embedding -+-> bidirectional GRU -> linear -+-> mean over each word's pieces -> states
                     +-> linear ----------------------+
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from crossgraph.encoders.pieces import Pieces
from crossgraph.layers.dropout import Dropout


class StudentConfig(BaseModel):
    """Sizes of a student: `pieces` of words that it knows, and channels of embeddings, of the GRU and of states."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pieces: int = Field(gt=0)
    state_width: int = Field(gt=0)
    width: int = Field(192, gt=0)
    gru_width: int = Field(256, gt=0)


@dataclass(frozen=True)
class PieceBatch:
    """Pieces of `m` sentences, padded to the longest: their ids, the position of each one's word, and which are real.

    `words` is how many words the longest sentence has.
    """

    ids: Int[Tensor, "m t"]
    word: Int[Tensor, "m t"]
    mask: Bool[Tensor, "m t"]
    words: int

    @classmethod
    def of(cls, sentences: Sequence[Pieces]) -> PieceBatch:
        """The sentences, padded."""
        longest = max(len(sentence.ids) for sentence in sentences)
        ids, word = (torch.zeros(len(sentences), longest, dtype=torch.long) for _ in range(2))
        mask = torch.zeros(len(sentences), longest, dtype=torch.bool)
        for row, sentence in enumerate(sentences):
            count = len(sentence.ids)
            ids[row, :count] = torch.tensor(sentence.ids)
            word[row, :count] = torch.tensor(sentence.word)
            mask[row, :count] = True
        return cls(ids, word, mask, max(len(sentence.words) for sentence in sentences))

    def to(self, device: torch.device | str) -> PieceBatch:
        """The same pieces on `device`."""
        return PieceBatch(self.ids.to(device), self.word.to(device), self.mask.to(device), self.words)


class Student(nn.Module):
    """Pieces to word states; no row depends on padding or on other rows."""

    def __init__(self, config: StudentConfig, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.pieces, config.width)
        self.dropout, self.inner_dropout = Dropout(dropout), Dropout(dropout)
        self.gru = nn.GRU(config.width, config.gru_width, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * config.gru_width, config.state_width)
        self.shortcut = nn.Linear(config.width, config.state_width, bias=False)

    def forward(self, batch: PieceBatch) -> tuple[Float[Tensor, "m p d"], Bool[Tensor, "m p"]]:
        """A state for each word, zero where a sentence has none, and which are real."""
        embedded = self.dropout(self.embedding(batch.ids))
        lengths = batch.mask.sum(dim=1).cpu()
        packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        context, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=batch.mask.shape[1])
        pieces = self.out(self.inner_dropout(context)) + self.shortcut(embedded)
        return mean_of_words(pieces, batch)


def mean_of_words(
    pieces: Float[Tensor, "m t d"], batch: PieceBatch
) -> tuple[Float[Tensor, "m p d"], Bool[Tensor, "m p"]]:
    """The mean of each word's pieces, zero where a sentence has no such word; and which words are real."""
    belongs = (batch.word[:, None, :] == torch.arange(batch.words, device=batch.word.device)[None, :, None]) & (
        batch.mask[:, None, :]
    )
    counts = belongs.sum(dim=2, keepdim=True)
    states: Tensor = belongs.to(pieces.dtype) @ pieces / counts.clamp(min=1)
    return states, counts[..., 0] > 0
