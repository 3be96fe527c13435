"""Labels as sentences: "a photo of a dog and a frisbee", for pictures that nobody described."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from crossgraph.data.assembly import json_object
from crossgraph.data.corpus import Corpus
from crossgraph.errors import DataError

MOST = 4
"""So many labels in one sentence, at most."""

_TRIES = 8  # draws for each sentence that is wanted, of which equal ones are dropped
_FORMS = ("a photo of {}", "a picture of {}", "an image of {}", "{}", "there is {} in the picture", "{} in a photo")
_PLACES = ("a photo of {}", "a picture of {}", "an image of {}", "{}")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_VOWELS = tuple("aeiou")


def label_words(name: str) -> str:
    """A label as a sentence says it: "living_room", "BareLand" and "hot-dog" are "living room", "bare land", "hot dog".

    >>> label_words("BaseballField")
    'baseball field'
    """
    return " ".join(_CAMEL.sub(" ", name).replace("_", " ").replace("-", " ").casefold().split())


def with_label_captions(corpus: Corpus, count: int) -> Corpus:
    """The corpus with `count` more captions for each picture that has labels and no captions, made of its labels.

    Each sentence names up to `MOST` of the picture's labels in random order, in one of several forms; every second one
    begins with the scene, where the picture has one, and names it alone or with what else is there ("a photo of a
    living room with a sofa"). All of one picture differ; of one label there may be fewer. They follow from the
    picture's id and its labels, and come after the captions there are. Raises `DataError` for given features of texts.
    """
    if not count or corpus.labels is None:
        return corpus
    if corpus.features is not None and corpus.features.texts is not None:
        raise DataError(
            f"corpus {corpus.name!r} has given features of texts, and no sentences can be added; set labels.captions=0."
        )
    names = np.asarray([label_words(name) for name in corpus.label_names], dtype=object)
    scenes = np.asarray([name in corpus.scene_names for name in corpus.label_names], dtype=np.bool_)
    captions, links = list(corpus.captions), corpus.caption_image.tolist()
    for image, own in enumerate(corpus.captions_of_images()):
        if not own:
            here = corpus.labels[image]
            whole, others = sorted(set(names[here & scenes])), sorted(set(names[here & ~scenes]))
            made = _sentences(corpus.image_ids[image], whole, others, count)
            captions += made
            links += [image] * len(made)
    more = np.zeros(len(captions) - len(corpus.captions), dtype=np.bool_)
    return replace(
        corpus,
        captions=tuple(captions),
        caption_image=np.asarray(links, dtype=np.int64),
        telling=None if corpus.telling is None else np.concatenate([corpus.telling, more]),
    )


def without_labels(corpus: Corpus, names: Collection[str]) -> Corpus:
    """The corpus less the labels of these names, compared as `label_words`; None of them is left in any picture."""
    if corpus.labels is None or not names:
        return corpus
    gone = {label_words(name) for name in names}
    kept = [place for place, name in enumerate(corpus.label_names) if label_words(name) not in gone]
    left = tuple(corpus.label_names[place] for place in kept)
    scenes = tuple(name for name in corpus.scene_names if name in set(left))
    return replace(corpus, labels=corpus.labels[:, kept], label_names=left, scene_names=scenes)


def read_left_out(file: Path) -> tuple[str, ...]:
    """The names in `{"labels": [...], "scenes": [...]}`, sorted, each once. Raises `DataError` for another form."""
    expected = '{"labels": ["dog"], "scenes": ["living room"]}, one of them or both'
    found = json_object(file, expected=expected)
    values = [found.get("labels", []), found.get("scenes", [])]
    if not found or set(found) - {"labels", "scenes"} or not all(_are_texts(value) for value in values):
        raise DataError(f"{file}: it does not say which labels to leave out. Expected {expected}.")
    return tuple(sorted({name for value in values for name in value}))


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _sentences(image: str, scenes: Sequence[str], others: Sequence[str], count: int) -> list[str]:
    """So many sentences of one picture; none where it has no labels."""
    if not scenes and not others:
        return []
    seed = hashlib.sha256(image.encode("utf-8", "surrogateescape")).digest()
    rng = np.random.default_rng(int.from_bytes(seed[:8], "big"))
    made: dict[str, None] = {}
    for _ in range(_TRIES * count):
        if len(made) == count:
            break
        some = rng.permutation(np.asarray(others, dtype=object))[: rng.integers(1, MOST + 1)].tolist()
        if scenes and (len(made) % 2 == 0 or not some):
            scene = _with_article(str(rng.choice(np.asarray(scenes, dtype=object))))
            said = f"{scene} with {_listed(some)}" if some and rng.random() < 0.5 else scene
            made[_PLACES[rng.integers(len(_PLACES))].format(said)] = None
        else:
            made[_FORMS[rng.integers(len(_FORMS))].format(_listed(some))] = None
    return list(made)


def _listed(names: Sequence[str]) -> str:
    """ "a dog, a cat and an apple"."""
    said = [_with_article(name) for name in names]
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"


def _with_article(name: str) -> str:
    """ "a dog", "an apple"; what seems to be a plural stays bare."""
    plural = name.endswith("s") and not name.endswith(("ss", "us", "is"))
    return name if plural else f"{'an' if name.startswith(_VOWELS) else 'a'} {name}"
