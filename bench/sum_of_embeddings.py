"""rSum of each run's own embedding, every pair scored, and of the sum of their cosines: what an ensemble alone brings.

python bench/sum_of_embeddings.py runs/flickr8k-dual-0 runs/flickr8k-dual-1 --data flickr8k --split val
"""

from __future__ import annotations

import argparse
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
    asked = options.parse_args()
    corpus = open_corpus(asked.data).split(asked.split)
    relevant = relevance(corpus.caption_image, len(corpus))
    total = torch.zeros(relevant.shape)
    for run in asked.runs:
        model = load_model(run)
        images = model.encode_image_files(corpus.image_paths).encoded.embedding
        cosines = images @ model.encode_raw_texts(corpus.captions).embedding.T
        print(f"{retrieval_metrics(cosines, relevant).rsum:6.1f}  {run}")
        total += cosines
    print(f"{retrieval_metrics(total, relevant).rsum:6.1f}  sum of all")


if __name__ == "__main__":
    main()
