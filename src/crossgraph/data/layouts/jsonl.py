"""JSON Lines: one object a line with `image` and `captions`, `caption` or `text`; optionally `split` and `labels`.

`scene` is one more label, of the whole picture; `source` says which of several collections a picture is from. A row
with labels and no captions is a picture without captions. `image` is relative to the file's folder or to the `images`
folder in it. Other keys are ignored.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from crossgraph.data.assembly import CorpusBuilder, numbered_lines, read_bytes, shortened
from crossgraph.data.columns import caption_key, image_key
from crossgraph.data.corpus import Corpus, Understood
from crossgraph.data.encodings import decode_text, is_undecoded
from crossgraph.data.layouts.csv_captions import picture_folders
from crossgraph.data.layouts.json_entries import EXPECTED, EntryOptions, add_entry
from crossgraph.data.splits import one_in


def open_jsonl(file: Path, *, name: str | None = None, options: EntryOptions = EntryOptions()) -> Corpus:
    """The corpus in `file`, pictures in the order of the lines; lines that make no sense are listed.

    Raises `DataError` for a file without one good line.
    """
    builder = CorpusBuilder(file, picture_folders(file.parent, options.images))
    understood = read_lines(builder, file, options)
    tried = f"To say it by hand: jsonl:{file}?image=KEY&caption=KEY&images=FOLDER."
    told = replace(understood, layout="jsonl")
    corpus = builder.build(name or file.absolute().parent.name, understood=told, tried=tried)
    return one_in(options.val, corpus)


def is_lines(file: Path) -> bool:
    """Whether the first line of a file is an object with a picture and captions."""
    try:
        with file.open("rb") as stream:
            head = next(numbered_lines(decode_text(stream.read(65_536)).text), (1, ""))[1]
        row = json.loads(head)
    except (OSError, ValueError, RecursionError):
        return False
    if not isinstance(row, dict):
        return False
    keys = list(row)
    return image_key(keys) is not None and ("conversations" in keys or caption_key(keys) is not None)


def read_lines(
    builder: CorpusBuilder, file: Path, options: EntryOptions, *, prefix: str = "", split: str | None = None
) -> Understood:
    """Give the lines of a file to `builder`, pictures as `prefix` and their name."""
    decoded = decode_text(read_bytes(file))
    keys: tuple[tuple[str, str], ...] = ()
    splits = "none"
    for number, line in numbered_lines(decoded.text):
        where = f"line {number}"
        if is_undecoded(line):
            builder.reject(where, f"bytes that are no {decoded.encoding}", file=file)
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            builder.reject(where, f"no JSON: {shortened(line)}; expected {EXPECTED}", file=file)
            continue
        own = add_entry(builder, row, where=where, file=file, options=options, prefix=prefix, split=split)
        keys = keys or own
        splits = "key split" if own and "split" in row else splits
    return Understood("", keys, None, decoded.told, splits)
