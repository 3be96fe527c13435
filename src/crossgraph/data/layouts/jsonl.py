"""`captions.jsonl`: one JSON object a line with `image`, `captions` and, optionally, `split` and `labels`.

`image` is relative to the file's folder or to the `images` folder in it. Other keys are ignored.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from crossgraph.data.assembly import NO_SPLIT, CorpusBuilder, malformed, text_lines
from crossgraph.data.corpus import Corpus

_EXPECTED = '{"image": "a.jpg", "captions": ["..."], "split": "train", "labels": ["..."]}, the last two optional'


def open_jsonl(file: Path, *, name: str | None = None) -> Corpus:
    """The corpus in `file`, pictures in the order of the lines. Raises `DataError` naming the first malformed line."""
    builder = CorpusBuilder(file, [file.parent, file.parent / "images"])
    for number, line in text_lines(file):
        where = f"line {number}"
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise malformed(file, where, line, expected=_EXPECTED) from error
        if not _is_row(row):
            raise malformed(file, where, line, expected=_EXPECTED)
        split, labels = row.get("split", NO_SPLIT), row.get("labels", [])
        builder.add(row["image"], row["captions"], where=where, split=split, labels=labels)
    return builder.build(name or file.absolute().parent.name)


def _is_row(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and isinstance(row.get("image"), str)
        and row["image"] != ""
        and isinstance(row.get("split", NO_SPLIT), str)
        and _is_texts(row.get("captions"))
        and _is_texts(row.get("labels", []))
    )


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)
