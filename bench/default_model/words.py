"""Words as queries: how well photos are found by the names of their objects and scenes, in training and never there.

    python bench/default_model/words.py --model RUN --data photos [--captions flickr8k/captions.jsonl] [--json FILE]

Gallery: the held-out fifth of the photos (`held_out.py`), COCO's and ADE20K's apart. Queries: each label that a photo
of the gallery has, by its name ("traffic light") and as "a photo of a traffic light"; "living_room" is asked for as
"living room". A photo is relevant if it has that label. "Zero-shot" are the held-out words, which no training took for
labels. Numbers are means over words, in percent: AP over the whole gallery, and precision among the first ten, beside a
random order and, for precision, the best that the counts of photos allow; ties are settled by expectation. With
`--captions` (repeatable; JSON lines with `split` and `captions`) the zero-shot labels are divided by whether a training
caption says the word, or its plural. Before a model was trained with these words left out, both groups of labels are
zero-shot alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from command_line import add_rerank, options_of, print_table, write_numbers
from dense_search import Pictures
from held_out import held_out_words, is_held_out
from photos import NO_SCENE, Photo, read_photos

from crossgraph.evaluation.label_metrics import average_precision, precision_at
from crossgraph.evaluation.tie_groups import groups_of_scores
from crossgraph.graphs.sentence_edits import numbered, rewritten
from crossgraph.verbs import load_search_model

CUTOFF = 10


@dataclass(frozen=True)
class WordScore:
    """One query word: how many photos have it, and per form of the query AP and P@10 in percent."""

    word: str
    photos: int
    name_ap: float
    name_p10: float
    template_ap: float
    template_p10: float
    chance_ap: float
    chance_p10: float
    best_p10: float
    captions: int | None = None


def spoken(label: str) -> str:
    """A label as people write it: "living_room" is "living room"."""
    return label.replace("_", " ")


def template(word: str) -> str:
    """The word in a sentence, with the article that fits.

    >>> template("orange")
    'a photo of an orange'
    """
    start = "a photo of a "
    return rewritten(start, [((len(start), len(start)), word)]) or start + word


def score_words(pictures: Pictures, photos: Sequence[Photo], has: Callable[[Photo], Sequence[str]]) -> list[WordScore]:
    """The scores of every label that `has` gives of the photos, by name."""
    labels = sorted({label for photo in photos for label in has(photo)} - {NO_SCENE, ""})
    relevant = np.array([[int(label in has(photo)) for photo in photos] for label in labels])
    words = [spoken(label) for label in labels]
    forms = [pictures.scores(queries).numpy() for queries in (words, [template(word) for word in words])]
    columns: list[np.ndarray] = []
    for scores in (*forms, np.zeros_like(forms[0])):  # in the last, everything ties: chance
        groups = groups_of_scores(scores, relevant)
        columns += [100 * average_precision(groups), 100 * precision_at(groups, CUTOFF)]
    counts = relevant.sum(1)
    best = 100 * np.minimum(counts, CUTOFF) / CUTOFF
    rows = np.stack([*columns, best], 1).tolist()
    return [WordScore(label, count, *row) for label, count, row in zip(labels, counts.tolist(), rows, strict=True)]


def said_in_captions(word: str, captions: Sequence[str]) -> int:
    """How many captions say the word or its plural."""
    forms = "|".join(re.escape(numbered(word, plural=plural)) for plural in (False, True))
    return sum(bool(re.search(rf"\b(?:{forms})\b", caption)) for caption in captions)


def training_captions(files: Sequence[Path]) -> list[str]:
    """Every caption of the training splits, in lower case."""
    lines = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [caption.lower() for line in lines if line["split"] == "train" for caption in line["captions"]]


def means(found: Sequence[WordScore]) -> list[float]:
    """The means of all numbers over the words of a group."""
    rows = [list(asdict(one).values())[2:9] for one in found]
    return [float(value) for value in np.mean(rows, axis=0)]


def main() -> None:
    """Print the table of groups, and the zero-shot labels one by one."""
    options = options_of(__doc__, data="the folder with photos.jsonl and images/")
    options.add_argument(
        "--captions", type=Path, action="append", default=[], help="captions of a training; repeatable"
    )
    add_rerank(options)
    asked = options.parse_args()
    model = load_search_model(asked.model, device=asked.device)
    photos = [photo for photo in read_photos(asked.data) if is_held_out(photo.path.name)]
    coco, ade = ([photo for photo in photos if photo.source == source] for source in ("coco", "ade20k"))
    of_coco, of_ade = (Pictures(model, [one.path for one in some], rerank=asked.rerank) for some in (coco, ade))
    kept_out = held_out_words()
    labels = score_words(of_coco, coco, lambda photo: photo.labels)
    scenes = score_words(of_ade, ade, lambda photo: [photo.scene])
    objects = score_words(of_ade, ade, lambda photo: photo.labels)
    zero_shot = [one for one in labels if one.word in kept_out.labels]
    groups = {"COCO labels, trained": [one for one in labels if one.word not in kept_out.labels]}
    if asked.captions:
        captions = training_captions(asked.captions)
        zero_shot = [replace(one, captions=said_in_captions(one.word, captions)) for one in zero_shot]
    groups["COCO labels, zero-shot"] = zero_shot
    if asked.captions:
        groups["- of these in no training caption"] = [one for one in zero_shot if not one.captions]
        groups["- of these in training captions"] = [one for one in zero_shot if one.captions]
    groups["ADE20K scenes, trained"] = [one for one in scenes if one.word not in kept_out.scenes]
    groups["ADE20K scenes, zero-shot"] = [one for one in scenes if one.word in kept_out.scenes]
    groups["ADE20K objects, trained"] = [one for one in objects if one.word not in kept_out.labels]
    groups["ADE20K objects, zero-shot"] = [one for one in objects if one.word in kept_out.labels]
    headings = ["words", "count", "mAP name", "mAP template", "chance", "P@10 name", "P@10 template", "chance", "best"]
    rows: list[list[str | int | float]] = []
    for name, found in groups.items():
        if found:
            name_ap, name_p10, template_ap, template_p10, chance_ap, chance_p10, best = means(found)
            cells = [name_ap, template_ap, chance_ap, name_p10, template_p10, chance_p10, best]
            rows.append([name, len(found), *cells])
    print_table(headings, rows, title=f"{asked.model}: {len(coco):,} COCO and {len(ade):,} ADE20K photos, held out.")
    zero_shot_rows: list[list[str | int | float]] = []
    for one in zero_shot:
        said = "?" if one.captions is None else one.captions
        zero_shot_rows.append(
            [one.word, one.photos, said, one.name_ap, one.template_ap, one.chance_ap, one.name_p10, one.best_p10]
        )
    headings = ["zero-shot label", "photos", "in captions", "AP name", "AP template", "chance", "P@10 name", "best"]
    print_table(headings, zero_shot_rows)
    write_numbers(asked.json, asked, {name: [asdict(one) for one in found] for name, found in groups.items()})


if __name__ == "__main__":
    main()
