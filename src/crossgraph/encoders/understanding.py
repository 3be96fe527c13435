"""What a model makes of a text: words it has no entry for, where it stops reading, and scripts it was never shown.

Only what can be known without another model is said. A subword model has pieces for every word, so that a word it never
saw in training is not told from one it did; the script of a text still is, by what was counted in the captions.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache

from crossgraph.words import WORD, normalise

RARE = 0.01
"""A script that a smaller share of the training captions has letters of was not learnt."""
SHOWN = 8  # words of a note
LETTERS = 200  # of a text in one
_SCRIPTS = {
    "CJK": "Chinese",
    "IDEOGRAPHIC": "Chinese",
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "HANGUL": "Korean",
    "MODIFIER": "",
}


@dataclass(frozen=True)
class Understanding:
    """What a model makes of `text`: the words it reads, those `left_out` because it reads no further, and what of it
    is `unknown`: words without an entry of their own, and signs that are no words. Each is listed once.

    `scripts` are those of its letters; of them the model was never shown `strange`, but only `seen`. It is read in
    `language`, one of the `languages` that the encoder knows (ISO codes), whose scripts are `taught`; all three are
    empty where that is not known.
    """

    text: str
    words: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    strange: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    language: str = ""
    languages: tuple[str, ...] = ()
    taught: tuple[str, ...] = ()

    @property
    def is_guess(self) -> bool:
        """Whether the model knows nothing of the text, so that whatever it answers is chance."""
        return set(self.words) <= set(self.unknown) or (bool(self.scripts) and set(self.scripts) <= set(self.strange))

    def notes(self) -> tuple[str, ...]:
        """What a reader must know of answers to this text, a sentence each; none where all was understood."""
        found = []
        if not self.words and not self.unknown:
            text = self.text if len(self.text) <= LETTERS else f"{self.text[:LETTERS]}..."
            found.append(f"there is no word in {text!r}; what follows is a guess")
        elif set(self.words) <= set(self.unknown):
            found.append(f"the model knows none of these words: {_listed(self.unknown)}; what follows is a guess")
        elif self.unknown:
            known = sum(word not in self.unknown for word in self.words)
            others = f"{known} of {len(self.words)} words"
            found.append(f"the model does not know {_listed(self.unknown)}; it goes by the other {others}")
        if self.strange:
            guess = "; what follows is a guess" if self.is_guess and not found else ""
            found.append(
                f"{' and '.join(self.strange)} writing: the captions that the model was trained on are in "
                f"{' and '.join(self.seen)} letters{guess}"
            )
        if self.left_out:
            last = f", {self.words[-1]!r}" if self.words else ""
            found.append(
                f"the text is cut after word {len(self.words)}{last}; {len(self.left_out)} more are not read, from "
                f"{self.left_out[0]!r} on"
            )
        return tuple(found)

    def judged_by(self, shares: Mapping[str, float]) -> Understanding:
        """The same with scripts that the training captions, of which these `shares` had letters of each, did not have.

        What the encoder was taught it has seen too. Nothing is said where nothing was counted.
        """
        seen = tuple(script for script, share in shares.items() if share >= RARE)
        seen = _once((*seen, *self.taught)) if seen else ()
        strange = tuple(script for script in self.scripts if script not in seen) if seen else ()
        return replace(self, strange=strange, seen=seen)

    def together_with(self, other: Understanding) -> Understanding:
        """What two models that answer one query after the other make of it: what either does not know is unknown."""
        shorter = min(self, other, key=lambda one: len(one.words))
        return replace(
            shorter,
            unknown=_once((*self.unknown, *other.unknown)),
            strange=_once((*self.strange, *other.strange)),
            seen=self.seen or other.seen,
        )


def read_text(text: str, *, max_words: int) -> Understanding:
    """A text as a model reads it that knows every word and reads `max_words` of them; signs such as 🔴 are no words."""
    sentence = normalise(text)
    words = [match.group().lower() for match in WORD.finditer(sentence)]
    signs = _once(sign for sign in sentence if unicodedata.category(sign) == "So")
    return Understanding(text, tuple(words[:max_words]), tuple(words[max_words:]), signs, scripts=scripts_of(sentence))


def scripts_of(text: str) -> tuple[str, ...]:
    """The scripts of the letters of a text, in the order in which they come: "Latin", "Cyrillic", "Chinese"."""
    if text.isascii():
        return ("Latin",) if any(letter.isalpha() for letter in text) else ()
    letters = (letter for letter in unicodedata.normalize("NFKC", text) if letter.isalpha())
    return _once(filter(None, map(script_of, letters)))


def script_shares(captions: Iterable[str]) -> dict[str, float]:
    """The share of captions that have letters of each script, the commonest first."""
    texts = list(captions)
    counts = Counter(script for caption in texts for script in scripts_of(caption))
    return {script: round(count / len(texts), 4) for script, count in counts.most_common()}


@cache
def script_of(letter: str) -> str:
    """What the Unicode name of a letter begins with, as in "CYRILLIC SMALL LETTER A"; empty for one of no script."""
    first = re.split("[ -]", unicodedata.name(letter, ""), maxsplit=1)[0]
    return _SCRIPTS.get(first, first.capitalize())


def _once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _listed(words: tuple[str, ...]) -> str:
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + more
