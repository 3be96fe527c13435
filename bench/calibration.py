"""How a calibrated model's verdicts do in galleries of several kinds, on pictures that it was not calibrated with.

    python bench/calibration.py MODEL --data DATA --split val [--others DATA2 --others-split val]

For each kind of gallery: of the queries whose picture is there, how many are told "nothing good found", and of the
same queries with their picture taken out. Kinds: the tenth, the quarter and the half of the pictures least like the
query, and with `--others` the pictures of another corpus.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from crossgraph import verbs
from crossgraph.data.sources import open_corpus
from crossgraph.gallery.calibration.fit import MOST_QUERIES, half_pairs, halves
from crossgraph.gallery.calibration.pairs import EncodedCorpus, calibration_pairs, encode_corpus
from crossgraph.gallery.search.score_calibration import Calibration
from crossgraph.gallery.stages.model import SearchModel, Stages, encode_images_for_stages
from crossgraph.gallery.stages.modes import MODES
from crossgraph.types import stack_encoded


def joined(half: EncodedCorpus, others: Stages) -> EncodedCorpus:
    """`half` with other pictures behind its own."""
    images = half.images
    codes = None if images.codes is None or others.codes is None else np.concatenate([images.codes, others.codes])
    vectors = np.concatenate([images.vectors, others.vectors])
    both = Stages(vectors, stack_encoded([images.need_fine(), others.need_fine()]), codes)
    return EncodedCorpus(both, half.texts, half.caption_image, half.captions)


def main() -> None:
    """Print one line per kind of gallery and stage, Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--others")
    parser.add_argument("--others-split", default="val")
    parser.add_argument("--shares", type=float, nargs="*", default=[0.1, 0.25, 0.5])
    options = parser.parse_args()
    model: SearchModel = verbs.load_search_model(options.model)
    cache = verbs.default_cache()
    _, held_out = halves(encode_corpus(model, open_corpus(options.data).split(options.split)))
    kinds = {f"{share:g} least like": half_pairs(model, held_out, cache=cache, share=share) for share in options.shares}
    if options.others:
        others, _, _ = encode_images_for_stages(
            model, open_corpus(options.others).split(options.others_split).image_paths
        )
        order = np.random.default_rng(0).permutation(len(held_out.captions))
        queries = np.sort(order[:MOST_QUERIES]).tolist()
        inside = np.arange(len(held_out) + len(others.vectors)) >= len(held_out)
        unlike = np.tile(inside[:, None], len(queries))
        together = joined(held_out, others)
        kinds[options.others] = calibration_pairs(
            model, together, queries, unlike, shortlist=MODES["best"].shortlist or 0
        )
    print("| gallery | stage | queries | nothing, picture there | nothing, picture removed |")
    print("| --- | --- | ---: | ---: | ---: |")
    for kind, pairs in kinds.items():
        for stage, found in pairs.items():
            fitted = Calibration.model_validate(model.calibration[stage])
            nothing = fitted.probability(found.signs) < fitted.nothing_below
            there, removed = (100 * float(nothing[which].float().mean()) for which in (found.good, ~found.good))
            print(f"| {kind} | {stage} | {int(found.good.sum()):,} | {there:.1f}% | {removed:.1f}% |", flush=True)


if __name__ == "__main__":
    main()
