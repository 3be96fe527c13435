"""Pictures by id: what is known of them, their files, and small copies."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from fastapi import Query as InQuery
from pydantic import Field
from starlette.responses import Response

from crossgraph.gallery.tables.items import ID
from crossgraph.gallery.thumbnails import SIZES
from crossgraph.serving.api.search import answered
from crossgraph.serving.description import conditional
from crossgraph.serving.library import unknown_item
from crossgraph.serving.pictures import picture_response, thumbnail_response
from crossgraph.serving.problems import documented
from crossgraph.serving.schemas import ItemOut, ItemsOut, SearchOut, items_out
from crossgraph.serving.search_request import DEEPEST, Narrowed, SearchBody, TermIn, among_of, where_of
from crossgraph.serving.server import Server, TheServer

router = APIRouter(prefix="/v1/items", tags=["items"])
Id = Annotated[str, Path(pattern=f"^{ID}$", description="The id of a picture.")]


class Size(IntEnum):
    """The longer side of a thumbnail, in pixels."""

    SMALL = SIZES[0]
    LARGE = SIZES[1]


FILE: dict[str, Any] = {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}}
PART: dict[str, Any] = {**FILE, "description": "The part of the file that was asked for."}


class ListParameters(Narrowed):
    """Which pictures are listed, and in which order."""

    order: Literal["newest", "oldest", "name"] = Field("newest", description="By date, or by the name of the file.")
    k: int = Field(60, ge=1, le=200, description="How many.")
    offset: int = Field(0, ge=0, le=10_000_000, description="Pass over so many.")


@router.get("", responses=documented())
async def items(parameters: Annotated[ListParameters, InQuery()], server: TheServer) -> ItemsOut:
    """Pictures page by page, nothing being looked for."""
    return await server.files.run(lambda: listed(server, parameters))


@router.get("/{id}/similar", responses=documented(404))
async def similar(
    id: Id,
    server: TheServer,
    k: Annotated[int, InQuery(ge=1, le=200, description="How many answers.")] = 20,
    offset: Annotated[int, InQuery(ge=0, le=DEEPEST, description="Pass over so many.")] = 0,
) -> SearchOut:
    """The pictures that are most like one: the same as a search with `term=1:item:ID`."""
    return await answered(server, SearchBody(terms=[TermIn(kind="item", value=id)], k=k, offset=offset))


@router.get("/{id}", responses=documented(404))
async def item(id: Id, server: TheServer) -> ItemOut:
    """What is known of a picture."""
    return await server.files.run(lambda: known(server, id))


@router.get("/{id}/captions", responses=documented(404))
async def captions(id: Id, server: TheServer) -> list[str]:
    """The sentences that a picture came with."""
    return (await server.files.run(lambda: known(server, id))).captions


@router.get(
    "/{id}/thumbnail",
    response_class=Response,
    responses={**documented(304, 404, 410), 200: FILE},
    openapi_extra=conditional(),
)
async def thumbnail(
    id: Id,
    request: Request,
    server: TheServer,
    size: Annotated[Size, InQuery(description="Pixels of the longer side.")] = Size.SMALL,
) -> Response:
    """A small copy of a picture: WebP, upright, its longer side `size` pixels."""
    return await server.files.run(
        lambda: thumbnail_response(server.library, server.thumbnails, id, int(size), request.headers)
    )


@router.get(
    "/{id}/picture",
    response_class=Response,
    responses={**documented(304, 404, 410, 416), 200: FILE, 206: PART},
    openapi_extra=conditional(ranges=True),
)
async def picture(id: Id, request: Request, server: TheServer, download: bool = False) -> Response:
    """The file of a picture as it is; ranges are read. With `download` a browser saves it."""
    return await server.files.run(lambda: picture_response(server.library, id, request.headers, download=download))


def known(server: Server, id: str) -> ItemOut:
    """A picture and its notes. Raises `Problem` 404 if there is none."""
    found = items_out(server.library.gallery.snapshot(), [id], show_paths=server.settings.show_paths)
    if id not in found:
        raise unknown_item(id)
    return found[id]


def listed(server: Server, parameters: ListParameters) -> ItemsOut:
    """A page of pictures, as far as the request narrows them."""
    state, show = server.library.gallery.current(), server.settings.show_paths
    where, among = where_of(parameters, server.library), among_of(parameters, server.library)
    found = state.listing.page(
        where=where, among=among, order=parameters.order, offset=parameters.offset, limit=parameters.k
    )
    return ItemsOut(
        total=found.total,
        offset=found.offset,
        items=list(items_out(state.snapshot, [item.id for item in found.items], show_paths=show).values()),
        version=str(state.version),
    )
