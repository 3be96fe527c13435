"""rSum of each run's own embedding, every pair scored, and of the sum of their cosines: what an ensemble alone brings.

python bench/sum_of_embeddings.py runs/flickr8k-dual-0 runs/flickr8k-dual-1 --data flickr8k --split val
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from crossgraph.data.sources import open_corpus
from crossgraph.evaluation.metrics import relevance, retrieval_metrics
from crossgraph.verbs import load_model


def main() -> None:
    """Print one line a run, and one for the sum."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("runs", nargs="+", type=Path)
    options.add_argument("--data", required=True)
    options.add_argument("--split", default="val")
    options.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to this file too")
    asked = options.parse_args()
    corpus = open_corpus(asked.data).split(asked.split)
    relevant = relevance(corpus.caption_image, len(corpus))
    total = torch.zeros(relevant.shape)
    alone = []
    for run in asked.runs:
        model = load_model(run)
        images = model.encode_image_files(corpus.image_paths).encoded.embedding
        cosines = images @ model.encode_raw_texts(corpus.captions).embedding.T
        alone.append(retrieval_metrics(cosines, relevant).rsum)
        print(f"{alone[-1]:6.1f}  {run}")
        total += cosines
    together = retrieval_metrics(total, relevant).rsum
    print(f"{together:6.1f}  sum of all")
    if asked.json is not None:
        asked.json.write_text(json.dumps({"alone": alone, "sum": together}), encoding="utf-8")


if __name__ == "__main__":
    main()
