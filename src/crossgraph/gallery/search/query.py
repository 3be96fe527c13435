"""What can be asked: a sentence, a picture, an item, a weighted sum of those; and how a sum is written.

    "2:golden retriever" + ./pool.jpg - fruit

Terms are joined by a + or - that stands alone between spaces. A term is a sentence, a picture file if it starts with
`./`, `../`, `/`, `~/` or `image:`, or a picture of the gallery if it starts with `item:`; `2:` before it is its weight.
Double quotes keep a term together and keep a + or - in it from joining. What has neither is a plain sentence, whatever
else it holds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from crossgraph.errors import ConfigError

PATHS = ("./", "../", "/", "~/")
LIGHTEST, HEAVIEST = 1e-6, 1e6
"""The sizes that the weight of a term may have."""

_TOKEN = re.compile(r'"(?P<quoted>[^"]*)"(?=\s|$)|(?P<bare>\S+)')
_WEIGHT = re.compile(r"(?P<weight>(\d+(\.\d+)?|\.\d+)(e[+-]?\d+)?):(?P<rest>.+)", re.DOTALL | re.IGNORECASE | re.ASCII)
_JOINS = {"+": 1.0, "-": -1.0}


@dataclass(frozen=True)
class TextQuery:
    """Search by a sentence."""

    sentence: str


@dataclass(frozen=True)
class ImageQuery:
    """Search by a picture file, whether it is in the gallery or not."""

    path: Path


@dataclass(frozen=True)
class ItemQuery:
    """Search by a picture of the gallery, named by its id or its path; it is not among its own results."""

    item: str | Path


Single: TypeAlias = TextQuery | ImageQuery | ItemQuery


@dataclass(frozen=True)
class Term:
    """One part of a sum; a negative `weight` takes away."""

    weight: float
    query: Single


@dataclass(frozen=True)
class SumQuery:
    """Search by a weighted sum of queries, of which at least one must have a positive weight."""

    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        if not any(term.weight > 0 for term in self.terms):
            raise ConfigError("a query of minus terms alone says nothing to look for; add a term.")
        wrong = next((one.weight for one in self.terms if not LIGHTEST <= abs(one.weight) <= HEAVIEST), None)
        if wrong is not None:
            raise ConfigError(
                f"the weights of a query's terms must be from {LIGHTEST:f} to {HEAVIEST:.0f} in size, other than 0; "
                f"got {wrong:g}."
            )


Query: TypeAlias = TextQuery | ImageQuery | ItemQuery | SumQuery


@dataclass(frozen=True)
class Feedback:
    """Pictures of the gallery, by id or path, that were what was meant, and that were not."""

    liked: tuple[str, ...] = ()
    disliked: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.liked or self.disliked)


def as_query(query: Query | str | Path) -> Query:
    """A string as a sentence, whatever it holds, and a path as a picture file; a query as it is."""
    if isinstance(query, str):
        return TextQuery(query)
    return ImageQuery(query) if isinstance(query, Path) else query


def parse_query(words: Sequence[str]) -> Query:
    """The query that the words of a command line say: one word is read as an expression, several are its tokens.

    Raises `ConfigError` for what is written wrongly.
    """
    tokens = list(words)
    literal = [False] * len(tokens)
    if len(tokens) == 1:
        found = [(match["quoted"], match["bare"]) for match in _TOKEN.finditer(tokens[0])]
        alone = len(found) == 1 and found[0][0] is not None
        if not alone and not any(bare in _JOINS for _, bare in found):
            return _single(tokens[0])  # quotes within a plain sentence are part of it
        tokens = [bare if quoted is None else quoted for quoted, bare in found]
        literal = [quoted is not None for quoted, _ in found]
    terms = _terms(tokens, literal)
    if len(terms) == 1 and terms[0][0] > 0:
        return _single(terms[0][1])
    return SumQuery(tuple(_weighted(sign, text) for sign, text in terms))


def described(query: Query) -> tuple[Literal["text", "image", "item", "sum"], str]:
    """The kind of the query and what it said; of a sum, in the notation that `parse_query` reads."""
    match query:
        case TextQuery(sentence):
            return "text", sentence
        case ImageQuery(path):
            return "image", str(path)
        case ItemQuery(name):
            return "item", str(name)
        case SumQuery(terms):
            said = " ".join(f"{'-' if term.weight < 0 else '+'} {_written(term)}" for term in terms)
            return "sum", said.removeprefix("+ ")


def _terms(tokens: Sequence[str], literal: Sequence[bool]) -> list[tuple[float, str]]:
    """Sign and text of each term; tokens that no sign divides are one text."""
    terms: list[tuple[float, str]] = []
    sign, said = 1.0, list[str]()
    for place, (token, quoted) in enumerate(zip(tokens, literal, strict=True)):
        if quoted or token not in _JOINS:
            said.append(token)
            continue
        if place:
            terms.append((sign, _text(said, token)))
        sign, said = _JOINS[token], []
    return [*terms, (sign, _text(said, "the end"))]


def _text(said: Sequence[str], before: str) -> str:
    text = " ".join(said).strip()
    if not text:
        raise ConfigError(f"a term is missing before {before!r}. Put a + or - that is not a sign in double quotes.")
    return text


def _weighted(sign: float, text: str) -> Term:
    match = _WEIGHT.fullmatch(text)
    weight = float(match["weight"]) if match else 1.0
    if weight <= 0:
        raise ConfigError(f"the weight of {text!r} must be above 0; put a - before the term to take it away.")
    return Term(sign * weight, _single(match["rest"].strip() if match else text))


def _single(text: str) -> Single:
    if text.startswith("item:"):
        return ItemQuery(text.removeprefix("item:"))
    if text.startswith("image:"):
        return ImageQuery(Path(text.removeprefix("image:")).expanduser())
    return ImageQuery(Path(text).expanduser()) if text.startswith(PATHS) else TextQuery(text)


def _written(term: Term) -> str:
    """A term as it is written, less its sign."""
    match term.query:
        case TextQuery(sentence):
            text = sentence
        case ImageQuery(path):
            text = f"image:{path}"
        case ItemQuery(item):
            text = f"item:{item}"
    weight = abs(term.weight)
    text = text if weight == 1 else f"{weight:g}:{text}"
    return f'"{text}"' if " " in text or text in _JOINS else text
