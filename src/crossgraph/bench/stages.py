"""Two-stage evaluation beside scoring every pair, for a method with the weights it starts with."""

from __future__ import annotations

from crossgraph.bench.items import drawn_images, drawn_method, drawn_texts
from crossgraph.bench.timing import Machine, Outcome, by_turns
from crossgraph.evaluation.ranking import score_corpus, scoring
from crossgraph.evaluation.two_stage import two_stage

METHODS = ("kidrr", "racg", "sgfns")


def run(*, images: int = 1000, captions: int = 5000, k: int = 100, repeats: int = 1) -> Outcome:
    """Seconds of both, with the settings that methods have by themselves; every pair is scored for some pictures only.

    Exhaustive scores cost the same for every picture, so a thirtieth of the pictures is scored with all captions.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    pictures, texts = drawn_images(images, generator), drawn_texts(captions, generator)
    rows, notes, few = [], [], max(1, images // 30)
    for name in METHODS:
        method = drawn_method(name, **({"negatives": "none"} if name == "sgfns" else {}))
        with scoring(method):
            left, right = method.encode_images(pictures), method.encode_texts(texts)
        first = left.embedding @ right.embedding.T
        times = by_turns(
            {
                "exhaustive": lambda: score_corpus(method, left[:few], right),
                "two stages": lambda: two_stage(method, left, right, shortlist_scores=first, k=k),
            },
            repeats=repeats,
        )
        whole, short = times["exhaustive"].seconds * images / few, times["two stages"].seconds
        rows.append({"method": name, "exhaustive_seconds": whole, "two_stage_seconds": short, "share": short / whole})
    return Outcome("two-stage", Machine.now(), rows, notes)
