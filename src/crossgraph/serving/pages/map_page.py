"""The map of the pictures: a drawing to go about in, and, without scripts, its parts as links."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from crossgraph.gallery.picture_map import PictureMap
from crossgraph.serving.library import Library
from crossgraph.serving.maps import ids_within, written_region
from crossgraph.serving.pages.page_state import PageParameters, PageState
from crossgraph.serving.pages.shell import shell_of
from crossgraph.serving.pages.templates import page
from crossgraph.serving.problems import Problem, readable, told
from crossgraph.serving.server import TheServer

router = APIRouter()
SIDE = 1000  # of the drawing, in its own units
CELLS = 64  # both ways: what lies in one is drawn as one dot
REACH = 0.07  # from the middle of a named part to its corners
CORNERS = 12
BLOCKS = 4  # both ways, where no part has a name


@dataclass(frozen=True)
class Dot:
    """The pictures of one cell: where their middle is, how large it is drawn, the group most of them are of."""

    x: float
    y: float
    radius: float
    group: int


@dataclass(frozen=True)
class Part:
    """A part of the map that can be searched in; `picture` is the address of a small one of what lies in its middle."""

    name: str
    count: int
    x: float
    y: float
    points: str
    href: str
    picture: str


@dataclass(frozen=True)
class Legend:
    """A group of pictures, its colour by its place, and where to search in it alone."""

    place: int
    name: str
    count: int


@dataclass(frozen=True)
class Drawn:
    """What the page shows of a map."""

    total: int
    method: str
    old: bool
    legend: list[Legend]
    dots: list[Dot]
    parts: list[Part]


@router.get("/map")
async def map_page(asked: Annotated[PageParameters, Query()], request: Request, server: TheServer) -> Response:
    """The page of the map; while it is computed, one that asks again by itself."""
    state = PageState(asked)
    shell = shell_of(request, "/map", theme=asked.theme)
    drawn, problem = None, ""
    status, headers = 200, {}
    try:
        drawn = await server.files.run(lambda: drawn_of(server.library, state))
    except Problem as error:
        if error.status not in (500, 503):
            raise
        status, headers = error.status, error.headers
        problem = told(error, show_paths=server.settings.show_paths)
    return page("map.html", status, headers, shell=shell, state=state, map=drawn, problem=problem, base=base_of(state))


def base_of(state: PageState) -> str:
    """The address of the search without a region, to which a script adds one."""
    return state.fresh(region=None)


def drawn_of(library: Library, state: PageState) -> Drawn:
    """The map as the page without scripts shows it."""
    found = library.map()
    counts = np.bincount(found.group, minlength=len(found.groups)).tolist()
    legend = [Legend(place, readable(name), counts[place]) for place, name in enumerate(found.groups)]
    return Drawn(len(found.ids), found.method, found.old, legend, dots(found), parts(found, state))


def dots(found: PictureMap) -> list[Dot]:
    """The pictures, those of a cell together."""
    if not len(found.ids):
        return []
    cells = (found.y * CELLS).astype(np.int64).clip(0, CELLS - 1) * CELLS + (found.x * CELLS).astype(np.int64).clip(
        0, CELLS - 1
    )
    made = []
    for cell in np.unique(cells).tolist():
        inside = np.flatnonzero(cells == cell)
        group = int(np.bincount(found.group[inside]).argmax())
        x, y = float(found.x[inside].mean()), float(found.y[inside].mean())
        radius = min(3 + 1.2 * math.sqrt(len(inside)), SIDE / CELLS / 1.6)
        made.append(Dot(round(SIDE * x, 1), round(SIDE * y, 1), round(radius, 1), group))
    return made


def parts(found: PictureMap, state: PageState) -> list[Part]:
    """Parts that can be searched in, what holds most first: the named ones, or, where none is, squares."""
    rounds = [(readable(one.name), one.x, one.y, _round(one.x, one.y, REACH)) for one in found.clusters] or list(
        _squares()
    )
    made = []
    for name, x, y, corners in rounds:
        region = written_region(corners)
        inside = ids_within(region, found)
        if inside:
            points = " ".join(f"{SIDE * px:.1f},{SIDE * py:.1f}" for px, py in corners)
            picture = f"/v1/items/{_nearest(found, inside, x, y)}/thumbnail"
            made.append(Part(name, len(inside), SIDE * x, SIDE * y, points, state.fresh(region=region), picture))
    return sorted(made, key=lambda part: -part.count)


def _nearest(found: PictureMap, ids: tuple[str, ...], x: float, y: float) -> str:
    """The one of these pictures that lies nearest to a point."""
    rows = np.flatnonzero(np.isin(found.ids, ids))
    return found.ids[int(rows[np.hypot(found.x[rows] - x, found.y[rows] - y).argmin()])]


def _round(x: float, y: float, reach: float) -> list[tuple[float, float]]:
    turns = [2 * math.pi * turn / CORNERS for turn in range(CORNERS)]
    return [(min(max(x + reach * math.cos(turn), 0), 1), min(max(y + reach * math.sin(turn), 0), 1)) for turn in turns]


def _squares() -> list[tuple[str, float, float, list[tuple[float, float]]]]:
    side = 1 / BLOCKS
    return [
        (
            f"row {row + 1}, column {column + 1}",
            (column + 0.5) * side,
            (row + 0.5) * side,
            [
                (column * side, row * side),
                ((column + 1) * side, row * side),
                ((column + 1) * side, (row + 1) * side),
                (column * side, (row + 1) * side),
            ],
        )
        for row in range(BLOCKS)
        for column in range(BLOCKS)
    ]
