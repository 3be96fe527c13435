"""Pictures under an address in an object store, also those inside tar files, each with the caption that lies beside it.

Of objects that is `.txt`; inside a tar file `.txt`, or, where it has none of these, what the `.json` calls `caption`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from crossgraph.data import objects, tars
from crossgraph.data.archives import is_picture
from crossgraph.data.assembly import CorpusBuilder
from crossgraph.data.corpus import Corpus, FileCounts, Skipped, Understood
from crossgraph.data.encodings import decode_text, is_undecoded
from crossgraph.data.file_kinds import IMAGE_ENDINGS, ending_of
from crossgraph.data.images import file_reason
from crossgraph.data.object_tars import Shard, shard
from crossgraph.data.objects import ObjectPath
from crossgraph.errors import DataError

CAPTION, FACTS = ".txt", ".json"
AT_ONCE = 16
"""So many captions are fetched at once."""


def open_bucket(place: ObjectPath, *, name: str | None = None, exclude: Sequence[str] = ()) -> Corpus:
    """The corpus of all pictures, by their ending, whose key begins as the address says; captions are fetched.

    Tar files are looked through, and what is in them is read where it lies; several are written as one address, as in
    s3://bucket/{00000..00009}.tar. What the store lists of each is kept with its path. Raises `DataError` where there
    are no pictures, or the store cannot be read, and for patterns of files to leave out, which are not applied here.
    """
    if exclude:
        raise DataError(f"{place}: --exclude leaves out files in folders, not objects; give a longer address.")
    try:
        found = [one for part in tars.shards(place) for one in objects.below(ObjectPath(part))]
    except OSError as error:
        raise DataError(f"{place}: cannot be read ({file_reason(error)}).") from error
    images = [one for one in found if ending_of(one.name) in IMAGE_ENDINGS]
    shards, skipped = _shards([one for one in found if one.suffix.lower() == tars.ENDING])
    texts = {str(one): one for one in found if one.suffix.lower() == CAPTION}
    if not images and not any(is_picture(name) for one in shards for name in one.members.places):
        raise DataError(
            f"{place}: no pictures under this address ({len(found):,} objects).{_told(skipped)} Give a shorter one."
        )
    builder = CorpusBuilder(Path(place), [place])
    beside = [texts.get(str(image.with_suffix(CAPTION))) for image in images]
    for image, (caption, fault) in zip(images, _captions(beside), strict=True):
        builder.add(image.key, [] if fault else [caption], where=image.name, path=image)
        if fault:
            builder.reject("the file", fault, file=image.with_suffix(CAPTION))
    for one in shards:
        _add(builder, one)
    in_tars = f"pictures of {len(shards)} tar files are read where they lie"
    told = (("caption", f"the whole {CAPTION}"),) if any(beside) or any(one.texts for one in shards) else ()
    understood = Understood("objects", told, notes=(in_tars,) if shards else ())
    corpus = builder.build(name or place.name, understood=understood)
    read = {str(one) for one in (*beside, *(one.tar for one in shards)) if one is not None}
    others = [one for one in found if ending_of(one.name) not in IMAGE_ENDINGS and str(one) not in read]
    counts = FileCounts(len(read), dict(Counter(ending_of(one.name) or "no ending" for one in others)), {})
    return replace(corpus, files=counts, skipped=(*corpus.skipped, *skipped))


def _shards(found: Sequence[ObjectPath]) -> tuple[list[Shard], list[Skipped]]:
    """What is in tar files, with its texts, and why some of them could not be read, or not to their end."""
    shards, skipped = list[Shard](), list[Skipped]()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for tar, one in zip(found, pool.map(_shard, found), strict=True):
            if isinstance(one, str):
                skipped.append(Skipped(tar, one))
                continue
            fault = one.members.fault
            if one.members.places or not fault:
                shards.append(one)
            if fault:
                used = "the pictures before that are used" if one.members.places else "it may be compressed: unpack it"
                skipped.append(Skipped(tar, f"cannot be read to its end ({fault}); {used}"))
    return shards, skipped


def _shard(tar: ObjectPath) -> Shard | str:
    try:
        return shard(tar, texts=frozenset({CAPTION, FACTS}))
    except OSError as error:
        return file_reason(error)


def _told(skipped: Sequence[Skipped]) -> str:
    return "".join(f" {one.path}: {one.reason}." for one in skipped[:3])


def _add(builder: CorpusBuilder, one: Shard) -> None:
    """The pictures in a tar file, each with its caption."""
    by_text = any(name.endswith(CAPTION) for name in one.texts)
    for name in sorted(filter(is_picture, one.members.places)):
        image = one.place(name)
        beside = Path(name).with_suffix(CAPTION if by_text else FACTS).as_posix()
        caption, fault = _read(one.texts[beside]) if beside in one.texts else ("", "")
        if not by_text and not fault and caption:
            caption, fault = _fact(caption)
        builder.add(image.key, [] if fault else [caption], where=image.name, path=image)
        if fault:
            builder.reject("the file", fault, file=ObjectPath(f"{one.tar}/{beside}"))


def _fact(text: str) -> tuple[str, str]:
    try:
        caption = json.loads(text).get("caption")
    except (ValueError, RecursionError, AttributeError):
        return "", "no JSON object"
    return (caption if isinstance(caption, str) else ""), ""


def _captions(texts: Iterable[ObjectPath | None]) -> list[tuple[str, str]]:
    """The text of each object, and what is wrong with it."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(_caption, texts))


def _caption(text: ObjectPath | None) -> tuple[str, str]:
    if text is None:
        return "", ""
    try:
        return _read(objects.read(text))
    except OSError as error:
        return "", file_reason(error)


def _read(content: bytes) -> tuple[str, str]:
    decoded = decode_text(content)
    if is_undecoded(decoded.text) or "\0" in decoded.text:
        return "", f"bytes that are no {decoded.encoding} text"
    return decoded.text, ""
