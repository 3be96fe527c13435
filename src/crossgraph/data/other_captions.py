"""Captions of a corpus's pictures in other languages, as JSON Lines with a key for each language.

    {"image": "beach.jpg", "de": ["Ein Hund am Strand."], "zh": ["沙滩上的狗。", "..."]}

`image` is a picture of the corpus as `names` finds it; a key of an ISO code (de, zh, fr, pt-br) holds a list of
captions. All else is ignored, so a picture's split is the corpus's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from crossgraph.data.assembly import numbered_lines, read_bytes, shortened
from crossgraph.data.corpus import Corpus
from crossgraph.data.encodings import decode_text
from crossgraph.data.names import Match, NameResolver
from crossgraph.errors import DataError
from crossgraph.words import is_blank

LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z]{2,4})?")
ENGLISH = "en"
EXPECTED = '{"image": "beach.jpg", "de": ["Ein Hund am Strand."]}'


def captions_in_languages(corpus: Corpus, file: Path) -> dict[str, Corpus]:
    """The pictures of `corpus` with the captions of each language in `file`, English left out, in order of appearance.

    Raises `DataError` for a line that is not of the form above, and where no picture has a caption.
    """
    names = NameResolver(corpus.image_ids)
    rows = {name: row for row, name in enumerate(corpus.image_ids)}
    found: dict[str, dict[int, list[str]]] = {}
    lines = 0
    for number, line in numbered_lines(decode_text(read_bytes(file)).text):
        lines += 1
        image, captions = _entry(file, number, line)
        match = names.find(image, suggest=False)
        if not isinstance(match, Match):
            continue
        for language, said in captions.items():
            found.setdefault(language, {}).setdefault(rows[match.name], []).extend(said)
    if not found:
        raise DataError(
            f"{file} has no caption in another language for a picture of corpus {corpus.name!r} ({lines:,} lines read, "
            f"{len(corpus):,} pictures). Expected one object a line, as in {EXPECTED}."
        )
    return {language: _with_captions(corpus, found[language].items()) for language in found}


def _entry(file: Path, number: int, line: str) -> tuple[str, dict[str, list[str]]]:
    """The picture of a line and its captions by language, blank ones left out."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict) or not isinstance(row.get("image"), str):
        raise DataError(f"{file}, line {number}: {shortened(line)} is no object with an image, as in {EXPECTED}.")
    captions = {
        key: [one for one in said if not is_blank(one)]
        for key, said in row.items()
        if LANGUAGE.fullmatch(key) and key != ENGLISH and isinstance(said, list) and _are_texts(said)
    }
    return row["image"], {language: said for language, said in captions.items() if said}


def _are_texts(said: list[object]) -> bool:
    return all(isinstance(one, str) for one in said)


def _with_captions(corpus: Corpus, captions: Iterable[tuple[int, list[str]]]) -> Corpus:
    """The pictures of a corpus with these captions in the place of their own."""
    ordered = sorted(captions)
    links = [image for image, said in ordered for _ in said]
    return replace(
        corpus,
        captions=tuple(caption for _, said in ordered for caption in said),
        caption_image=np.asarray(links, np.int64),
        telling=None,
        twin_group=None,
    )
