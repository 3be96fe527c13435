"""Pictures under an address in an object store, each with the caption that lies beside it as `.txt`, if one does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from crossgraph.data import objects
from crossgraph.data.assembly import CorpusBuilder
from crossgraph.data.corpus import Corpus, FileCounts, Understood
from crossgraph.data.encodings import decode_text, is_undecoded
from crossgraph.data.file_kinds import IMAGE_ENDINGS, ending_of
from crossgraph.data.images import file_reason
from crossgraph.data.objects import ObjectPath
from crossgraph.errors import DataError

CAPTION = ".txt"
AT_ONCE = 16
"""So many captions are fetched at once."""


def open_bucket(place: ObjectPath, *, name: str | None = None, exclude: Sequence[str] = ()) -> Corpus:
    """The corpus of all pictures, by their ending, whose key begins as the address says; captions are fetched.

    What the store lists of each is kept with its path. Raises `DataError` where there are no pictures, or the store
    cannot be read, and for patterns of files to leave out, which are not applied here.
    """
    if exclude:
        raise DataError(f"{place}: --exclude leaves out files in folders, not objects; give a longer address.")
    try:
        found = objects.below(place)
    except OSError as error:
        raise DataError(f"{place}: cannot be read ({file_reason(error)}).") from error
    images = [one for one in found if ending_of(one.name) in IMAGE_ENDINGS]
    texts = {str(one): one for one in found if one.suffix.lower() == CAPTION}
    if not images:
        raise DataError(f"{place}: no pictures under this address ({len(found):,} objects). Give a shorter one.")
    builder = CorpusBuilder(Path(place), [place])
    beside = [texts.get(str(image.with_suffix(CAPTION))) for image in images]
    for image, (caption, fault) in zip(images, _captions(beside), strict=True):
        builder.add(image.key, [] if fault else [caption], where=image.name, path=image)
        if fault:
            builder.reject("the file", fault, file=image.with_suffix(CAPTION))
    understood = Understood("objects", (("caption", f"the whole {CAPTION}"),) if any(beside) else ())
    corpus = builder.build(name or place.name, understood=understood)
    read = {str(one) for one in beside if one is not None}
    others = [one for one in found if ending_of(one.name) not in IMAGE_ENDINGS and str(one) not in read]
    counts = FileCounts(len(read), dict(Counter(ending_of(one.name) or "no ending" for one in others)), {})
    return replace(corpus, files=counts)


def _captions(texts: Iterable[ObjectPath | None]) -> list[tuple[str, str]]:
    """The text of each object, and what is wrong with it."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(_caption, texts))


def _caption(text: ObjectPath | None) -> tuple[str, str]:
    if text is None:
        return "", ""
    try:
        decoded = decode_text(objects.read(text))
    except OSError as error:
        return "", file_reason(error)
    if is_undecoded(decoded.text) or "\0" in decoded.text:
        return "", f"bytes that are no {decoded.encoding} text"
    return decoded.text, ""
