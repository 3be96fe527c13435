"""Sentences become words, and words become ids."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from crossgraph.errors import DataError

EMPTY = "<empty>"
"""Stands for a sentence without words, so that nothing downstream meets zero words."""

PADDING, UNKNOWN = 0, 1

WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
"""Letters and digits of any script, with apostrophes inside: dog's, o'clock, 3d."""


_UNSEEN = frozenset(
    (
        *"\N{COMBINING GRAPHEME JOINER}\N{BRAILLE PATTERN BLANK}\N{HANGUL FILLER}\N{HALFWIDTH HANGUL FILLER}",
        *"\N{HANGUL CHOSEONG FILLER}\N{HANGUL JUNGSEONG FILLER}",
        *map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))),  # selectors of the form of the letter before
    )
)


def is_blank(text: str) -> bool:
    """Whether nothing of a text is seen: white space, control and format characters, fillers.

    >>> is_blank(" \N{ZERO WIDTH SPACE}"), is_blank("a\N{ZERO WIDTH SPACE}")
    (True, False)
    """
    return all(sign.isspace() or sign in _UNSEEN or unicodedata.category(sign) in ("Cc", "Cf") for sign in text)


def normalise(sentence: str) -> str:
    """The sentence in composed Unicode (NFC) with typographic apostrophes made plain; `WORD` is matched on this.

    Lone surrogates, which JSON can smuggle in and no tokenizer takes, are dropped.
    """
    valid = sentence.encode("utf-8", "ignore").decode("utf-8")
    return unicodedata.normalize("NFC", valid).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")


def tokenize(sentence: str) -> list[str]:
    """The lower-case words of a sentence, never none: a sentence without words gives `["<empty>"]`.

    Punctuation is dropped (a hyphen parts words), apostrophes inside words and digits are kept.
    """
    return [match.group().lower() for match in WORD.finditer(normalise(sentence))] or [EMPTY]


PHRASE = 3
"""A sentence of at most so many words, besides articles, is a phrase: it names a thing and tells nothing of it."""

_ARTICLES = frozenset({"a", "an", "the"})
_UNSPACED = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Letters of Thai, Lao, Japanese and Chinese, which put no spaces between words."""


def is_phrase(sentence: str) -> bool:
    """Whether a sentence has at most `PHRASE` words, besides articles; of unspaced scripts two letters are a word."""
    words = [word for word in tokenize(sentence) if word not in _ARTICLES]
    return sum(max(1, len(_UNSPACED.findall(word)) / 2) for word in words) <= PHRASE


@dataclass(frozen=True)
class Vocabulary:
    """Which words have ids: `words[i]` has id i + 2; id 0 is padding and id 1 any other word."""

    words: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.words)) != len(self.words):
            twice = Counter(self.words).most_common(1)[0][0]
            raise DataError(f"the vocabulary lists {twice!r} twice; every word must have one id.")

    @classmethod
    def build(cls, captions: Iterable[str], *, min_count: int = 1) -> Vocabulary:
        """The words that occur at least `min_count` times: frequent ones first, equals in alphabetical order."""
        counts = Counter(word for caption in captions for word in tokenize(caption))
        kept = [word for word, count in counts.items() if count >= min_count]
        return cls(tuple(sorted(kept, key=lambda word: (-counts[word], word))))

    def __len__(self) -> int:
        """How many ids there are, padding and unknown included."""
        return len(self.words) + 2

    def ids(self, words: Sequence[str]) -> list[int]:
        """The id of each word."""
        return [self._ids.get(word, UNKNOWN) for word in words]

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words, start=UNKNOWN + 1)}
