"""A sentence as a tree of words that may be rearranged: who hangs on whom, and as what.

Dependency labels are those of ClearNLP ("nsubj", "pobj", ...), tags those of the Penn Treebank ("NN", "VBG", ...).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from crossgraph.graphs.lexicon import ANIMALS, NOUNS, PEOPLE, PLURAL_ONLY, VERBS
from crossgraph.graphs.predicates import Phrase, phrase_at
from crossgraph.graphs.scene_graph import Span

PREPOSITION_STAND_IN, PLACE_STAND_IN = "near", "nearby"
"""What the dependency parser reads instead of a phrase: one common word of the same part of speech."""


SUBJECTS = ("nsubj", "nsubjpass", "csubj")
FINITE = ("VBZ", "VBP", "VBD")
FRAME = "frame"
"""The label of a word that is about the picture, not in it ("a picture of", "we see")."""


@dataclass(frozen=True)
class Piece:
    """A word before parsing: what stands in the sentence at `span`, and the phrase it is, if it is one."""

    text: str
    span: Span
    phrase: Phrase | None = None

    @property
    def read_as(self) -> str:
        """The word as the dependency parser is to see it."""
        if self.phrase is None:
            return self.text
        return PLACE_STAND_IN if self.phrase.is_place else PREPOSITION_STAND_IN


@dataclass(eq=False)
class Word:
    """A word in the tree; `text` is in lower case, a phrase's `text` and `lemma` are its name."""

    index: int
    text: str
    lemma: str
    tag: str
    dep: str
    span: Span
    is_place: bool = False
    head: Word | None = None
    children: list[Word] = field(default_factory=list)
    count: int | None = None
    """How many there are, where another word of the sentence that has left the tree said so."""

    @property
    def is_noun(self) -> bool:
        """Whether it is tagged as a noun."""
        return self.tag.startswith("NN")

    @property
    def is_alive(self) -> bool:
        """Whether it names a person or an animal."""
        is_listed = self.lemma in PEOPLE or self.lemma in ANIMALS
        return self.is_noun and (is_listed or self.lemma.endswith(("man", "woman", "boy", "girl")))

    @property
    def is_verb(self) -> bool:
        """Whether it is a verb that may have subject and object, rather than a participle before a noun."""
        return self.tag.startswith("VB") and self.dep not in ("amod", "compound", "aux", "auxpass")

    @property
    def is_preposition(self) -> bool:
        """Whether it ties a noun to something."""
        return self.tag in ("IN", "TO") and not self.is_place and self.dep not in ("mark", "aux", "prt")

    def having(self, *deps: str) -> list[Word]:
        """The children that hang on it as one of `deps`, in the order of the sentence."""
        return [child for child in self.children if child.dep in deps]

    def ancestors(self) -> Iterator[Word]:
        """Its head, its head's head, and so on."""
        word = self.head
        while word is not None:
            yield word
            word = word.head

    def conjuncts(self) -> list[Word]:
        """It and what is joined to it by "and", in the order of the sentence."""
        joined = [self]
        for word in joined:
            joined.extend(word.having("conj"))
        return sorted(joined, key=lambda word: word.index)

    def first_conjunct(self) -> Word:
        """The word that the list it is in began with."""
        word = self
        while word.dep == "conj" and word.head is not None:
            word = word.head
        return word

    def hang_on(self, head: Word | None, dep: str) -> None:
        """Move it and what hangs on it; where this would tie a knot, its new head comes to hang on its old one."""
        if head is not None and (head is self or self in head.ancestors()):
            if head is self:
                return
            head.hang_on(self.head, self.dep)
        if self.head is not None:
            self.head.children.remove(self)
        self.head, self.dep = head, dep
        if head is not None:
            head.children.append(self)
            head.children.sort(key=lambda word: word.index)


def pieces_of(tokens: Any) -> list[Piece]:
    """The words of a tokenized sentence (a spaCy Doc): hyphenated ones in one piece, known phrases in one piece."""
    joined: list[Piece] = []
    for token in tokens:
        start, end = token.idx, token.idx + len(token.text)
        if token.is_space:
            continue
        last = joined[-1] if joined else Piece("", (0, 0))
        is_bound = last.span[1] == start and last.text[-1:].isalnum() and token.text == "-"
        if is_bound or (last.span[1] == start and last.text[1:].endswith("-") and token.text[0].isalnum()):
            joined[-1] = Piece(last.text + token.text, (last.span[0], end))
        else:
            joined.append(Piece(token.text, (start, end)))
    return _with_phrases(joined)


def _with_phrases(pieces: list[Piece]) -> list[Piece]:
    words = [piece.text.lower() for piece in pieces]
    found: list[Piece] = []
    position = 0
    while position < len(pieces):
        phrase = phrase_at(words, position)
        length = phrase.length if phrase else 1
        span = (pieces[position].span[0], pieces[position + length - 1].span[1])
        found.append(Piece(pieces[position].text, span, phrase))
        position += length
    return found


def tree_of(pieces: list[Piece], parsed: Any) -> list[Word]:
    """The words of a parsed sentence (a spaCy Doc of one token per piece) in order, tied to a tree."""
    words = [_word(index, piece, token) for index, (piece, token) in enumerate(zip(pieces, parsed, strict=True))]
    for word, token in zip(words, parsed, strict=True):
        if token.head.i != token.i:
            word.head = words[token.head.i]
            word.head.children.append(word)
    return words


def _word(index: int, piece: Piece, token: Any) -> Word:
    if piece.phrase:
        name, tag = piece.phrase.name, "RB" if piece.phrase.is_place else "IN"
        return Word(index, name, name, tag, token.dep_, piece.span, is_place=piece.phrase.is_place)
    text = piece.text.lower()
    return Word(index, text, _lemma(text, token.lemma_.lower(), token.tag_), token.tag_, token.dep_, piece.span)


def _lemma(text: str, lemma: str, tag: str) -> str:
    if tag.startswith("VB"):
        return VERBS.get(lemma, lemma)
    if tag.startswith("NN"):
        return text if text in PLURAL_ONLY else NOUNS.get(text, lemma)
    return text
