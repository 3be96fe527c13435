"""Short queries: phrases of one to three words that captions are made of, beside the whole captions they come from.

    python bench/default_model/short_queries.py --model RUN --data flickr8k [--photos photos] [--show] [--json FILE]

Split val, all its pictures are the gallery. Captions are drawn with `--seed`, and of each one noun phrase as the
project's parser finds it, with its properties but without article or number, if it has one to three words and was not
drawn before, until there are `--queries`. Three measures, in percent, each of the phrase and of its whole caption:

    R@10 own      the caption's own picture is among the first ten
    R@10 any      any picture is of which a caption speaks of the same thing with at least the same properties
    P@10 noun     the share of the first ten of which a caption has the phrase's head noun, beside that of all pictures

With `--photos` also P@10 of label names among the held-out COCO photos, as `words.py` has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from command_line import add_rerank, options_of, print_table, write_numbers
from dense_search import Model, Pictures, recalls
from held_out import is_held_out
from jaxtyping import Bool
from photos import read_photos
from torch import Tensor
from words import score_words

from crossgraph.data.corpus import Corpus
from crossgraph.data.sources import open_corpus
from crossgraph.evaluation.label_metrics import precision_at
from crossgraph.evaluation.tie_groups import groups_of_scores
from crossgraph.gallery.calibration.phrases import Phrase, drawn_phrases
from crossgraph.graphs.caption_parser import CaptionParser
from crossgraph.graphs.scene_graph import SceneGraph
from crossgraph.verbs import load_search_model

CUTOFF = 10


def properties_said(query: Phrase) -> frozenset[str]:
    """The properties of the thing that the phrase itself says."""
    said = set(query.text.split())
    return frozenset(one.name for one in query.thing.attributes if set(one.name.split()) <= said)


def pictures_having(
    queries: Sequence[Phrase], corpus: Corpus, graphs: Sequence[SceneGraph], *, noun_only: bool
) -> Bool[Tensor, "q n"]:
    """Which pictures have a caption that speaks of the thing, with the properties that the phrase says or with any."""
    said: dict[str, list[tuple[int, frozenset[str]]]] = {}
    for image, graph in zip(corpus.caption_image.tolist(), graphs, strict=True):
        for thing in graph.objects:
            said.setdefault(thing.name, []).append((image, frozenset(one.name for one in thing.attributes)))
    having = torch.zeros(len(queries), len(corpus), dtype=torch.bool)
    for row, query in enumerate(queries):
        wanted = frozenset() if noun_only else properties_said(query)
        images = [image for image, has in said.get(query.thing.name, ()) if wanted <= has]
        having[row, images] = True
    return having


def label_precision(model: Model, folder: Path, *, rerank: int) -> tuple[int, float, float]:
    """How many label names were asked for, P@10 over the held-out COCO photos, and that of chance, in percent."""
    photos = [one for one in read_photos(folder) if one.source == "coco" and is_held_out(one.path.name)]
    pictures = Pictures(model, [one.path for one in photos], rerank=rerank)
    found = score_words(pictures, photos, lambda photo: photo.labels)
    p10, chance = (float(np.mean([getattr(one, name) for one in found])) for name in ("name_p10", "chance_p10"))
    return len(found), p10, chance


def main() -> None:
    """Print a row for the phrases, and one for the captions they were drawn from."""
    options = options_of(__doc__, data="Flickr8k's folder")
    options.add_argument("--split", default="val")
    options.add_argument("--queries", type=int, default=100)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--photos", type=Path, help="the folder with photos.jsonl")
    options.add_argument("--show", action="store_true", help="print the phrases")
    add_rerank(options)
    asked = options.parse_args()
    corpus = open_corpus(str(asked.data)).split(asked.split)
    graphs = CaptionParser().parse_all(corpus.captions)
    queries = drawn_phrases(corpus.captions, graphs, asked.queries, seed=asked.seed)
    own = torch.tensor([int(corpus.caption_image[one.caption]) for one in queries])[:, None] == torch.arange(
        len(corpus)
    )
    same, noun = (pictures_having(queries, corpus, graphs, noun_only=only) | own for only in (False, True))
    model = load_search_model(asked.model, device=asked.device)
    pictures = Pictures(model, corpus.image_paths, rerank=asked.rerank)
    headings = ["queries", "count", "words", "R@10 own", "R@10 any", "P@10 noun", "P@10 noun, all pictures"]
    rows: list[list[str | int | float]] = []
    for name, texts in (
        ("phrases", [one.text for one in queries]),
        ("their captions", [corpus.captions[one.caption] for one in queries]),
    ):
        scores = pictures.scores(texts)
        precision = precision_at(groups_of_scores(scores.numpy(), noun.long().numpy()), CUTOFF)
        found = [recalls(scores, relevant, [CUTOFF])[0] for relevant in (own, same)]
        share = float(noun.double().mean())
        words = float(np.mean([len(text.split()) for text in texts]))
        rows.append([name, len(texts), words, *found, 100 * float(precision.mean()), 100 * share])
    print_table(headings, rows, title=f"{asked.model}: {len(corpus):,} pictures of split {asked.split}.")
    numbers: dict[str, object] = {"rows": [dict(zip(headings, row, strict=True)) for row in rows]}
    if asked.photos is not None:
        count, p10, chance = label_precision(model, asked.photos, rerank=asked.rerank)
        print_table(["label names, held-out COCO photos", "P@10", "chance"], [[count, p10, chance]])
        numbers["labels"] = {"count": count, "p10": p10, "chance": chance}
    if asked.show:
        counts = same.sum(1).tolist()
        print("\n".join(f"{one.text} ({count} pictures)" for one, count in zip(queries, counts, strict=True)))
    write_numbers(asked.json, asked, numbers)


if __name__ == "__main__":
    main()
