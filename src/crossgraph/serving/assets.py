"""Files of the page itself: kept by browsers for as long as their content is the same."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from crossgraph.reporting.pages import STATIC as REPORTS

STATIC = Path(__file__).parent / "static"
REPORTING = "crossgraph.reporting"
KEPT = "public, max-age=31536000, immutable"
ASKED_AGAIN = "no-cache"
"""Kept too, but a browser asks whether it is still the same."""


class Assets(StaticFiles):
    """The files in `STATIC`: under an address that names their content they are kept without asking again."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC, packages=[(REPORTING, "static")])

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, or the answer that there is none."""
        response = await super().get_response(path, scope)
        if response.status_code in (200, 304):
            versions = parse_qs(scope["query_string"].decode("latin-1")).get("v", [])
            same = bool(versions) and versions == [version_of(path)]
            response.headers["Cache-Control"] = KEPT if same else ASKED_AGAIN
        return response


def asset(name: str) -> str:
    """The address of a file of the page, which changes with its content."""
    return f"/static/{name}?v={version_of(name)}"


@cache
def version_of(name: str) -> str:
    """What names the content of a file; it does not change while a server runs."""
    place = next(folder for folder in (STATIC, REPORTS) if (folder / name).is_file())
    return hashlib.sha256((place / name).read_bytes()).hexdigest()[:12]
