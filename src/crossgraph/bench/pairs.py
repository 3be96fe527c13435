"""What a pair of a picture and a caption costs: published loops, each method pair by pair, and picture by picture.

Every way takes the shape it is best at: a loop over captions many pictures, scoring by picture many captions. Numbers
are of one pair; the differences are those of scores over the pairs that both ways have. Below ways in float32 stand
those in bfloat16: how much faster, how far scores move, and of how many pictures the best ten captions do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from crossgraph.bench.items import drawn_images, drawn_method, drawn_texts
from crossgraph.bench.peers import scan, sgraf
from crossgraph.bench.timing import Machine, Outcome, by_turns
from crossgraph.evaluation.pair_precision import Shift
from crossgraph.layers.late_attention import attended_cosines
from crossgraph.layers.similarity_vectors import sides_of
from crossgraph.methods.contract import Method
from crossgraph.methods.kidrr import Kidrr
from crossgraph.types import Encoded

SIZES = {"word_width": 384, "gru_width": 0, "dropout": 0.0}
AS_SGR: dict[str, object] = {"levels": ("global", "local"), "reasoning": "sgr", "anchor": False, "rounds": 0}
METHODS: dict[str, dict[str, object]] = {
    "KIDRR as SGR": AS_SGR,
    "KIDRR": {},
    "RACG": {},
    "SGFNS": {"negatives": "none"},
}
LATE = 32
"""Pictures that late interaction scores, with captions laid out once."""


@dataclass(frozen=True)
class Way:
    """One way to score: what it computes, for so many pairs, and the rows and columns that all ways have."""

    name: str
    compute: Callable[[], Tensor]
    pairs: int
    against: str = ""
    """The way whose scores must be the same."""
    instead_of: str = ""
    """The way in float32 whose scores are nearly the same."""


def run(
    *, images: int = 64, captions: int = 500, width: int = 1024, similarity_width: int = 256, repeats: int = 3
) -> Outcome:
    """The table of scoring."""
    few_images, few_captions = max(1, images // 8), max(1, captions // 16)
    generator = torch.Generator().manual_seed(0)
    pictures, texts = drawn_images(images, generator), drawn_texts(captions, generator)
    ways: list[Way] = []
    with torch.no_grad():
        for name, settings in METHODS.items():
            sizes = {**SIZES, "width": width}
            if "KIDRR" in name:
                sizes["similarity_width"] = similarity_width
            method = drawn_method(name.split()[0].lower(), **sizes, **settings)
            sides = method.encode_images(pictures), method.encode_texts(texts)
            if name == "KIDRR as SGR":
                assert isinstance(method, Kidrr)
                ways += _loops(method, *sides, few=few_captions)
            ways += _ours(name, method, *sides, few_images=few_images, few_captions=few_captions)
        times = by_turns({way.name: way.compute for way in ways}, repeats=repeats)
        machine, rows = Machine.now(), []
        found: dict[str, Tensor] = {}
        for way in ways:
            with FlopCounterMode(display=False) as counter:
                found[way.name] = way.compute()
            flops = counter.get_total_flops() / way.pairs
            facts = times[way.name].facts(way.pairs)
            share = flops / facts["microseconds"] / 1e3 / machine.matrix_gigaflops
            row = {"way": way.name, **facts, "megaflop": flops / 1e6, "of_the_matrix_rate": share}
            if way.against:
                one, other = found[way.name], found[way.against]
                both = tuple(slice(min(a, b)) for a, b in zip(one.shape, other.shape, strict=True))
                row["difference"] = float((one[both] - other[both]).abs().max())
            if way.instead_of:
                row |= _moved(found[way.name], found[way.instead_of])
                row["times_as_fast"] = times[way.instead_of].seconds / times[way.name].seconds
            rows.append(row)
    return Outcome("pairs", machine, rows, _ratios({row["way"]: row["microseconds"] for row in rows}))


def _loops(method: Kidrr, images: Encoded, texts: Encoded, *, few: int) -> list[Way]:
    """The published loops, SGR's with the method's own weights."""
    assert images.parts is not None
    assert texts.parts is not None
    assert texts.mask is not None
    regions, captions = images.parts, [texts.parts[row, : int(texts.lengths()[row])] for row in range(few)]

    def linear(module: torch.nn.Module) -> torch.nn.Linear:
        assert isinstance(module, torch.nn.Linear)
        return module

    reasoning, weigh = method.graph_reasoning, torch.nn.Linear(method.scorer.in_features, 1)
    assert reasoning is not None
    whole, word = (linear(method.similarities.maps[level]) for level in ("global", "local"))
    maps = sgraf.SimilarityMaps(whole, word, method.scorer)
    steps = sgraf.Reasoning(
        *([linear(one) for one in many] for many in (reasoning.query, reasoning.key, reasoning.update))
    )

    def loop(head: sgraf.Reasoning | sgraf.Filter) -> Tensor:
        return torch.tanh(sgraf.scores(regions, images.embedding, captions, texts.embedding[:few], maps, head))

    few_images = min(LATE, len(images))

    def late(texts: Encoded, images: Encoded) -> Tensor:
        regions, region_mask, words, word_mask = sides_of(images, texts)
        return attended_cosines(words, regions, word_mask, region_mask).sum(dim=2) / texts.lengths()

    pairs, late_pairs = len(images) * few, few_images * len(texts)
    pictures = images[:few_images]
    short_texts, short_pictures = texts.with_parts_in(torch.bfloat16), pictures.with_parts_in(torch.bfloat16)
    return [
        Way("SCAN's loop", lambda: scan.scores(regions, captions), pairs),
        Way("late interaction", lambda: late(texts, pictures), late_pairs, "SCAN's loop"),
        Way(
            "late interaction in bfloat16",
            lambda: late(short_texts, short_pictures),
            late_pairs,
            instead_of="late interaction",
        ),
        Way("SAF's loop", lambda: loop(sgraf.Filter(weigh)), pairs),
        Way("SGR's loop", lambda: loop(steps), pairs),
    ]


def _ours(
    name: str, method: Method, images: Encoded, texts: Encoded, *, few_images: int, few_captions: int
) -> list[Way]:
    """A method pair by pair, and picture by picture."""

    def pair_by_pair() -> Tensor:
        return Method.score(method, images[:2], texts[:few_captions])

    pairs, many = 2 * few_captions, few_images * len(texts)
    against = "SGR's loop" if name == "KIDRR as SGR" else f"{name}, pair by pair"
    few = images[:few_images]
    short_few, short_texts = (side.with_parts_in(torch.bfloat16) for side in (few, texts))
    return [
        Way(f"{name}, pair by pair", pair_by_pair, pairs),
        Way(name, lambda: method.score(few, texts), many, against),
        Way(f"{name} in bfloat16", lambda: method.score(short_few, short_texts), many, instead_of=name),
    ]


def _moved(scores: Tensor, exact: Tensor) -> dict[str, float]:
    """How far scores lie from exact ones, and what share of pictures sees another order among its best ten captions,
    and what share of these ten are others."""
    shift = Shift.between(scores, exact)
    best, others = (some.topk(min(10, some.shape[1]), dim=1).indices for some in (exact, scores))
    kept = (best[:, :, None] == others[:, None]).any(dim=2).float()
    return {
        "largest_error": shift.largest,
        "mean_error": shift.mean,
        "deviation": shift.deviation,
        "orders_of_10_changed": float((best != others).any(dim=1).float().mean()),
        "others_among_10": float(1 - kept.mean()),
    }


def _ratios(cost: dict[str, float]) -> list[str]:
    """What was asked for, and what came out."""
    wanted = [
        ("late interaction", "SCAN's loop", 8.0),
        ("KIDRR as SGR", "SGR's loop", 2.0),
        ("KIDRR", "KIDRR as SGR", 1 / 1.3),
        ("RACG", "KIDRR as SGR", 2.0),
        ("SGFNS", "KIDRR", 1.0),
    ]
    return [
        f"{one}: {cost[other] / cost[one]:.2f} times as fast as {other} (wanted {least:.2f})"
        for one, other, least in wanted
    ]
