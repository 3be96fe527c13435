"""Searching: by sentence, picture, item or a weighted sum of those; at once, or stage by stage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

from fastapi import APIRouter, Query, UploadFile
from fastapi.sse import EventSourceResponse, ServerSentEvent

from crossgraph.serving import searching
from crossgraph.serving.problems import documented
from crossgraph.serving.schemas import SearchOut, UploadOut
from crossgraph.serving.search_request import SearchBody, SearchParameters, asked_of
from crossgraph.serving.server import Server, TheServer

router = APIRouter(prefix="/v1", tags=["search"])
Parameters = Annotated[SearchParameters, Query()]


@router.get("/search", responses=documented(404, 410))
async def search(parameters: Parameters, server: TheServer) -> SearchOut:
    """The best pictures for what the address says."""
    return await answered(server, parameters.as_body())


@router.post("/search", responses=documented(404, 410, 408, 413))
async def search_by_body(body: SearchBody, server: TheServer) -> SearchOut:
    """The best pictures for what the body says."""
    return await answered(server, body)


@router.get("/search/stream", response_class=EventSourceResponse, responses=documented(404, 410))
async def search_in_stages(parameters: Parameters, server: TheServer) -> AsyncIterator[ServerSentEvent]:
    """The same as events: `shortlist` at once, then `answers` in their last order, each a whole answer of /v1/search.

    Where nothing re-ranks, `answers` alone. An error after the first event is an event `problem`.
    """
    body = parameters.as_body()
    found = iter_stages(server, body)
    before: SearchOut | None = None
    async for one in found:
        if before is not None:
            yield ServerSentEvent(data=before, event="shortlist")
        before = one
    if before is not None:
        yield ServerSentEvent(data=before, event="answers")


@router.post("/uploads", status_code=201, responses=documented(408, 413))
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
    while True:
        one = await server.engine.run(lambda: next(found, None))
        if one is None:
            return
        yield one
        await asyncio.sleep(0)
