"""The state of the search page, as its address says it, and the addresses of what is one step from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import Field

from crossgraph.gallery.tables.items import ID
from crossgraph.serving.problems import Problem
from crossgraph.serving.search_request import (
    DEEPEST,
    LONGEST,
    MOST_TERMS,
    SearchBody,
    SearchParameters,
    TermIn,
    read_term,
)

WEIGHTS = (0.5, 1.0, 2.0)
MODES = ("fast", "balanced", "best")
SORTS = {"score": "best first", "date": "newest first", "name": "by name"}
TARGETS = {"images": "pictures", "captions": "captions"}
_FIRST = ("q", "term", "like", "dislike")  # in addresses
_PAGE_ONLY = {"open", "at", "theme", "all", "do", "was"}


class PageParameters(SearchParameters):
    """What the address of the page says: a search, and what is shown beside its answers."""

    k: int = Field(48, ge=1, le=200, description="How many answers.")
    open: Annotated[str, Field(pattern=f"^({ID})?$")] = ""
    at: int = Field(0, ge=0, le=DEEPEST + 200, description="The rank of the picture that is open; 0 where it has none.")
    theme: Literal["", "light", "dark"] = ""
    all: Annotated[str, Field(max_length=200)] = Field("", description="The facet of which every value is shown.")
    do: Literal["", "add", "without"] = Field("", description="What a form does with `q`, beside the query it was.")
    was: str = Field("", max_length=LONGEST, description="The sentence before the form was sent.")

    def as_body(self) -> SearchBody:
        """The search, as JSON says it. Raises `Problem` 422 for a term that cannot be."""
        values = self.model_dump(exclude={"term", *_PAGE_ONLY}, exclude_unset=True)
        return SearchBody(**values | {"k": self.k}, terms=[read_term(one) for one in self.term])


_DEFAULTS = {name: info.get_default() for name, info in PageParameters.model_fields.items()}


@dataclass(frozen=True)
class Choice:
    """One of several links, of which one may be chosen."""

    label: str
    href: str
    chosen: bool = False


@dataclass(frozen=True)
class Chip:
    """A part of the query, and the addresses that change it; `picture` is the address of a small picture of it."""

    kind: Literal["text", "item", "image", "like", "dislike", "facet", "where", "region"]
    label: str
    without: str
    picture: str = ""
    minus: bool = False
    turned: str = ""
    weight: str = ""
    weights: tuple[Choice, ...] = ()
    id: str = ""


@dataclass(frozen=True)
class PageState:
    """What the page shows. `names` are texts for the ids of pictures, `notes` say what of it was not what was asked."""

    asked: PageParameters
    names: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def query(self, **changes: Any) -> str:
        """The query string of this state with some values changed, defaults left out. `at` goes with `open`."""
        values = self._values | ({"at": 0} if "open" in changes else {}) | changes
        return urlencode([pair for name, value in values.items() for pair in _pairs(name, value)])

    def url(self, path: str = "/", **changes: Any) -> str:
        """The address of this state with some values changed."""
        query = self.query(**changes)
        return f"{path}?{query}" if query else path

    def fresh(self, **changes: Any) -> str:
        """The address of another search from its first answer, nothing opened."""
        return self.url(offset=0, open="", all="", **changes)

    def cleared(self) -> str:
        """The address at which nothing is looked for and nothing left out."""
        nothing: dict[str, list[str]] = {"term": [], "like": [], "dislike": [], "facet": []}
        return self.fresh(q=None, where=None, region=None, **nothing)

    @property
    def looks_for(self) -> bool:
        """Whether anything is looked for, rather than pictures browsed."""
        return bool((self.asked.q and self.asked.q.strip()) or self.asked.term)

    @property
    def filters(self) -> bool:
        """Whether some pictures are left out by what was chosen."""
        return bool(self.asked.facet or self.asked.written or self.asked.region)

    @cached_property
    def terms(self) -> tuple[TermIn, ...]:
        """The parts of the query: the sentence of the box first."""
        return self.asked.as_body().every_term()

    def with_terms(self, terms: list[TermIn]) -> str:
        """The address of the search by these parts; one sentence alone stands in the box."""
        if len(terms) == 1 and terms[0].kind == "text" and terms[0].weight == 1:
            return self.fresh(q=terms[0].value, term=[])
        first = self.asked.q and terms and terms[0] == TermIn(value=self.asked.q.strip())
        rest = terms[1:] if first else terms
        return self.fresh(q=self.asked.q if first else None, term=[one.written() for one in rest])

    def marked(self, id: str, mark: Literal["like", "dislike"]) -> str:
        """The address at which a picture has this mark and not the other, or neither where it has this one already."""
        marks = {name: _without(getattr(self.asked, name), id) for name in ("like", "dislike")}
        if id not in getattr(self.asked, mark):
            marks[mark].append(id)
        return self.fresh(**marks)

    def hidden(self) -> list[tuple[str, str]]:
        """What the form of the box sends along beside its sentence."""
        left = {name: value for name, value in self._values.items() if name not in ("q", "offset", "open", "at", "all")}
        return [pair for name, value in left.items() for pair in _pairs(name, value)]

    def chips(self) -> list[Chip]:
        """What is asked for, part by part: terms, marks, filters."""
        try:
            terms = list(self.terms)
        except Problem:  # it is told below the box
            terms = []
        chips = [self._term_chip(terms, place) for place in range(len(terms))]
        for kind in ("like", "dislike"):
            marks: list[str] = getattr(self.asked, kind)
            chips += [
                Chip(
                    "like" if kind == "like" else "dislike",
                    self.names.get(one, one),
                    self.fresh(**{kind: _without(marks, one)}),
                    picture=f"/v1/items/{one}/thumbnail",
                    minus=kind == "dislike",
                    id=one,
                )
                for one in marks
            ]
        for one in self.asked.facet:
            chips.append(Chip("facet", _facet_words(one), self.fresh(facet=_without(self.asked.facet, one))))
        if self.asked.written:
            chips.append(Chip("where", self.asked.written, self.fresh(where=None)))
        if self.asked.region:
            chips.append(Chip("region", "a part of the map", self.fresh(region=None)))
        return chips

    def by_form(self) -> str | None:
        """Where a sent form leads, if its sentence is one more part of the query; None where it is the query itself.

        A sentence that begins with `+ ` or `- ` is added too, where there was a query.
        """
        asked, was = self.asked, self.asked.was.strip()
        text, do = (asked.q or "").strip(), asked.do
        before = TermIn(value=was) if was else None
        if not do and text[:2] in ("+ ", "- ") and (was or asked.term):
            do, text = ("add" if text[0] == "+" else "without"), text[2:].strip()
        earlier = PageState(asked.model_copy(update={"q": was or None, "do": "", "was": ""}))
        if not do:
            if not asked.was and "was" not in asked.model_fields_set:
                return None
            plain = PageState(asked.model_copy(update={"do": "", "was": ""}))
            marks: dict[str, list[str]] = {} if text == was else {"like": [], "dislike": []}
            return plain.fresh(q=text or None, **marks)
        if not text or text == was:
            return earlier.fresh()
        terms = [*([before] if before else []), *(read_term(one) for one in asked.term)]
        added = TermIn(value=text, weight=1.0 if do == "add" else -1.0)
        return earlier.with_terms([*terms, added][: MOST_TERMS + 1])

    @cached_property
    def _values(self) -> dict[str, Any]:
        found = self.asked.model_dump(exclude={"do", "was"})
        return {name: found[name] for name in (*_FIRST, *found) if found.get(name) not in (None, "", [])}

    def _term_chip(self, terms: list[TermIn], place: int) -> Chip:
        term = terms[place]

        def other(weight: float) -> str:
            changed = list(terms)
            changed[place] = term.model_copy(update={"weight": weight})
            return self.with_terms(changed)

        size, sign = abs(term.weight), -1.0 if term.weight < 0 else 1.0
        picture = {
            "text": "",
            "item": f"/v1/items/{term.value}/thumbnail",
            "image": f"/upload/{term.value}",
        }[term.kind]
        label = {"text": term.value, "item": self.names.get(term.value, term.value), "image": "your picture"}[term.kind]
        return Chip(
            term.kind,
            label,
            self.with_terms([*terms[:place], *terms[place + 1 :]]),
            picture=picture,
            minus=sign < 0,
            turned=other(-term.weight) if len(terms) > 1 else "",
            weight="" if size == 1 else weight_words(size),
            weights=tuple(Choice(weight_words(one), other(sign * one), one == size) for one in WEIGHTS)
            if len(terms) > 1
            else (),
            id=term.value if term.kind == "item" else "",
        )


def weight_words(weight: float) -> str:
    """A weight as a chip says it."""
    return "×½" if weight == 0.5 else f"×{weight:g}"


def _facet_words(text: str) -> str:
    name, _, value = text.partition(":")
    return f"{name.removeprefix('note.')}: {value}"


def _without(values: list[str], one: str) -> list[str]:
    return [value for value in values if value != one]


def _pairs(name: str, value: Any) -> list[tuple[str, str]]:
    if value is None or value == "" or value == _DEFAULTS.get(name):
        return []
    if isinstance(value, list | tuple):
        return [(name, str(one)) for one in value]
    return [(name, str(value).lower() if isinstance(value, bool) else str(value))]
