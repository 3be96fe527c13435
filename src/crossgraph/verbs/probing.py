"""The compositional probe: does a model prefer a picture's caption to the same caption made false?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from crossgraph.data.corpus import Corpus
from crossgraph.data.graphs.caption_graphs import parse_captions
from crossgraph.data.sources import given_corpus
from crossgraph.errors import ConfigError
from crossgraph.evaluation.compositional_probe import ProbeResult, caption_editor, swap_accuracy
from crossgraph.evaluation.ranking import score_corpus, score_matched
from crossgraph.gallery.stages.cascade_model import CascadeModel
from crossgraph.graphs.caption_parser import CaptionParser
from crossgraph.progress import Progress, Silent
from crossgraph.training.model import TrainedModel
from crossgraph.types import Encoded
from crossgraph.verbs.evaluating import encode_corpus_images
from crossgraph.verbs.models import given_search_model, last_run


def probe(
    model: TrainedModel | CascadeModel | Path | str,
    data: Corpus | Path | str,
    *,
    split: str = "val",
    progress: Progress = Silent(),
    device: str = "cpu",
) -> ProbeResult:
    """How often a model scores a picture's caption above the same caption edited to be false, by kind of edit.

    Pairs are scored by the method of the last stage alone: no shortlist, no blend. Raises `MissingExtraError` without
    the caption parser.
    """
    model = last_run(given_search_model(model, device=device))
    corpus = model.split_of(given_corpus(data), split)
    if corpus.features is not None:
        raise ConfigError(f"corpus {corpus.name!r} has given features and no sentences that could be made false.")
    images, corpus = encode_corpus_images(model, corpus, progress=progress)
    graphs = parse_captions(corpus.captions, model.parser or CaptionParser(), model.cache, progress=progress)

    @lru_cache(maxsize=1)  # both kinds of scores are asked of the same sentences
    def encoded(sentences: tuple[str, ...]) -> Encoded:
        return model.encode_raw_texts(sentences, progress=progress)

    def read(sentences: Sequence[str]) -> tuple[Encoded, Tensor]:
        places = {sentence: place for place, sentence in enumerate(dict.fromkeys(sentences))}
        return encoded(tuple(places)), torch.tensor([places[sentence] for sentence in sentences])

    def score(rows: Sequence[int], sentences: Sequence[str]) -> torch.Tensor:
        texts, places = read(sentences)
        return score_matched(model.method, images, texts[places], torch.tensor(rows), progress=progress).cpu()

    def table(rows: Sequence[int], sentences: Sequence[str]) -> torch.Tensor:
        texts, places = read(sentences)
        return score_corpus(model.method, images[torch.tensor(rows)], texts, progress=progress).cpu()[:, places]

    return swap_accuracy(score, corpus, caption_editor(corpus, graphs), split=split, table=table)
