"""What a request asks of a gallery: the same words in a URL, in JSON and in the address of the page.

    q=two dogs&term=-0.5:text:ball&like=ID&where=width > 800&mode=fast&offset=50

A `term` is WEIGHT:KIND:VALUE; its kind is `text`, `item` (the id of a picture of the gallery) or `image` (the id of an
uploaded one). `q` is a sentence with weight 1, taken as it is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from crossgraph.gallery.search.facets import FacetChoice
from crossgraph.gallery.search.filters import WHERE_THEY_LIE
from crossgraph.gallery.search.options import SearchOptions, Sort, Target
from crossgraph.gallery.search.query import (
    LIGHTEST,
    Feedback,
    ImageQuery,
    ItemQuery,
    Query,
    Single,
    SumQuery,
    Term,
    TextQuery,
)
from crossgraph.gallery.search.where import columns_of, parse_filter
from crossgraph.gallery.tables.items import ID
from crossgraph.serving.library import Library
from crossgraph.serving.maps import ids_within
from crossgraph.serving.problems import Problem
from crossgraph.serving.uploads import Uploads

LONGEST = 2_000  # letters of a sentence or filter
DEEPEST = 10_000  # answers that can be passed over
MOST_TERMS, MOST_MARKS = 16, 50
HEAVIEST = 100  # the weight of a term
PREFIX = 30  # letters that the weight and the kind of a term may take before its value
TERM = r"^[+-]?([0-9]{1,6}\.?[0-9]{0,6}|\.[0-9]{1,6}):(text|item|image):[^\x00]+$"

Kind: TypeAlias = Literal["text", "item", "image"]
ItemId: TypeAlias = Annotated[str, Field(pattern=f"^{ID}$")]
WrittenTerm: TypeAlias = Annotated[str, Field(max_length=LONGEST + PREFIX, json_schema_extra={"pattern": TERM})]
"""What `read_term` reads, which says what is wrong with another one."""


class TermIn(BaseModel):
    """One part of a weighted sum; a negative weight takes away."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weight: float = Field(
        1.0,
        ge=-HEAVIEST,
        le=HEAVIEST,
        allow_inf_nan=False,
        description=f"At least {LIGHTEST:f} in size; below 0 takes away.",
    )
    kind: Kind = Field("text", description="What `value` is: a sentence, the id of a picture, or of an uploaded one.")
    value: str = Field(min_length=1, max_length=LONGEST)

    @field_validator("weight")
    @classmethod
    def _says_something(cls, weight: float) -> float:
        if abs(weight) < LIGHTEST:
            raise ValueError(f"the weight must be at least {LIGHTEST:f} in size, below 0 to take away")
        return weight

    def written(self) -> str:
        """The term as a URL says it."""
        weight = f"{self.weight:.6f}".rstrip("0").rstrip(".")
        return f"{weight}:{self.kind}:{self.value}"


