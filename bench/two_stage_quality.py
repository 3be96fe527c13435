"""Two stages beside scoring every pair, of a trained run: seconds, and what of the recall is left.

    python bench/two_stage_quality.py RUN --data DATA [--split val] [--k 100] [--share 1.0] [--out FILE]

All pictures with all captions by the run's method, then the best `k` of every query by its shortlist. Both orders are
measured by the method's score alone and with the run's blend of the shortlist's score. With a share below 1 only so
many pictures, drawn at random, and their captions are taken, and as much shorter a shortlist.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch

from crossgraph.data.feature_cache import default_cache
from crossgraph.data.sources import open_corpus
from crossgraph.evaluation.metrics import retrieval_metrics
from crossgraph.evaluation.ranking import score_corpus
from crossgraph.evaluation.two_stage import TwoStageResult, two_stage_blends
from crossgraph.training.model import TrainedModel
from crossgraph.verbs.evaluating import shortlist_scores

Result = TypeVar("Result")


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """What it gives, and the processor's seconds."""
    began = time.process_time()
    return work(), time.process_time() - began


def compare(run: Path, data: str, *, split: str, k: int, share: float) -> dict[str, Any]:
    """Seconds of both ways, and rSum by both scores."""
    model = TrainedModel(run, cache=default_cache())
    corpus = model.split_of(open_corpus(data), split)
    if share < 1:
        some = torch.randperm(len(corpus), generator=torch.Generator().manual_seed(0))[: round(share * len(corpus))]
        corpus, k = corpus.take(some.sort().values.tolist()), round(share * k)
    images, texts = model.encode_corpus_images(corpus).encoded, model.encode_corpus_texts(corpus)
    first = shortlist_scores(model, corpus, images, texts)
    blends, owners = sorted({0.0, model.blend}), torch.tensor(corpus.caption_image)
    relevant = torch.arange(len(images))[:, None] == owners[None]

    def two() -> list[TwoStageResult]:
        return two_stage_blends(model.method, images, texts, shortlist_scores=first, k=k, blends=blends)

    short, short_seconds = timed(two)
    every, every_seconds = timed(lambda: score_corpus(model.method, images, texts))
    found: dict[str, Any] = {
        "method": model.method.name,
        "pictures": len(images),
        "captions": len(texts),
        "k": k,
        "share_of_pairs": short[0].scored_pairs / (len(images) * len(texts)),
        "every_seconds": every_seconds,
        "two_stage_seconds": short_seconds,
        "share_of_time": short_seconds / every_seconds,
        "load": os.getloadavg(),
    }
    for blend, ranked in zip(blends, short, strict=True):
        scores = every + blend * first
        whole = retrieval_metrics(scores, relevant)
        listed = retrieval_metrics(ranked.image_to_text, relevant, text_to_image=ranked.text_to_image)
        found[f"blend {blend:g}"] = {"every_rsum": whole.rsum, "two_stage_rsum": listed.rsum}
    return found


def main() -> None:
    """Compare and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("run", type=Path)
    options.add_argument("--data", required=True)
    options.add_argument("--split", default="val")
    options.add_argument("--k", type=int, default=100)
    options.add_argument("--share", type=float, default=1.0)
    options.add_argument("--out", type=Path)
    asked = options.parse_args()
    told = json.dumps(compare(asked.run, asked.data, split=asked.split, k=asked.k, share=asked.share), indent=1)
    print(told)
    if asked.out is not None:
        asked.out.write_text(told, encoding="utf-8")


if __name__ == "__main__":
    main()
