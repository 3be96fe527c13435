"""In which of a few taught languages a sentence is: by its script where that decides, else by words and their letters.

A naive Bayes over whole words and runs of its letters (Cavnar and Trenkle 1994 took runs of letters, Dunning
1994 their probabilities), counted on captions of each language. English, which the frozen model reads itself, wins
every doubt: `MARGIN` is how many nats another language must be ahead.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float16, Float64

from crossgraph.encoders.understanding import RARE, script_of, script_shares
from crossgraph.words import WORD, normalise

ENGLISH = "en"

CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "student.safetensors"
FILES = (CONFIG, TOKENIZER, WEIGHTS)
"""Of a folder of taught languages (`polyglot`)."""
GUESS = "guess.weights"
"""What the weights of the guess are called among those of the student."""
MARGIN = 2.0
BUCKETS = 2**17
WHOLE = 4
"""How many runs of letters a whole word counts for."""
SIZES = range(2, 6)
"""How many letters the runs have, the marked ends of a word included."""
SHARED = 0.5
"""How many nats a word of the English captions may be likelier in another language and still count as English."""
KNOWN = 1.5
"""How many nats above a word that no caption has a word is that captions have."""
LEAST = 0.3
"""What is added to every count, so that nothing is impossible."""


@dataclass(frozen=True)
class LanguageGuess:
    """Tells the language of a sentence: `languages[i]` has the log-probabilities `weights[i]` of hashed features.

    `scripts` are those that the captions of each language are written in. English comes first.
    """

    languages: tuple[str, ...]
    scripts: tuple[tuple[str, ...], ...]
    weights: Float16[np.ndarray, "l f"]

    @classmethod
    def fitted(cls, captions: Mapping[str, Iterable[str]], *, english_words: Iterable[str] = ()) -> LanguageGuess:
        """The guess fitted on captions by language, of which one is English.

        `english_words` are known to be English without standing in a caption; those that another language's captions
        hold as well say nothing and are left out.
        """
        texts = {language: list(said) for language, said in captions.items()}
        order = (ENGLISH, *(language for language in texts if language != ENGLISH))
        words = {language: Counter(words_of(said)) for language, said in texts.items()}
        foreign = {word for language in order[1:] for word in words[language]}
        words[ENGLISH].update(word for word in english_words if word not in foreign)
        return cls(
            order,
            tuple(_written_in(texts[language]) for language in order),
            np.stack([_log_probabilities(words[language]) for language in order]),
        )

    def __call__(self, sentence: str) -> str:
        """The language of a sentence, English where nothing speaks for another.

        >>> guess = LanguageGuess.fitted({"en": ["a dog runs"], "de": ["ein hund rennt"], "zh": ["奔跑的狗"]})
        >>> guess("Hund"), guess("two dogs"), guess("狗")
        ('de', 'en', 'zh')
        """
        letters = Counter(filter(None, map(script_of, filter(str.isalpha, normalise(sentence)))))
        if not letters:
            return ENGLISH
        script = letters.most_common(1)[0][0]
        rows = [row for row, scripts in enumerate(self.scripts) if script in scripts]
        if len(rows) < 2:
            return self.languages[rows[0]] if rows else ENGLISH
        if self._is_shared(sentence, rows):
            return ENGLISH
        features = [bucket for word in words_of([sentence]) for bucket in _features(word)]
        scores = self.weights[np.ix_(rows, features)].astype(np.float32).sum(axis=1)
        scores[np.array(rows) == 0] += MARGIN
        return self.languages[rows[int(scores.argmax())]]

    def _is_shared(self, sentence: str, rows: list[int]) -> bool:
        """Whether every word is as much one of the English captions as of another language's: "sofa", "tennis"."""
        if 0 not in rows:
            return False
        never = float(self.weights[0].min())
        for word in words_of([sentence]):
            said = self.weights[rows, _whole(word)].astype(np.float32)
            english = float(said[rows.index(0)])
            if english - never < KNOWN or float(said.max() - english) > SHARED:
                return False
        return True


def words_of(sentences: Iterable[str]) -> Iterable[str]:
    """The lower-case words of sentences, one after the other."""
    return (match.group().lower() for sentence in sentences for match in WORD.finditer(normalise(sentence)))


def _written_in(captions: list[str]) -> tuple[str, ...]:
    """The scripts that at least a hundredth of captions have letters of, if half as many as of the commonest do."""
    shares = script_shares(captions)
    return tuple(script for script, share in shares.items() if share >= max(RARE, max(shares.values()) / 2))


def _features(word: str) -> list[int]:
    """The buckets of a word and of its runs of letters, its ends marked."""
    marked = f"<{word}>"
    runs = [marked[start : start + size] for size in SIZES for start in range(len(marked) - size + 1)]
    return [*[_whole(word)] * WHOLE, *(zlib.crc32(run.encode()) % BUCKETS for run in runs)]


def _whole(word: str) -> int:
    """The bucket of a word as such."""
    return zlib.crc32(f" {word}".encode()) % BUCKETS


def _log_probabilities(words: Counter[str]) -> Float16[np.ndarray, " f"]:
    counts = np.full(BUCKETS, LEAST)
    for word, times in words.items():
        weight = 1 + math.log(times)  # a frequent word is no proof for each of its letters
        for bucket in _features(word):
            counts[bucket] += weight
    logs: Float64[np.ndarray, " f"] = np.log(counts / counts.sum())
    return logs.astype(np.float16)
