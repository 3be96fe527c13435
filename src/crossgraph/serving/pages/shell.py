"""What every page has around it: where one can go, and how large the gallery is."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.routing import Match

from crossgraph.serving.library import Library

PLACES = (("Search", "/"), ("Map", "/map"), ("Health", "/health"), ("Runs", "/runs"), ("Evaluations", "/evaluations"))


@dataclass(frozen=True)
class Place:
    """A page one can go to."""

    label: str
    href: str
    here: bool


@dataclass(frozen=True)
class Shell:
    """Pages there are; `pictures` is how many the gallery has, None while it is loaded."""

    places: tuple[Place, ...]
    pictures: int | None = None
    theme: str = ""


def shell_of(request: Request, here: str, *, theme: str = "") -> Shell:
    """The surroundings of the page at the address `here`; of the others, those that this server has."""
    server = request.app.state.server
    places = tuple(
        Place(label, href, href == here)
        for label, href in PLACES
        if _leads(request, href) and (href not in ("/runs", "/evaluations") or server.settings.runs is not None)
    )
    return Shell(places, size_of(server.library), theme)


def size_of(library: Library) -> int | None:
    """How many pictures there are, if the gallery is open."""
    return len(library.gallery.snapshot().items) if library.is_ready else None


def _leads(request: Request, path: str) -> bool:
    """Whether the application has a page at this address."""
    scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)
