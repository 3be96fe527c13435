"""Why a picture matches a sentence, as numbers and drawn over the picture; why one answer stands above another."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from crossgraph.serving.comparing import CompareOut, compared
from crossgraph.serving.description import conditional
from crossgraph.serving.explanations import Explained, ExplainOut, drawn, explained
from crossgraph.serving.overlay import overlay_of
from crossgraph.serving.pages.templates import ENVIRONMENT
from crossgraph.serving.pictures import is_known
from crossgraph.serving.problems import documented
from crossgraph.serving.search_request import LONGEST, ItemId, SearchBody, SearchParameters
from crossgraph.serving.server import Server, TheServer

router = APIRouter(prefix="/v1", tags=["explain"])
KEEP = "private, no-cache"
"""Kept by browsers, and asked for again: a gallery changes."""

OfItem = Annotated[ItemId, Query(description="The id of a picture.")]
Sentence = Annotated[
    str,
    Query(alias="q", min_length=1, max_length=LONGEST, description="The sentence to explain.", examples=["two dogs"]),
]


@router.get("/explain", responses=documented(404, 410))
async def explain(item: OfItem, sentence: Sentence, server: TheServer) -> ExplainOut:
    """Why a picture matches a sentence: what each word adds, and where in the picture it was found."""
    return (await found(server, item, sentence)).told


@router.get(
    "/explain.svg",
    response_class=Response,
    responses={
        **documented(304, 404, 410),
        200: {"content": {"image/svg+xml": {"schema": {"type": "string"}}}},
    },
    openapi_extra=conditional(),
)
async def explain_as_svg(
    item: OfItem,
    sentence: Sentence,
    request: Request,
    server: TheServer,
    word: Annotated[int | None, Query(ge=0, description="Light this word, counted from 0.")] = None,
    match: Annotated[int | None, Query(ge=0, description="Draw this match, counted from 0.")] = None,
) -> Response:
    """The picture with the regions of one word lit, or one match drawn; by default what adds most."""
    one = await found(server, item, sentence)
    overlay = overlay_of(one, word=word, match=match)
    told = headers(one, f"svg {word} {match}")
    if is_known(request.headers, told["ETag"]):
        return Response(status_code=304, headers=told)
    text = ENVIRONMENT.get_template("picture_svg.html").render(
        overlay=overlay, picture=f"/v1/items/{item}/thumbnail?size=1280"
    )
    return Response(text.strip() + "\n", media_type="image/svg+xml", headers=told)


@router.get(
    "/explain.png",
    response_class=Response,
    responses={
        **documented(304, 404, 410),
        200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
    },
    openapi_extra=conditional(),
)
async def explain_as_png(item: OfItem, sentence: Sentence, request: Request, server: TheServer) -> Response:
    """The whole explanation as one drawing, as `crossgraph explain` makes it."""
    one = await found(server, item, sentence)
    told = headers(one, "png")
    if is_known(request.headers, told["ETag"]):
        return Response(status_code=304, headers=told)
    return Response(await server.engine.run(lambda: drawn(one)), media_type="image/png", headers=told)


class CompareParameters(SearchParameters):
    """A search, and two of its answers."""

    a: ItemId = Field(description="The id of a picture.")
    b: ItemId = Field(description="The id of another one.")

    def as_body(self) -> SearchBody:
        """The search. Raises `Problem` 422 for a term that cannot be."""
        return SearchParameters(**self.model_dump(exclude={"a", "b"}, exclude_unset=True)).as_body()


@router.get("/compare", responses=documented(404, 410))
async def compare(parameters: Annotated[CompareParameters, Query()], server: TheServer) -> CompareOut:
    """Why one of two answers stands above the other: stage by stage, word by word, and in plain words."""
    body = parameters.as_body()
    return await server.engine.run(lambda: compared(server, body, parameters.a, parameters.b))


async def found(server: Server, item: str, sentence: str) -> Explained:
    """The explanation, made by the engine."""
    return await server.engine.run(lambda: explained(server.library, server.alignments, item, sentence))


def headers(one: Explained, what: str) -> dict[str, str]:
    """What names a drawing of an explanation."""
    state = f"{one.tag} {one.told.sentence} {what}"
    return {"ETag": f'"{hashlib.sha256(state.encode()).hexdigest()[:24]}"', "Cache-Control": KEEP}
