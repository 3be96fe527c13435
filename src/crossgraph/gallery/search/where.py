"""The language of filters: `date > '2024-01-01' and label in ('Airport', 'Pier') and not name like 'draft%'`.

    filter     = term {"or" term}                   term = factor {"and" factor}
    factor     = "not" factor | "(" filter ")" | column test | column        (a column of truth values stands alone)
    test       = ("=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">=") value
               | ["not"] "in" "(" value {"," value} ")" | ["not"] "like" text | ["not"] "contains" text
               | ["not"] "between" value "and" value | "is" ["not"] "null"
    value      = 'text' | "text" | number | date | "true" | "false"

Words are read in any case; a date without a time is the whole day; a quote inside a text is written twice. A filter
becomes the tree below, never a string that something else reads; `filters.py` evaluates it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NoReturn, TypeAlias

from crossgraph.errors import GalleryError

Operator = Literal["=", "!=", "<", "<=", ">", ">="]
DEEPEST, LONGEST = 40, 20_000


@dataclass(frozen=True)
class Bare:
    """A date that was written without quotes."""

    text: str


Literals: TypeAlias = "str | float | bool | Bare"


@dataclass(frozen=True)
class Compare:
    """The column compared with a value."""

    column: str
    operator: Operator
    value: Literals


@dataclass(frozen=True)
class OneOf:
    """The column equals one of the values."""

    column: str
    values: tuple[Literals, ...]


@dataclass(frozen=True)
class Matches:
    """The column, in any case, fits a pattern (% for any text, _ for any letter), or has the text in it."""

    column: str
    text: str
    pattern: bool


@dataclass(frozen=True)
class Missing:
    """The column has no value."""

    column: str


@dataclass(frozen=True)
class Flag:
    """The column of truth values is true."""

    column: str


@dataclass(frozen=True)
class Not:
    """The contrary; where the value is missing, neither holds. A list is never missing, it may be empty."""

    inner: Filter


@dataclass(frozen=True)
class Every:
    """All of them hold."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True)
class Some:
    """At least one of them holds."""

    parts: tuple[Filter, ...]


Filter: TypeAlias = "Compare | OneOf | Matches | Missing | Flag | Not | Every | Some"

