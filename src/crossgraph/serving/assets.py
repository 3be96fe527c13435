"""Files of the page itself: kept by browsers for as long as their content is the same."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from crossgraph.reporting.pages import STATIC as REPORTS

STATIC = Path(__file__).parent / "static"
REPORTING = "crossgraph.reporting"
KEPT = "public, max-age=31536000, immutable"
_IMPORT = re.compile(rb'from "\./([a-z_]+\.js)"')
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
            if path.endswith(".js") and (STATIC / path).is_file():
                response = _script(path, Headers(scope=scope))
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
    return hashlib.sha256(content_of(name)).hexdigest()[:12]


@cache
def content_of(name: str) -> bytes:
    """The content of a file. Scripts import others by addresses that name these others' content: none is asked for
    again, and a script has another version when one that it imports has.
    """
    place = next(folder for folder in (STATIC, REPORTS) if (folder / name).is_file())
    content = (place / name).read_bytes()
    if not name.endswith(".js") or place is not STATIC:
        return content
    return _IMPORT.sub(lambda found: b'from ".%s"' % asset(found[1].decode()).removeprefix("/static").encode(), content)


def _script(name: str, asked: Headers) -> Response:
    headers = {"ETag": f'"{version_of(name)}"'}
    if asked.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(content_of(name), media_type="text/javascript", headers=headers)
