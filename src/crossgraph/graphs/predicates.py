"""Phrases of several words that say one thing, and what each is called: "to the left of" is "left of".

A phrase of place that has an object ("in front of a house") is a preposition. One without ("on the left", "in the
background", "near the top of the picture") is a place: it says where in the picture something is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product


@dataclass(frozen=True)
class Phrase:
    """`length` words that together mean `name`; `is_place` tells a place from a preposition."""

    name: str
    length: int
    is_place: bool


_SIDES = {
    f"{preposition} the {far}{side}{extra}": side
    for preposition, far, side, extra in product(
        ("on", "at", "to", "in"), ("", "far "), ("left", "right"), ("", " side", " hand side", "-hand side")
    )
}

_PARTS = {
    f"{preposition} the {part}": name
    for preposition, (part, name) in product(
        ("in", "at", "near", "on"),
        {
            "top": "top",
            "upper part": "top",
            "bottom": "bottom",
            "lower part": "bottom",
            "middle": "middle",
            "center": "middle",
            "centre": "middle",
            "background": "background",
            "foreground": "foreground",
            "distance": "distance",
        }.items(),
    )
}

PLACES: Mapping[str, str] = {
    **_SIDES,
    **_PARTS,
    **{
        f"{phrase} of the {image}": name
        for (phrase, name), image in product(
            {**_SIDES, **_PARTS}.items(), ("picture", "image", "photo", "photograph", "frame", "scene")
        )
    },
}
"""Phrase -> the part of the picture it means."""

PREPOSITIONS: Mapping[str, str] = {
    **{f"{phrase} of": f"{side} of" for phrase, side in _SIDES.items()},
    "left of": "left of",
    "right of": "right of",
    "higher up than": "above",
    "higher than": "above",
    "lower down than": "below",
    "lower than": "below",
    "on top of": "on top of",
    "at the top of": "at the top of",
    "at the bottom of": "at the bottom of",
    "in front of": "in front of",
    "in the front of": "in front of",
    "in back of": "behind",
    "in the back of": "in the back of",
    "on the back of": "on the back of",
    "in the middle of": "in the middle of",
    "in the center of": "in the middle of",
    "in the centre of": "in the middle of",
    "on the side of": "on the side of",
    "at the side of": "on the side of",
    "by the side of": "on the side of",
    "on the other side of": "on the other side of",
    "at the edge of": "on the edge of",
    "on the edge of": "on the edge of",
    "at the end of": "at the end of",
    "at the foot of": "at the foot of",
    "next to": "next to",
    "close to": "close to",
    "close by": "close to",
    "near to": "near",
    "far from": "far from",
    "away from": "away from",
    "ahead of": "in front of",
    "full of": "full of",
    "inside of": "inside",
    "outside of": "outside",
    "off of": "off",
    "out of": "out of",
    "in between": "between",
    "in the midst of": "among",
    "along with": "with",
    "together with": "with",
    "along side": "alongside",
    "upside down on": "on",
}
"""Phrase -> the predicate it is."""

_PHRASES: Mapping[tuple[str, ...], Phrase] = {
    tuple(words.split()): Phrase(name, len(words.split()), is_place)
    for table, is_place in ((PLACES, True), (PREPOSITIONS, False))
    for words, name in table.items()
}
_LONGEST = max(map(len, _PHRASES))
_FIRST_WORDS = {words[0] for words in _PHRASES}


def phrase_at(words: Sequence[str], start: int) -> Phrase | None:
    """The longest phrase that the lower-case `words` have at `start`, None if there is none.

    A place that goes on with "of" ("on the left of the box") is no place: what follows is its object.
    """
    if words[start] not in _FIRST_WORDS:
        return None
    for length in range(min(_LONGEST, len(words) - start), 1, -1):
        phrase = _PHRASES.get(tuple(words[start : start + length]))
        if phrase and not (phrase.is_place and words[start + length : start + length + 1] == ["of"]):
            return phrase
    return None