_TOKENS = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
      | (?P<date>\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?)?(?![\w.]))
      | (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<sign><=|>=|<>|!=|==|[=<>(),])""",
    re.VERBOSE | re.ASCII,
)
_SIGNS: dict[str, Operator] = {
    "=": "=",
    "==": "=",
    "!=": "!=",
    "<>": "!=",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
}
RESERVED = frozenset({"and", "or", "not", "in", "like", "contains", "between", "is", "null", "true", "false"})


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    place: int


def parse_filter(text: str) -> Filter:
    """The tree of a filter. Raises `GalleryError`, pointing at the place, for anything that is not one."""
    if len(text) > LONGEST:
        raise GalleryError(f"the filter has {len(text):,} letters; at most {LONGEST:,} are read.")
    if not text.isascii() and text != text.encode("utf-8", "replace").decode():
        raise GalleryError("the filter holds letters that are not valid Unicode.")
    return _Parser(text).whole()


def columns_of(node: Filter) -> frozenset[str]:
    """The columns that a filter reads.

    >>> sorted(columns_of(parse_filter("not (width > 3 or name like 'a%') and taken is null")))
    ['name', 'taken', 'width']
    """
    if isinstance(node, Not):
        return columns_of(node.inner)
    if isinstance(node, Every | Some):
        return frozenset().union(*map(columns_of, node.parts))
    return frozenset({node.column})


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = 0

    def whole(self) -> Filter:
        if self._tokens[0].kind == "end":
            raise GalleryError("the filter is empty. Write for example: date > '2024-01-01' and label = 'Airport'.")
        found = self._some(0)
        if self._token.kind != "end":
            self._refuse("'and', 'or' or the end")
        return found

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _some(self, depth: int) -> Filter:
        parts = [self._every(depth)]
        while self._takes("or"):
            parts.append(self._every(depth))
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def _every(self, depth: int) -> Filter:
        parts = [self._factor(depth)]
        while self._takes("and"):
            parts.append(self._factor(depth))
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def _factor(self, depth: int) -> Filter:
        if depth > DEEPEST:
            raise GalleryError(f"the filter nests more than {DEEPEST} deep. Write it flatter.")
        if self._takes("not"):
            return Not(self._factor(depth + 1))
        if self._takes("("):
            inner = self._some(depth + 1)
            self._require(")")
            return inner
        return self._test(self._column())

    def _column(self) -> str:
        if self._token.kind != "word" or self._token.text.lower() in RESERVED:
            self._refuse("the name of a column")
        return self._advance().text.lower()

    def _test(self, column: str) -> Filter:
        if self._token.text in _SIGNS and self._token.kind == "sign":
            return Compare(column, _SIGNS[self._advance().text], self._value())
        if self._takes("is"):
            negated = self._takes("not")
            self._require("null")
            return Not(Missing(column)) if negated else Missing(column)
        negated = self._takes("not")
        if self._takes("in"):
            found: Filter = OneOf(column, self._values())
        elif self._takes("like"):
            found = Matches(column, self._string(), pattern=True)
        elif self._takes("contains"):
            found = Matches(column, self._string(), pattern=False)
        elif self._takes("between"):
            low = self._value()
            self._require("and")
            found = Every((Compare(column, ">=", low), Compare(column, "<=", self._value())))
        elif negated:
            self._refuse("'in', 'like', 'contains' or 'between'")
        else:
            return Flag(column)
        return Not(found) if negated else found

    def _values(self) -> tuple[Literals, ...]:
        self._require("(")
        values = [self._value()]
        while self._takes(","):
            values.append(self._value())
        self._require(")")
        return tuple(values)

    def _value(self) -> Literals:
        token = self._token
        if token.kind == "text":
            return self._string()
        if token.kind == "number":
            return float(self._advance().text)
        if token.kind == "date":
            return Bare(self._advance().text)
        if token.kind == "word" and token.text.lower() in ("true", "false"):
            return self._advance().text.lower() == "true"
        hint = ""
        if token.kind == "word":
            hint = "; use 'is null'" if token.text.lower() == "null" else f"; put text in quotes: '{token.text}'"
        self._refuse(f"a value{hint}")

    def _string(self) -> str:
        if self._token.kind != "text":
            self._refuse("a text in quotes")
        quoted = self._advance().text
        return quoted[1:-1].replace(quoted[0] * 2, quoted[0])

    def _advance(self) -> _Token:
        self._next += 1
        return self._tokens[self._next - 1]

    def _takes(self, word: str) -> bool:
        """Whether the next token is this word or sign; if so, it is read."""
        fits = self._token.kind in ("word", "sign") and self._token.text.lower() == word
        self._next += fits
        return fits

    def _require(self, word: str) -> None:
        if not self._takes(word):
            self._refuse(repr(word))

    def _refuse(self, expected: str) -> NoReturn:
        got = "the filter ends" if self._token.kind == "end" else f"it says {self._token.text[:40]!r}"
        raise GalleryError(f"filter, letter {self._token.place + 1}: {got} where {expected} is expected.")


def _tokens(text: str) -> list[_Token]:
    found, place = [], 0
    while place < len(text):
        match = _TOKENS.match(text, place)
        if match is None:
            what = "a quote is not closed" if text[place] in "'\"" else f"{text[place : place + 20]!r} means nothing"
            raise GalleryError(f"filter, letter {place + 1}: {what} here. Write for example: label = 'Airport'.")
        if match.lastgroup != "space":
            found.append(_Token(str(match.lastgroup), match.group(), place))
        place = match.end()
    return [*found, _Token("end", "", len(text))]
