"""Sentences as pieces of words, by a unigram model (Kudo 2018) trained on captions; every piece knows its word.

A word of `words.tokenize` is cut into pieces, so that a compound that was never seen is made of what was. Chinese and
Japanese are written without blanks: there each piece is a word of its own.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from crossgraph.encoders.understanding import Understanding, read_text, script_of
from crossgraph.errors import ModelError
from crossgraph.words import EMPTY, WORD, normalise

PAD, UNKNOWN = "<pad>", "<unk>"
LONGEST = 14
"""Letters of the longest piece."""
ROUNDS = 3
"""How often the pieces' probabilities are counted."""
WITHOUT_BLANKS = {"Chinese", "Japanese"}
"""In these a piece of more than `WORD_LETTERS` letters would be a phrase, such as "a man and a woman"."""
WORD_LETTERS = 2


@dataclass(frozen=True)
class Pieces:
    """One sentence: its words, the ids of all pieces, and for each piece the position of its word.

    A sentence without words has the one word `<empty>`, of one unknown piece. `unknown` are words with characters that
    no piece has.
    """

    words: tuple[str, ...]
    ids: tuple[int, ...]
    word: tuple[int, ...]
    unknown: tuple[str, ...] = ()


class PieceCutter:
    """Cuts sentences into the pieces of a `tokenizer`."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.size = tokenizer.get_vocab_size()
        self._unknown = int(tokenizer.token_to_id(UNKNOWN) or 0)
        self._cut = lru_cache(maxsize=50_000)(self._cut_word)

    @classmethod
    def trained(cls, captions: Iterable[str], *, size: int) -> PieceCutter:
        """A cutter with about `size` pieces, learnt from captions.

        Which pieces there are comes from the library's trainer; its probabilities differ a little from call to call,
        so they are counted again here, and the same captions give the same cutter.
        """
        words = Counter(word for caption in captions for word in words_in(caption))
        tokenizer = _unigram([])
        trainer = trainers.UnigramTrainer(
            vocab_size=size,
            special_tokens=[PAD, UNKNOWN],
            unk_token=UNKNOWN,
            max_piece_length=LONGEST,
            show_progress=False,
        )
        every = sorted(words.elements())
        tokenizer.train_from_iterator((" ".join(every[i : i + 20]) for i in range(0, len(every), 20)), trainer)
        pieces = sorted(piece for piece in tokenizer.get_vocab().keys() - {PAD, UNKNOWN} if not _is_phrase(piece))
        counts = _occurrences(words, frozenset(pieces))
        for _ in range(ROUNDS):
            total = sum(counts.values()) + len(pieces)
            logs = [(piece, math.log((counts[piece] + 1) / total)) for piece in pieces]
            tokenizer = _unigram([(PAD, 0.0), (UNKNOWN, 0.0), *logs])
            counts = Counter()
            for word, encoded in zip(words, tokenizer.encode_batch(list(words)), strict=True):
                for piece in encoded.tokens:
                    counts[piece] += words[word]
        return cls(tokenizer)

    @classmethod
    def read(cls, file: Path) -> PieceCutter:
        """The cutter that `write` wrote. Raises `ModelError` where the file is missing or damaged."""
        try:
            return cls(Tokenizer.from_str(file.read_text(encoding="utf-8")))
        except Exception as error:  # the library raises bare exceptions
            raise ModelError(f"{file} cannot be read: {error}. Restore it, or teach the languages again.") from error

    def text(self) -> str:
        """The tokenizer as JSON."""
        return self.tokenizer.to_str()

    def cut(self, sentence: str, *, max_words: int) -> tuple[Pieces, tuple[str, ...]]:
        """The first `max_words` words of a sentence as pieces, and the words that come after."""
        words: list[str] = []
        ids: list[int] = []
        owner: list[int] = []
        unknown: list[str] = []
        for word in words_in(sentence):
            for text, pieces in self._cut(word):
                if len(words) < max_words:
                    ids += pieces
                    owner += [len(words)] * len(pieces)
                if self._unknown in pieces:
                    unknown.append(text)
                words.append(text)
        read = tuple(words[:max_words])
        if not read:
            return Pieces((EMPTY,), (self._unknown,), (0,)), ()
        kept = tuple(word for word in dict.fromkeys(unknown) if word in read)
        return Pieces(read, tuple(ids), tuple(owner), kept), tuple(words[max_words:])

    def _cut_word(self, word: str) -> Sequence[tuple[str, tuple[int, ...]]]:
        """What is shown as words of one word, each with its pieces."""
        encoded = self.tokenizer.encode(word, add_special_tokens=False)
        if not any(script_of(letter) in WITHOUT_BLANKS for letter in word):
            return [(word, tuple(encoded.ids) or (self._unknown,))]
        spans = zip(encoded.ids, encoded.offsets, strict=True)
        return [(word[start:end] or word, (number,)) for number, (start, end) in spans] or [(word, (self._unknown,))]


def read_pieces(text: str, cutter: PieceCutter, *, max_words: int) -> Understanding:
    """What of a text is read in pieces; a word is unknown that has a character which no piece has."""
    read = read_text(text, max_words=max_words)
    pieces, left_out = cutter.cut(text, max_words=max_words)
    words = pieces.words if read.words else ()
    return replace(read, words=words, left_out=left_out, unknown=(*pieces.unknown, *read.unknown))


def words_in(sentence: str) -> list[str]:
    """The lower-case words of a sentence, none where it has none."""
    return [match.group().lower() for match in WORD.finditer(normalise(sentence))]


def _unigram(vocabulary: list[tuple[str, float]]) -> Tokenizer:
    """A tokenizer of pieces with their log-probabilities, the second of which stands for what no piece has."""
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=1) if vocabulary else models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def _is_phrase(piece: str) -> bool:
    """Whether a piece of a text without blanks is more than a word."""
    return len(piece) > WORD_LETTERS and any(script_of(letter) in WITHOUT_BLANKS for letter in piece)


def _occurrences(words: Counter[str], pieces: frozenset[str]) -> Counter[str]:
    """How often each piece occurs anywhere in the words."""
    found: Counter[str] = Counter()
    for word, times in words.items():
        for start in range(len(word)):
            for end in range(start + 1, min(len(word), start + LONGEST) + 1):
                if word[start:end] in pieces:
                    found[word[start:end]] += times
    return found
