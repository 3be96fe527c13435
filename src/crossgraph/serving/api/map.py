"""The map of the pictures: where each lies, and how they are grouped."""

from __future__ import annotations

import hashlib
import json

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from crossgraph.serving.description import conditional
from crossgraph.serving.library import Library
from crossgraph.serving.pictures import is_known
from crossgraph.serving.problems import documented, readable
from crossgraph.serving.schemas import Out
from crossgraph.serving.server import TheServer

router = APIRouter(prefix="/v1", tags=["map"])
KEEP = "private, no-cache"


class PointOut(Out):
    """A picture on the map."""

    id: str
    x: float = Field(description="From 0 to 1, from left to right.")
    y: float = Field(description="From 0 to 1, from top to bottom.")
    group: int = Field(description="Which of `groups`, counted from 0.")


class GroupOut(Out):
    """What pictures are coloured by: a label, or a folder where there are no labels."""

    name: str
    count: int


class ClusterOut(Out):
    """A part of the map with a name, around a point."""

    name: str
    x: float
    y: float
    count: int


class MapOut(Out):
    """All pictures as points of a plane; what the model finds alike lies together."""

    version: str = Field(description="The state of the gallery.")
    method: str = Field(description="How positions were computed.", examples=["t-SNE"])
    old: bool = Field(description="Whether so much changed since that another map is being computed.")
    groups: list[GroupOut]
    clusters: list[ClusterOut]
    points: list[PointOut]


@router.get(
    "/map",
    response_model=MapOut,
    responses=documented(304, 500),
    openapi_extra=conditional(),
)
async def map(request: Request, server: TheServer) -> Response:
    """Where every picture lies on the map, as a region of it can be searched in (`region=x,y;x,y;x,y`)."""
    text, tag = await server.files.run(lambda: told(server.library))
    headers = {"ETag": tag, "Cache-Control": KEEP}
    if is_known(request.headers, tag):
        return Response(status_code=304, headers=headers)
    return Response(text, media_type="application/json", headers=headers)


def told(library: Library) -> tuple[bytes, str]:
    """The map as JSON, and its ETag. It may hold many thousand points, so no model of each is made."""
    found = library.map()
    counts = [0] * len(found.groups)
    for group in found.group.tolist():
        counts[group] += 1
    values = {
        "version": library.version(),
        "method": found.method,
        "old": found.old,
        "groups": [{"name": readable(name), "count": count} for name, count in zip(found.groups, counts, strict=True)],
        "clusters": [
            {"name": readable(one.name), "x": round(one.x, 4), "y": round(one.y, 4), "count": one.count}
            for one in found.clusters
        ],
        "points": [
            {"id": id, "x": round(x, 4), "y": round(y, 4), "group": group}
            for id, x, y, group in zip(found.ids, found.x.tolist(), found.y.tolist(), found.group.tolist(), strict=True)
        ],
    }
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()
    return text, f'"{hashlib.sha256(text).hexdigest()[:24]}"'
