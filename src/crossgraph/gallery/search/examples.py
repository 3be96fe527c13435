"""A few queries that a gallery has good answers to, made of its own captions and labels."""

from __future__ import annotations

import random
import re

import pyarrow.compute as pc

from crossgraph.gallery.tables.snapshot import Snapshot

COUNT = 3
LETTERS = 60  # of a caption that is read at a glance
WORDS = (3, 10)
OFTEN = 30  # labels of which some are drawn: the most frequent ones
_DRAWN = 40  # captions that are looked at for each that is wanted


def example_queries(snapshot: Snapshot, *, seed: str, count: int = COUNT) -> tuple[str, ...]:
    """At most `count` short captions, or, where there are too few, labels; the same for the same `seed` and gallery."""
    chance = random.Random(seed)  # the day, say
    found: dict[str, str] = {}
    texts = snapshot.captions["text"]
    rows = chance.sample(range(len(texts)), min(len(texts), _DRAWN * count))
    for text in texts.take(rows).to_pylist() if rows else ():
        plain = " ".join(text.split()).rstrip(" .!")
        if len(found) < count and _is_short(plain):
            found.setdefault(plain.casefold(), plain)
    labels = pc.value_counts(pc.list_flatten(snapshot.items["labels"])).to_pylist()
    labels.sort(key=lambda one: (-one["counts"], one["values"]))
    often = [one["values"] for one in labels[:OFTEN] if one["values"] and _is_plain(one["values"])]
    for label in chance.sample(often, len(often)):
        if len(found) < count:
            found.setdefault(label.casefold(), label)
    return tuple(found.values())


def _is_short(text: str) -> bool:
    fewest, most = WORDS
    return _is_plain(text) and len(text) <= LETTERS and fewest <= len(text.split()) <= most


def _is_plain(text: str) -> bool:
    """Whether nothing in the text is read as anything but words of a sentence."""
    return re.search(r"[\"<>+:]| - |^[./~]", text) is None
