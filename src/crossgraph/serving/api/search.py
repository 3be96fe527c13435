"""Searching: by sentence, picture, item or a weighted sum of those; at once, or stage by stage."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, UploadFile
from pydantic import BaseModel
from starlette.responses import Response, StreamingResponse

from crossgraph.errors import CrossgraphError
from crossgraph.gallery.search.cascade import FOLLOWS
from crossgraph.serving import searching
from crossgraph.serving.description import EVENT_STREAM
from crossgraph.serving.problems import documented, problem_of
from crossgraph.serving.schemas import SearchOut, UploadOut
from crossgraph.serving.search_request import SearchBody, SearchParameters, asked_of
from crossgraph.serving.server import Server, TheServer

router = APIRouter(prefix="/v1", tags=["search"])
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events; the data of each is one line of JSON, as /v1/search answers it.",
        "content": {
            "text/event-stream": {
                "itemSchema": EVENT_STREAM,
                "example": 'event: shortlist\ndata: {"query": "two dogs", ...}\n\nevent: answers\ndata: {...}\n\n',
            }
        },
    }
}
Parameters = Annotated[SearchParameters, Query()]


class EventStream(StreamingResponse):
    """Events that the server sends, one after the other."""

    media_type = "text/event-stream"


@router.get("/search", responses=documented(404, 410))
async def search(parameters: Parameters, server: TheServer) -> SearchOut:
    """The best pictures for what the address says."""
    return await answered(server, parameters.as_body())


@router.post("/search", responses=documented(404, 408, 410))
async def search_by_body(body: SearchBody, server: TheServer) -> SearchOut:
    """The best pictures for what the body says."""
    return await answered(server, body)


@router.get("/search/stream", response_class=EventStream, responses={**documented(404, 410), **EVENTS})
async def search_in_stages(parameters: Parameters, request: Request, server: TheServer) -> Response:
    """The same as events: `shortlist` at once, then `answers` in their last order, each a whole answer of /v1/search.

    Where nothing re-ranks, `answers` alone. An error after the first event is an event `problem`.
    """
    found = iter_stages(server, parameters.as_body())
    first = await anext(found)  # what is wrong with the request is answered as everywhere, before any event
    return EventStream(_events(server, first, found, request.state.request_id))


@router.post("/uploads", status_code=201, responses=documented(408))
async def upload(picture: UploadFile, server: TheServer) -> UploadOut:
    """Send a picture to search by; what is answered names it: term=1:image:ID."""
    kept = await server.files.run(lambda: server.uploads.add(picture.file.read()))
    return UploadOut(
        id=kept.id, width=kept.width, height=kept.height, seconds=round(server.uploads.seconds_left(kept.id))
    )


async def answered(server: Server, body: SearchBody) -> SearchOut:
    """The answers to a search, made by the engine."""

    def work() -> SearchOut:
        return searching.search(server.library, asked_of(body, server.library, server.uploads))

    found = await server.engine.run(work)
    for stage, milliseconds in found.timings_ms.items():
        server.metrics.stages.labels(stage).observe(milliseconds / 1000)
    return found


async def iter_stages(server: Server, body: SearchBody) -> AsyncIterator[SearchOut]:
    """The answers stage by stage, each as soon as the engine has it."""
    asked = await server.engine.run(lambda: asked_of(body, server.library, server.uploads))
    found: Iterator[SearchOut] = searching.stages(server.library, asked)
    while (one := await server.engine.run(lambda: next(found, None))) is not None:
        yield one


async def _events(
    server: Server, first: SearchOut, rest: AsyncIterator[SearchOut], request_id: str
) -> AsyncIterator[str]:
    """Each answer as an event, at once; an error as the last one."""
    try:
        yield _event("shortlist" if first.why == FOLLOWS else "answers", first)
        async for one in rest:
            yield _event("shortlist" if one.why == FOLLOWS else "answers", one)
    except CrossgraphError as error:
        yield _event("problem", problem_of(error, request_id=request_id, show_paths=server.settings.show_paths))


def _event(name: str, data: BaseModel) -> str:
    return f"event: {name}\ndata: {data.model_dump_json()}\n\n"