class Narrowed(BaseModel):
    """Which pictures are meant, before anything is ranked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    where: str | None = Field(
        None,
        max_length=LONGEST,
        description="Only pictures that fit this filter.",
        examples=["date > '2024-01-01' and width >= 800"],
    )
    facet: list[Annotated[str, Field(max_length=500)]] = Field(
        [],
        max_length=50,
        description="Only pictures of these values of facets, as NAME:VALUE.",
        examples=[["label:dog"]],
    )
    region: str | None = Field(
        None,
        max_length=LONGEST,
        pattern=r"^[0-9.,;]*$",
        description="Only pictures within this polygon of the map: x,y;x,y;x,y, each between 0 and 1.",
    )

    @property
    def written(self) -> str | None:
        """The filter, if one is written."""
        return (self.where or "").strip() or None

    @property
    def choices(self) -> tuple[FacetChoice, ...]:
        """The values of facets that were chosen. Raises `GalleryError` for what chooses nothing."""
        return tuple(FacetChoice.parse(one) for one in self.facet)


class _Common(Narrowed):
    """What a URL and a JSON body have in common."""

    q: str | None = Field(
        None, max_length=LONGEST, description="A sentence, taken as it is.", examples=["two dogs on a beach"]
    )
    like: list[ItemId] = Field([], max_length=MOST_MARKS, description="Pictures that were meant, by id.")
    dislike: list[ItemId] = Field([], max_length=MOST_MARKS, description="Pictures that were not meant, by id.")
    mode: Literal["fast", "balanced", "best"] = Field("best", description="How much work.")
    sort: Sort = Field("score", description="The order of the answers of one page.")
    target: Target = Field("images", description="What answers: pictures, or their captions.")
    exact: bool = Field(True, description="Put the very caption, tag or file name first.")
    rerank: bool = Field(True, description="Order the shortlist by the fine score, where the model has one.")
    fold: bool = Field(True, description="Show pictures that look alike as one answer.")
    k: int = Field(20, ge=1, le=200, description="How many answers.")
    offset: int = Field(0, ge=0, le=DEEPEST, description="Pass over so many answers.")


class SearchParameters(_Common):
    """A search as a URL says it."""

    term: list[WrittenTerm] = Field(
        [],
        max_length=MOST_TERMS,
        description="A part of a weighted sum: WEIGHT:KIND:VALUE, KIND being text, item or image.",
        examples=[["-0.5:text:ball"]],
    )

    def as_body(self) -> SearchBody:
        """The same as JSON says it. Raises `Problem` 422 for a term that cannot be."""
        values = self.model_dump(exclude={"term"}, exclude_unset=True)
        return SearchBody(**values, terms=[read_term(one) for one in self.term])


class SearchBody(_Common):
    """A search as JSON says it."""

    terms: list[TermIn] = Field([], max_length=MOST_TERMS, description="A weighted sum, beside `q`.")

    def every_term(self) -> tuple[TermIn, ...]:
        """`q`, where there is one, and the terms."""
        first = (TermIn(value=self.q.strip()),) if self.q and self.q.strip() else ()
        return (*first, *self.terms)


@dataclass(frozen=True)
class Asked:
    """A search that can be made: all its pictures are there. `query` is None where nothing is looked for."""

    query: Query | None
    options: SearchOptions
    feedback: Feedback


def read_term(text: str) -> TermIn:
    """The term that a URL says. Raises `Problem` 422."""
    if not re.fullmatch(TERM, text):
        raise _unread(text)
    weight, kind, value = text.split(":", 2)
    try:
        return TermIn.model_validate({"weight": float(weight), "kind": kind, "value": value.strip()})
    except ValidationError as error:
        raise _unread(text) from error


def _unread(text: str) -> Problem:
    return Problem(
        422,
        f"the term {text[:80]!r} cannot be read. Write WEIGHT:KIND:VALUE, as in -0.5:text:ball; the weight is from "
        f"{LIGHTEST:f} to {HEAVIEST}, with a - to take away, the kind is text, item or image, and the value has at "
        f"most {LONGEST:,} letters.",
    )


def asked_of(body: SearchBody, library: Library, uploads: Uploads) -> Asked:
    """The search that a request means.

    Raises `Problem` 404 for a picture that is not there, 410 for an upload that is gone, `ConfigError` or `Problem` 422
    for what cannot be.
    """
    terms = body.every_term()
    library.require_items((*body.like, *body.dislike))
    options = SearchOptions(
        k=body.k,
        offset=body.offset,
        mode=body.mode,
        sort=body.sort,
        target=body.target,
        exact=body.exact,
        rerank=body.rerank,
        fold=body.fold,
        where=where_of(body, library),
        among=among_of(body, library),
    )
    feedback = Feedback(tuple(body.like), tuple(body.dislike))
    if not terms:
        return Asked(None, options, feedback)
    singles = [_single(term, library, uploads) for term in terms]
    alone = len(terms) == 1 and terms[0].weight == 1
    query: Query = (
        singles[0]
        if alone
        else SumQuery(tuple(Term(term.weight, single) for term, single in zip(terms, singles, strict=True)))
    )
    return Asked(query, options, feedback)


def _single(term: TermIn, library: Library, uploads: Uploads) -> Single:
    match term.kind:
        case "text":
            return TextQuery(term.value)
        case "item":
            library.require_items((term.value,))
            return ItemQuery(term.value)
        case "image":
            return ImageQuery(uploads.path(term.value))


def where_of(body: Narrowed, library: Library) -> str | None:
    """The filter of the request: what it says, and the values of facets that were chosen."""
    written = written_of(body, library)
    return library.facets().where(body.choices, written) if body.facet else written


def written_of(body: Narrowed, library: Library) -> str | None:
    """The filter that a request says. Raises `Problem` 422 for one by which it could be asked where pictures lie."""
    if body.written and not library.settings.show_paths:
        asked = sorted(columns_of(parse_filter(body.written)) & set(WHERE_THEY_LIE))
        if asked:
            raise Problem(
                422,
                f"this server does not say where pictures lie, so no filter reads {asked[0]}. Choose a folder by its "
                "name (facet=folder:NAME), or start the server with --show-paths.",
            )
    return body.written


def among_of(body: Narrowed, library: Library) -> tuple[str, ...] | None:
    """The ids of the pictures in the part of the map that was marked; None where none was.

    Raises `Problem` 422 for a region that is none, 503 while the first map is computed.
    """
    return ids_within(body.region, library.map()) if body.region else None
