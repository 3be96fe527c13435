"""In what encoding a text was written, by its bytes alone: UTF-8, UTF-16, Windows-1252 or GB18030.

UTF-8 and UTF-16 prove themselves. The other two are told apart by how their bytes beyond ASCII lie: in pairs that are
frequent Chinese characters, or here and there among Latin letters. Statistics over many encodings do worse on texts of
a line or two, which captions are.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from functools import cached_property

from crossgraph.errors import DataError

UTF_8, WINDOWS, CHINESE = "utf-8", "windows-1252", "gb18030"

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_HIGH_RUN = re.compile(rb"[\x80-\xff]+")
_UNDECODED = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True)
class Decoded:
    """A text, the encoding it was in, and whether that was a guess. Bytes that do not fit are lone surrogates in it."""

    text: str
    encoding: str
    guessed: bool = False

    @cached_property
    def has_faults(self) -> bool:
        """Whether anywhere in it there are bytes that did not fit, or zeros, which no text has."""
        return "\0" in self.text or is_undecoded(self.text)

    @property
    def told(self) -> str:
        """The encoding, as it is shown to people."""
        return self.encoding + (" (a guess)" if self.guessed else "")


def decode_text(raw: bytes, encoding: str | None = None) -> Decoded:
    """`raw` as text, without its byte order mark, in `encoding` or the one it shows.

    Never raises for bytes that do not fit: `is_undecoded` tells of which lines these are. Raises `DataError` for an
    encoding that there is not.
    """
    if encoding is not None:
        return Decoded(_decoded(raw, _known(encoding)), encoding)
    for mark, marked in _MARKS:
        if raw.startswith(mark):
            text = _decoded(raw[len(mark) :], marked.removesuffix("-sig"))
            return Decoded(text, marked)
    wide = _wide(raw[:4096]) if b"\0" in raw else None
    if wide is not None:
        return Decoded(_decoded(raw, wide), wide)
    try:
        return Decoded(raw.decode("utf-8"), UTF_8)
    except UnicodeDecodeError:
        guess = _guess(raw)
        return Decoded(_decoded(raw, guess), guess, guess != UTF_8)


def is_undecoded(text: str) -> bool:
    """Whether bytes of this text did not fit its encoding."""
    return _UNDECODED.search(text) is not None


def _known(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError as error:
        raise DataError(
            f"there is no encoding {encoding!r}; usual are utf-8, utf-16, windows-1252, gb18030 (encoding=NAME)."
        ) from error


def _decoded(raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding, "surrogateescape").removeprefix("\ufeff")
    except UnicodeDecodeError:  # half a character at the end of UTF-16 cannot be kept as bytes
        return raw.decode(encoding, "replace").removeprefix("\ufeff").replace("\ufffd", "\udcff")


def _wide(head: bytes) -> str | None:
    """Which UTF-16 a text is in without a mark: every ASCII letter in it has a zero byte, all on one side."""
    first, second = head[0::2].count(0), head[1::2].count(0)
    if max(first, second) < 0.15 * len(head) / 2 or min(first, second) > 0.5 * max(first, second):
        return None
    return "utf-16-le" if second > first else "utf-16-be"


def _guess(raw: bytes) -> str:
    """The encoding of bytes that are not all UTF-8: that too, where more lines are UTF-8 than are not."""
    lines = [line for line in raw.splitlines() if not line.isascii()]
    if 2 * sum(map(_is_utf_8, lines)) > len(lines):
        return UTF_8
    return CHINESE if _is_chinese(raw) else WINDOWS


def _is_utf_8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_chinese(raw: bytes) -> bool:
    """Whether the bytes beyond ASCII are pairs, and most of them characters of the frequent half of GB 2312."""
    pairs = frequent = odd = 0
    for run in _HIGH_RUN.findall(raw):
        odd += len(run) % 2
        for first, second in zip(run[::2], run[1::2], strict=False):
            if 0xB0 <= first <= 0xF7:
                pairs += 1
                frequent += first <= 0xD7 and second >= 0xA1
    return pairs > 0 and frequent >= 0.7 * pairs and odd <= 0.2 * pairs
