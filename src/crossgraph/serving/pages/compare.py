"""Why one answer stands above another: both pictures, stage by stage and word by word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from crossgraph.serving.comparing import CompareOut, WordComparisonOut, compared
from crossgraph.serving.pages.errors import is_part
from crossgraph.serving.pages.explanation_view import Bar, bars
from crossgraph.serving.pages.page_state import PageParameters, PageState
from crossgraph.serving.pages.picture import STAGES, here, ordinal
from crossgraph.serving.pages.shell import shell_of
from crossgraph.serving.pages.templates import page
from crossgraph.serving.search_request import ItemId
from crossgraph.serving.server import TheServer

router = APIRouter()
NAMES = {**STAGES, "exact": "exact hits"}


class CompareParameters(PageParameters):
    """The state of the search page, and the two answers."""

    a: ItemId
    b: ItemId


@dataclass(frozen=True)
class StageRow:
    """A stage of the search: its place and score for either picture, as text."""

    name: str
    first: str
    second: str
    scores: tuple[str, str]
    difference: str
    ahead: str | None
    decided: bool


@dataclass(frozen=True)
class WordRow:
    """A word or a node; `bar` is how much more it says for the first."""

    told: WordComparisonOut
    bar: Bar


@router.get("/compare")
async def compare(asked: Annotated[CompareParameters, Query()], request: Request, server: TheServer) -> Response:
    """The comparison: a part of the panel of a picture, or a page of its own."""
    values = asked.model_dump(exclude={"a", "b"}, exclude_unset=True)
    state = PageState(PageParameters.model_validate(values | {"open": ""}))
    body = state.asked.as_body()
    found = await server.engine.run(lambda: compared(server, body, asked.a, asked.b))
    part = is_part(request.url.path, request.headers)
    shown: dict[str, Any] = {
        "found": found,
        "state": state,
        "part": part,
        "stages": stage_rows(found),
        "words": word_rows(found),
        "links": (here(state, asked.a), here(state, asked.b)),
    }
    if part:
        return page("compare.html", **shown)
    return page("compare_page.html", shell=shell_of(request, "", theme=asked.theme), **shown)


def stage_rows(found: CompareOut) -> list[StageRow]:
    """The stages, in the order in which they ran."""
    return [
        StageRow(
            NAMES[one.stage],
            ordinal(one.first.rank),
            ordinal(one.second.rank),
            (number(one.first.score), number(one.second.score)),
            "" if one.difference is None else f"{one.difference:+.3f}",
            one.ahead,
            one.stage == found.decided,
        )
        for one in found.stages
    ]


def word_rows(found: CompareOut) -> list[WordRow]:
    """What speaks for the two, what differs most first: nodes where the score is made of them, else words."""
    told = sorted(found.nodes or found.words, key=lambda one: -abs(one.difference))
    return [WordRow(one, bar) for one, bar in zip(told, bars([one.difference for one in told]), strict=True)]


def number(value: float | None) -> str:
    """A score as it is shown; nothing where there is none."""
    return "" if value is None else f"{value:.3f}"
