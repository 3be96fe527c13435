"""How often a re-ranker prefers the true picture to its twin, by which of the five captions tells them apart.

python bench/twins_by_caption.py ablations/racg/runs/full-1 --data scenes:1200 --split val
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from crossgraph.data.sources import open_corpus
from crossgraph.verbs import load_model

CAPTIONS = ("list", "count", "relation", "place in the picture", "one thing in detail")
"""What each caption of a drawn scene is about, in order (`describe_scene`)."""


@torch.inference_mode()
def main() -> None:
    """Print one line a run and kind of caption."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("runs", nargs="+", type=Path)
    options.add_argument("--data", default="scenes:1200")
    options.add_argument("--split", default="val")
    asked = options.parse_args()
    corpus = open_corpus(asked.data).split(asked.split)
    assert corpus.twin_group is not None
    assert corpus.telling is not None
    groups, siblings = corpus.twin_group.tolist(), corpus.captions_of_images()
    for run in asked.runs:
        model = load_model(run)
        images = model.encode_image_files(corpus.image_paths).encoded
        texts = model.encode_raw_texts(corpus.captions)
        won: dict[int, list[bool]] = {}
        for image, captions in enumerate(siblings):
            twins = [other for other, group in enumerate(groups) if group == groups[image] >= 0 and other != image]
            for kind, caption in enumerate(captions):
                if twins and corpus.telling[caption]:
                    true, twin = model.method.score_pairs(images[[image, twins[0]]], texts[[caption, caption]])
                    won.setdefault(kind, []).append(bool(true > twin))
        for kind, found in sorted(won.items()):
            print(f"{100 * sum(found) / len(found):5.1f} of {len(found):3}  {CAPTIONS[kind]:22} {run}")


if __name__ == "__main__":
    main()
