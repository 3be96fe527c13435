"""Scores of every picture with every caption, computed block by block within a memory budget.

The blocks come from the method's own `score`; `score(a, b)[i, j]` depends on row i and column j only, so blocks put
together equal the whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import isqrt

import torch
from jaxtyping import Float, Int
from torch import Tensor

from crossgraph.errors import ScoreError
from crossgraph.methods.by_image import TEXTS, ByImage
from crossgraph.methods.contract import Method
from crossgraph.progress import Progress, Silent
from crossgraph.types import Encoded

WORKING_COPIES = 4
"""How many arrays of a pair's size a fine-grained score holds at once: gathered, attended, compared, squared."""

ROWS = 32
"""Pictures a block holds of a method that scores picture by picture."""


def score_corpus(
    method: Method,
    images: Encoded,
    texts: Encoded,
    *,
    budget_bytes: int = 256 * 2**20,
    block_pairs: int | None = None,
    progress: Progress = Silent(),
) -> Float[Tensor, "n m"]:
    """The method's score of all pictures with all captions.

    A block holds `block_pairs` pairs, or as many as `budget_bytes` allows by an estimate from the sizes of the
    parts. Captions are scored in order of length, so that short ones do not carry the padding of long ones. The
    method works in evaluation mode, without gradients, on the device of the encodings. Raises `ScoreError` if a
    score is not finite.
    """
    n, m = len(images), len(texts)
    pairs = block_pairs or max(1, budget_bytes // pair_bytes(images, texts))
    columns = max(1, min(m, isqrt(pairs)))
    if isinstance(method, ByImage) and method.by_image and not block_pairs:
        columns, pairs = min(m, TEXTS), ROWS * TEXTS  # keeps to small blocks itself, and holds captions ready
    rows = max(1, min(n, pairs // columns))
    by_length = texts.lengths().argsort(stable=True)
    dtype = torch.promote_types(images.embedding.dtype, torch.float32)
    scores = torch.empty(n, m, dtype=dtype, device=images.embedding.device)
    with scoring(method), progress.task("scoring pairs", n * m) as task:
        for captions in torch.split(by_length, columns):
            some_texts = texts[captions].without_padding()
            for start in range(0, n, rows):
                block = method.score(images[start : start + rows], some_texts)
                scores[start : start + rows, captions] = block.to(dtype)
                task.advance(block.numel())
    refuse_non_finite(scores)
    return scores


def score_matched(
    method: Method,
    images: Encoded,
    texts: Encoded,
    rows: Int[Tensor, " m"],
    *,
    budget_bytes: int = 64 * 2**20,
    progress: Progress = Silent(),
) -> Float[Tensor, " m"]:
    """The method's score of every caption with one picture, the one at its row. Raises `ScoreError` as above."""
    m = len(texts)
    block_pairs = max(1, budget_bytes // pair_bytes(images, texts))
    scores = torch.empty(m, dtype=torch.float32, device=images.embedding.device)
    rows = rows.to(scores.device)
    with scoring(method), progress.task("scoring pairs", m) as task:
        for captions in torch.split(texts.lengths().argsort(stable=True), block_pairs):
            found = method.score_pairs(images[rows[captions]], texts[captions].without_padding())
            scores[captions] = found.float()
            task.advance(len(captions))
    refuse_non_finite(scores[None])
    return scores


def pair_bytes(images: Encoded, texts: Encoded) -> int:
    """An estimate of the memory one pair takes while it is scored."""
    if images.parts is None or texts.parts is None:
        elements = images.embedding.shape[1] + texts.embedding.shape[1]
    else:
        regions, words = images.parts.shape[1], texts.parts.shape[1]
        elements = regions * images.parts.shape[2] + words * texts.parts.shape[2] + regions * words
    return WORKING_COPIES * elements * images.embedding.element_size()


@contextmanager
def scoring(method: Method) -> Iterator[None]:
    """Put `method` into evaluation mode without gradients, and every module of it back as it was afterwards."""
    modes = [(module, module.training) for module in method.modules()]
    method.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def row_blocks(matrix: Tensor, *, elements: int = 2**22) -> Iterator[slice]:
    """Runs of rows that hold about `elements` numbers, so that temporary arrays stay small."""
    rows = max(1, elements // max(1, matrix.shape[1]))
    for start in range(0, matrix.shape[0], rows):
        yield slice(start, start + rows)


def refuse_non_finite(scores: Float[Tensor, "n m"]) -> None:
    """Raise `ScoreError`, saying how many scores are nan or infinite and where the first is, if any are."""
    count, first = 0, None
    for rows in row_blocks(scores):
        bad = ~scores[rows].isfinite()
        if found := int(bad.sum()):
            count += found
            row, column = bad.nonzero()[0].tolist()
            first = first or (rows.start + row, column)
    if first:
        raise ScoreError(
            f"{count:,} of {scores.numel():,} scores are not finite and cannot be ranked; the first is "
            f"{float(scores[first])} for image {first[0]} and caption {first[1]} (row and column, from 0). "
            "Look for a diverged training or damaged features."
        )
