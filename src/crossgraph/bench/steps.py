"""A training step of each method at batch 128, by part, and with its pairs scored caption by caption."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from unittest.mock import patch

import torch
from jaxtyping import Float, Int
from torch import Tensor

from crossgraph.bench.items import SIZES, STATE_WIDTH, drawn_images, drawn_texts
from crossgraph.bench.timing import Machine, Outcome, Times, by_turns
from crossgraph.methods.catalogue import build_method
from crossgraph.methods.contract import Method, TrainingSet
from crossgraph.types import Batch, Encoded, NegativeCaptions

METHODS = ("dual_encoder", "kidrr", "racg", "sgfns", "scahn")
LABELS = 31
LOOPED = {"kidrr": "score_pairs", "racg": "cross_pairs", "sgfns": "score_pairs"}
"""Methods that score pairs while they train, and what scores one after the other."""


def run(*, batch: int = 128, repeats: int = 3, methods: Sequence[str] = METHODS) -> Outcome:
    """Milliseconds of the processor: encoding, the losses less that, the backward pass, the optimiser's step."""
    rows = []
    for name in methods:
        method, step = _prepared(name, batch)
        parts = _parts(method, step, repeats=repeats)
        row: dict[str, object] = {"method": name, **{part: 1e3 * taken for part, taken in parts.items()}}
        row["step"] = 1e3 * sum(parts.values())
        if name in LOOPED:
            with patch.object(method, "score_chosen", partial(caption_by_caption, getattr(method, LOOPED[name]))):
                looped = 1e3 * sum(_parts(method, step, repeats=1).values())
            row |= {"caption_by_caption": looped, "times": looped / (1e3 * sum(parts.values()))}
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
