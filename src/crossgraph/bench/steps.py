"""A training step of each method at batch 128, by part, and with its scores from loops over captions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast
from unittest.mock import patch

import torch
from jaxtyping import Float, Int
from torch import Tensor

from crossgraph.bench.items import SIZES, STATE_WIDTH, drawn_images, drawn_texts
from crossgraph.bench.timing import Machine, Outcome, Times, by_turns
from crossgraph.layers.attention import attend
from crossgraph.layers.node_matching import LateInteraction
from crossgraph.layers.similarity_vectors import sides_of
from crossgraph.methods.catalogue import build_method
from crossgraph.methods.contract import Method, TrainingSet
from crossgraph.methods.kidrr import Kidrr
from crossgraph.methods.racg import Racg
from crossgraph.methods.sgfns import Sgfns
from crossgraph.types import Batch, Encoded, NegativeCaptions

METHODS = ("dual_encoder", "kidrr", "racg", "sgfns", "scahn")
LABELS = 31
LOOPED = {"kidrr": "score_pairs", "racg": "cross_pairs", "sgfns": "score_pairs"}
"""Methods that score pairs while they train, and what scores one after the other."""


def run(*, batch: int = 128, repeats: int = 3, methods: Sequence[str] = METHODS) -> Outcome:
    """Milliseconds of the processor: encoding, the losses less that, the backward pass, the optimiser's step.

    Beside them the losses and their backward pass together, in turns with two loops over captions: of the pairs that
    are chosen (a caption with all its pictures), and of these and of the scores that the loss takes of the whole batch
    (a caption with all pictures). Encoders are the same in all.
    """
    rows = []
    for name in methods:
        method, step = _prepared(name, batch)
        parts = _parts(method, step, repeats=repeats)
        row: dict[str, object] = {"method": name, **{part: 1e3 * taken for part, taken in parts.items()}}
        row["step"] = 1e3 * sum(parts.values())
        if name in LOOPED:
            times = by_turns(_loops(method, step), repeats=max(1, repeats // 2))
            taken = {way: 1e3 * found.seconds for way, found in times.items()}
            row |= taken | {f"{way}/step": taken[way] / taken["in turns"] for way in taken if way != "in turns"}
        rows.append(row)
    return Outcome("steps", Machine.now(), rows)


def caption_by_caption(
    score_pairs: Callable[[Encoded, Encoded], Float[Tensor, " k"]],
    images: Encoded,
    texts: Encoded,
    rows: Int[Tensor, " k"],
    columns: Int[Tensor, " k"],
) -> Float[Tensor, " k"]:
    """The scores of picture rows[i] with caption columns[i] by a loop over captions: each with all its pictures."""
    order = columns.argsort(stable=True)
    counts = torch.unique_consecutive(columns[order], return_counts=True)[1]
    found = [
        score_pairs(images[rows[pairs]], texts[columns[pairs]].without_padding())
        for pairs in torch.split(order, counts.tolist())
    ]
    return torch.cat(found)[order.argsort()] if found else images.embedding.new_zeros(0)


def everywhere_by_caption(
    score_pairs: Callable[[Encoded, Encoded], Float[Tensor, " n"]], images: Encoded, texts: Encoded
) -> Float[Tensor, "n m"]:
    """The scores of all pictures with all captions by the same loop: each with all pictures, which are not copied."""
    columns = [torch.full((len(images),), column) for column in range(len(texts))]
    return torch.stack([score_pairs(images, texts[column].without_padding()) for column in columns], dim=1)


def _loops(method: Method, batch: Batch) -> dict[str, Callable[[], object]]:
    """The losses and their gradients as they are computed, and by loops over captions."""

    def step() -> None:
        method.zero_grad(set_to_none=True)
        losses = [loss for phase in method.phases() for loss in method.losses(batch.to("cpu"), phase).values()]
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]

    pairs = partial(caption_by_caption, getattr(method, LOOPED[method.name]))
    owner, everywhere = _of_the_batch(method)

    def chosen() -> None:
        with patch.object(method, "score_chosen", pairs):
            step()

    def all_scores() -> None:
        with patch.object(method, "score_chosen", pairs), patch.object(owner, "everywhere", everywhere):
            step()

    return {"in turns": step, "pairs by caption": chosen, "all by caption": all_scores}


def _of_the_batch(method: Method) -> tuple[object, Callable[..., Tensor]]:
    """What scores a whole batch, and the loop that its `everywhere` is to be."""
    if not isinstance(method, Kidrr):
        late: LateInteraction = method.base if isinstance(method, Sgfns) else cast(Racg, method).late
        return late, partial(everywhere_by_caption, late.pairs)
    anchor = method.anchor
    assert anchor is not None

    def looped(images: Encoded, texts: Encoded, *, sharpness: float) -> Tensor:
        def pairs(left: Encoded, right: Encoded) -> Tensor:
            regions, region_mask, words, word_mask = sides_of(left, right)
            seen, _ = attend(words, regions, word_mask, region_mask, sharpness=sharpness)
            scores: Tensor = anchor(left, right, words, seen)
            return scores

        return everywhere_by_caption(pairs, images, texts)

    return anchor, looped


def _prepared(name: str, size: int) -> tuple[Method, Batch]:
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    method = build_method(name, {}, SIZES.model_copy(update={"labels": LABELS, "label_width": STATE_WIDTH}))
    labels = torch.rand(size, LABELS, generator=generator) < 0.05
    labels[torch.arange(size), torch.arange(size) % LABELS] = True
    links = torch.arange(size)
    if method.reads_labels:
        names, vectors = tuple(map(str, range(LABELS))), torch.randn(LABELS, STATE_WIDTH, generator=generator)
        method.learn(TrainingSet(labels, names, vectors, ("words",) * size, links))
    edits = NegativeCaptions(drawn_texts(size, generator), links) if method.edits else None
    return method.train(), Batch(
        drawn_images(size, generator),
        drawn_texts(size, generator),
        links,
        labels=labels,
        rows=links,
        negative_captions=edits,
    )


def _parts(method: Method, batch: Batch, *, repeats: int) -> dict[str, float]:
    """Seconds of the processor of each part, medians."""
    optimisers = {
        phase: torch.optim.AdamW([{"params": group.parameters} for group in method.groups(phase)], lr=1e-4)
        for phase in method.phases()
    }
    losses: dict[str, Tensor] = {}

    def scored() -> None:
        fresh = batch.to("cpu")
        for phase in optimisers:
            losses[phase] = torch.stack(list(method.losses(fresh, phase).values())).sum()

    def backward() -> None:
        method.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward(retain_graph=True)  # type: ignore[no-untyped-call]

    def encoded() -> None:
        method.encode_images(batch.images)
        method.encode_texts(batch.texts)

    def stepped() -> None:
        for optimiser in optimisers.values():
            optimiser.step()

    ways = {"encoding": encoded, "losses": scored, "backward": backward, "optimiser": stepped}
    found: dict[str, Times] = by_turns(ways, repeats=repeats)
    seconds = {name: times.seconds for name, times in found.items()}
    return {**seconds, "losses": max(0.0, seconds["losses"] - seconds["encoding"])}
