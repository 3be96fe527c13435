"""Chosen pictures to take away: what is known of them, or the files themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Form
from starlette.responses import Response, StreamingResponse

from crossgraph.gallery.picture_zip import zip_pieces
from crossgraph.gallery.upkeep.export import Format, row_lines
from crossgraph.serving.problems import Problem, documented, readable
from crossgraph.serving.search_request import ItemId
from crossgraph.serving.server import Server, TheServer

router = APIRouter(prefix="/v1", tags=["items"])
MOST = 1_000
FORMATS: dict[str, tuple[Format, str]] = {
    "json": ("jsonl", "application/json"),
    "csv": ("csv", "text/csv; charset=utf-8"),
    "paths": ("paths", "text/plain; charset=utf-8"),
}
ANSWERED: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "application/json": {"schema": {"type": "array", "items": {"type": "object"}}},
            "text/csv": {"schema": {"type": "string"}},
            "text/plain": {"schema": {"type": "string"}},
            "application/zip": {"schema": {"type": "string", "format": "binary"}},
        },
        "headers": {
            "Content-Disposition": {
                "required": True,
                "schema": {"type": "string", "pattern": "^attachment;"},
                "example": 'attachment; filename="pictures.csv"',
            }
        },
    }
}


@router.post(
    "/export",
    response_class=Response,
    responses={**documented(404, 408), **ANSWERED},
)
async def export(
    server: TheServer,
    ids: Annotated[list[ItemId], Form(min_length=1, max_length=MOST, description="The pictures, by id.")],
    format: Annotated[Literal["json", "csv", "paths", "zip"], Form(description="paths wants --show-paths.")] = "json",
) -> Response:
    """Chosen pictures as a list, a table, paths or an archive of their files, in the order in which they are named."""
    if format == "paths" and not server.settings.show_paths:
        raise Problem(403, "this server does not say where pictures lie. Start it with --show-paths, or ask for csv.")
    headers = {"Content-Disposition": f'attachment; filename="pictures.{"txt" if format == "paths" else format}"'}
    if format == "zip":
        pieces = await server.files.run(lambda: _archive(server, ids))
        return StreamingResponse(pieces, media_type="application/zip", headers=headers)
    kind, media_type = FORMATS[format]
    text = await server.files.run(lambda: _text(server, ids, kind))
    return Response(text, media_type=media_type, headers=headers)


def _archive(server: Server, ids: list[str]) -> Iterator[bytes]:
    server.library.require_items(tuple(ids))
    return zip_pieces(server.library.gallery.items(ids).values())


def _text(server: Server, ids: list[str], format: Format) -> str:
    snapshot = server.library.gallery.snapshot()
    server.library.require_items(tuple(ids))
    found = (snapshot.row(one) for one in dict.fromkeys(ids))
    rows = np.array([row for row in found if row is not None], np.int64)
    lines = [readable(line) for line in row_lines(snapshot, rows, format=format, places=server.settings.show_paths)]
    if format == "jsonl":
        return f"[{','.join(lines)}]"
    end = "\r\n" if format == "csv" else "\n"
    return "".join(f"{line}{end}" for line in lines)
