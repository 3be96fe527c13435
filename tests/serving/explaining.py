"""Galleries whose models explain: word by word, and by nodes of scene graphs."""

from __future__ import annotations

from pathlib import Path

import torch

from crossgraph.data.images import read_image
from crossgraph.encoders.grid import grid_boxes
from crossgraph.gallery.gallery import Gallery
from crossgraph.types import Alignment, NodeMatch
from tests.gallery.fake_model import FakeModel, draw_images

SENTENCE = "dog beside ball"


class WordModel(FakeModel):
    """Its score is a sum over words; the last word of a sentence takes away; each looks at a cell of its own."""

    def explain(self, sentence: str, path: Path) -> Alignment:
        read_image(path)
        words = tuple(sentence.split())
        added = torch.linspace(0.4, -0.1, len(words)) if len(words) > 1 else torch.tensor([0.4])
        weights = torch.full((9, len(words)), 0.02)
        for place in range(len(words)):
            weights[place, place] = 0.84
        boxes = torch.from_numpy(grid_boxes([3])).float()
        return Alignment(words, boxes, weights, added, float(added.sum()), contributions=added)


class NodeModel(WordModel):
    """Its score is more than the sum of two things and a relation between them; one thing is found nowhere."""

    def explain(self, sentence: str, path: Path) -> Alignment:
        found = super().explain(sentence, path)
        one, other = (0.0, 0.0, 1 / 3, 1 / 3), (2 / 3, 1 / 3, 1.0, 2 / 3)
        matches = (
            NodeMatch("object", "dog", (one,), 0.8, 0.3),
            NodeMatch("attribute", "red", (other,), 0.2, -0.05),
            NodeMatch("relation", "dog · beside · ball", (one, other), 0.6, 0.2),
            NodeMatch("object", "cloud", (), 0.0, 0.0),
        )
        return Alignment(found.words, found.boxes, found.weights, found.word_scores, 0.9, matches)


def gallery_of(folder: Path, kind: type[FakeModel], *, count: int = 12) -> Gallery:
    """A gallery of drawn pictures, with a caption each, and a model of this kind that re-ranks."""
    model = kind("fine", fine=True, shortlist=FakeModel("dense", fine=False))
    pictures = draw_images(folder / "pictures", count)
    for number, path in enumerate(sorted(pictures.glob("*.png"))):
        path.with_suffix(".txt").write_text(f"thing number {number}\n", encoding="utf-8")
    gallery = Gallery.create(folder / "gallery", model)
    gallery.index(pictures)
    gallery.current().exact.prepare()
    return gallery
