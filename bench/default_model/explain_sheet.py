"""Does an explanation point at the thing? A sheet of overlays to look at, and the pointing game over 100 photos.

    python bench/default_model/explain_sheet.py --model RUN --data photos --out sheet.png [--json FILE]
    python bench/default_model/explain_sheet.py --model RUN --data flickr8k --captions val --out sheet.png

Held-out ADE20K photos (`held_out.py`) whose annotation has a box of a class that covers a fiftieth to a third of the
picture: `--photos` of them, and of each one such class, both drawn with `--seed`. ADE20K's boxes hold all of a class in
the picture. The query is the name of the class, and "a photo of a lamp" beside it; the word's strongest region is that
with the largest weight in `crossgraph explain`, the words of a longer name taken together. It hits if its middle lies
in the box (pointing game). Beside it: a region drawn at random from those of the same picture, in expectation, and the
middle of the picture, which photographers aim at. A word found nowhere (weights all 0) is a miss. The sheet has the
first ten with the annotated box in green, as explained for the name alone.

With `--captions SPLIT` the data are a set with captions: ten pictures of the split, drawn with `--seed`, each explained
for its first caption. Nothing is counted: the sheet is to be looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from command_line import options_of, print_table, write_numbers
from held_out import is_held_out
from jaxtyping import Bool, Float
from photos import Photo, read_photos
from PIL import Image, ImageDraw
from torch import Tensor
from words import template

from crossgraph.data.images import read_image
from crossgraph.data.sources import open_corpus
from crossgraph.gallery.explanations.explain import draw_alignment
from crossgraph.graphs.scene_graph import Box
from crossgraph.types import Alignment
from crossgraph.verbs import load_search_model

SMALLEST, LARGEST = 1 / 50, 1 / 3
BOX = "#12b347"


@dataclass(frozen=True)
class Question:
    """A thing in a photo, and the box that all of its kind lie in."""

    path: Path
    name: str
    box: Box


def area(box: Box) -> float:
    """The share of the picture that a box covers."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def drawn_questions(photos: Sequence[Photo], count: int, *, seed: int) -> list[Question]:
    """Photos in a random order, with one small enough thing each."""
    rng = np.random.default_rng(seed)
    found: list[Question] = []
    for row in rng.permutation(len(photos)).tolist():
        things = [(name, box) for name, box in photos[row].boxes if SMALLEST <= area(box) < LARGEST]
        if things and len(found) < count:
            name, box = things[int(rng.integers(len(things)))]
            found.append(Question(photos[row].path, name, box))
    return found


def holds(box: Box, regions: Float[Tensor, "p 4"]) -> Bool[Tensor, " p"]:
    """Which regions have their middle in the box.

    >>> holds((0.0, 0.0, 0.5, 0.5), torch.tensor([[0.0, 0.0, 0.4, 0.4], [0.5, 0.0, 1.0, 0.5]])).tolist()
    [True, False]
    """
    x, y = (regions[:, 0] + regions[:, 2]) / 2, (regions[:, 1] + regions[:, 3]) / 2
    return (box[0] <= x) & (x <= box[2]) & (box[1] <= y) & (y <= box[3])


def weights_of(alignment: Alignment, name: str) -> Float[Tensor, " p"]:
    """How much the words of `name`, which end the sentence, looked at each region."""
    last = len(alignment.words)
    first = next(
        (start for start in range(last) if "".join(alignment.words[start:]) == name.replace(" ", "")), last - 1
    )
    return alignment.weights[:, first:].sum(1)


def points_into(alignment: Alignment, question: Question) -> bool:
    """Whether the strongest region of the name has its middle in the box."""
    weights = weights_of(alignment, question.name)
    return bool(weights.max() > 0) and bool(holds(question.box, alignment.boxes)[int(weights.argmax())])


def draw_question(question: Question, alignment: Alignment) -> Image.Image:
    """The explanation as `crossgraph explain` draws it, with the annotated box in the picture."""
    image = read_image(question.path).convert("RGB")
    x1, y1, x2, y2 = (round(edge * side) for edge, side in zip(question.box, image.size * 2, strict=True))
    ImageDraw.Draw(image).rectangle((x1, y1, x2, y2), outline=BOX, width=max(2, image.width // 100))
    return draw_alignment(image, alignment, panels=3)


def sheet_of(drawings: Sequence[Image.Image], *, columns: int = 2) -> Image.Image:
    """All drawings on one sheet, row by row."""
    width, height = (max(getattr(one, side) for one in drawings) for side in ("width", "height"))
    sheet = Image.new("RGB", (columns * width, -(-len(drawings) // columns) * height), "white")
    for place, drawing in enumerate(drawings):
        sheet.paste(drawing, (place % columns * width, place // columns * height))
    return sheet


def captions_explained(model: str, data: Path, split: str, *, seed: int) -> list[Image.Image]:
    """Ten pictures of a split, each explained for its first caption."""
    found, corpus = load_search_model(model), open_corpus(str(data)).split(split)
    drawn = []
    for row in np.random.default_rng(seed).permutation(len(corpus))[:10].tolist():
        caption = corpus.captions[int(np.flatnonzero(np.asarray(corpus.caption_image) == row)[0])]
        path = corpus.image_paths[row]
        drawn.append(draw_alignment(read_image(path).convert("RGB"), found.explain(caption, path), panels=4))
    return drawn


def main() -> None:
    """Write the sheet, print the shares that hit."""
    options = options_of(__doc__, data="the folder with photos.jsonl and images/")
    options.add_argument("--out", type=Path, required=True, help="where the sheet is drawn")
    options.add_argument("--photos", type=int, default=100)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--captions", metavar="SPLIT", help="ten pictures of a set with captions, for looking at only")
    asked = options.parse_args()
    if asked.captions:
        sheet_of(captions_explained(asked.model, asked.data, asked.captions, seed=asked.seed)).save(asked.out)
        return
    held_out = [one for one in read_photos(asked.data) if one.source == "ade20k" and is_held_out(one.path.name)]
    questions = drawn_questions(held_out, asked.photos, seed=asked.seed)
    model = load_search_model(asked.model, device=asked.device)
    model.encode_image_files([one.path for one in questions])  # so that features are cached in one go
    hits: dict[str, list[bool]] = {"name": [], "template": []}
    chance, drawings = [], []
    middle = torch.tensor([[0.5, 0.5, 0.5, 0.5]])
    for place, question in enumerate(questions):
        alone = model.explain(question.name, question.path)
        within = model.explain(template(question.name), question.path)
        hits["name"].append(points_into(alone, question))
        hits["template"].append(points_into(within, question))
        chance.append(float(holds(question.box, alone.boxes).double().mean()))
        if place < 10:
            drawings.append(draw_question(question, alone))
    sheet_of(drawings).save(asked.out)
    shares = {name: 100 * float(np.mean(found)) for name, found in hits.items()}
    shares["random region"] = 100 * float(np.mean(chance))
    shares["middle of the picture"] = 100 * float(np.mean([bool(holds(one.box, middle)[0]) for one in questions]))
    shares["area of the boxes"] = 100 * float(np.mean([area(one.box) for one in questions]))
    headings = ["photos", *shares]
    print_table(headings, [[len(questions), *shares.values()]], title=f"{asked.model}: strongest region in the box, %.")
    write_numbers(asked.json, asked, {"photos": len(questions), **shares})


if __name__ == "__main__":
    main()
