"""Short queries made of captions: what people type is a word or three, which says less than a caption does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossgraph.graphs.scene_graph import GraphObject, SceneGraph
from crossgraph.graphs.sentence_edits import phrase_start
from crossgraph.words import PHRASE

VOWELS = "aeiou"


@dataclass(frozen=True)
class Phrase:
    """The name of a thing that a caption, by its number, speaks of, with the properties it gives it."""

    text: str
    caption: int
    thing: GraphObject

    @property
    def with_article(self) -> str:
        """The phrase behind "a" or "an"."""
        return f"{'an' if self.text[0] in VOWELS else 'a'} {self.text}"


def phrase_of(sentence: str, thing: GraphObject) -> str | None:
    """What a sentence calls a thing, without article or number; None where it does not, or in more than three words."""
    if thing.span is None:
        return None
    phrase = sentence[phrase_start(sentence, thing) : thing.span[1]].lower()
    return phrase if 1 <= len(phrase.split()) <= PHRASE else None


def drawn_phrases(captions: Sequence[str], graphs: Sequence[SceneGraph], count: int, *, seed: int) -> list[Phrase]:
    """At most so many phrases, all different, each of another caption, drawn at random; `graphs` are the captions'."""
    random = np.random.default_rng(seed)
    found: dict[str, Phrase] = {}
    for caption in random.permutation(len(captions)).tolist():
        if len(found) == count:
            break
        said = [(phrase_of(captions[caption], thing), thing) for thing in graphs[caption].objects]
        new = [Phrase(text, caption, thing) for text, thing in said if text is not None and text not in found]
        if new:
            phrase = new[int(random.integers(len(new)))]
            found[phrase.text] = phrase
    return list(found.values())
