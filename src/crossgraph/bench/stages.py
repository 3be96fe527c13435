"""Two-stage evaluation beside scoring every pair, for a method with the weights it starts with."""

from __future__ import annotations

import torch

from crossgraph.bench.items import drawn_images, drawn_method, drawn_texts
from crossgraph.bench.timing import Machine, Outcome, by_turns
from crossgraph.evaluation.ranking import ROWS, score_corpus, scoring
from crossgraph.evaluation.two_stage import two_stage

METHODS = ("kidrr", "racg", "sgfns")


def run(*, images: int = 1000, captions: int = 5000, k: int = 100, repeats: int = 1) -> Outcome:
    """Seconds of both, with the settings that methods have by themselves.

    Exhaustive scores cost the same for every picture, so one block of pictures is scored with all captions.
    """
    rows = [_of_method(name, images, captions, k=k, repeats=repeats) for name in METHODS]
    return Outcome("two-stage", Machine.now(), rows, ["wanted: a share of at most 0.125"])


def _of_method(name: str, images: int, captions: int, *, k: int, repeats: int) -> dict[str, object]:
    generator = torch.Generator().manual_seed(0)
    method = drawn_method(name, **({"negatives": "none"} if name == "sgfns" else {}))
    with scoring(method):
        left = method.encode_images(drawn_images(images, generator))
        right = method.encode_texts(drawn_texts(captions, generator))
    few, first = min(images, ROWS), left.embedding @ right.embedding.T
    times = by_turns(
        {
            "exhaustive": lambda: score_corpus(method, left[:few], right),
            "two stages": lambda: two_stage(method, left, right, shortlist_scores=first, k=k),
        },
        repeats=repeats,
    )
    whole, short = times["exhaustive"].seconds * images / few, times["two stages"].seconds
    return {"method": name, "exhaustive_seconds": whole, "two_stage_seconds": short, "share": short / whole}
