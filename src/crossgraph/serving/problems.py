"""What a server answers when it cannot do what was asked: problem+json (RFC 9457) that says what to do."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from crossgraph.errors import CrossgraphError, ImageError, MissingExtraError, ScoreError
from crossgraph.gallery.guarded_decode import DecoderBusyError

MEDIA_TYPE = "application/problem+json"


class ProblemOut(BaseModel):
    """Why a request was not answered, and what to do about it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "no picture has the id 'abc'. It may have been removed; search again.",
                    "request_id": "5f0c0a3e9d1b4c7a",
                }
            ]
        }
    )

    type: str = Field("about:blank", description="Always about:blank: the status says the kind.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What was wrong, what was got, and what to do.")
    request_id: str = Field(description="What the server's log calls this request.")


class Problem(CrossgraphError):
    """A request that cannot be answered: `status` is that of HTTP, `headers` go along."""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})


class NotReady(Problem):
    """The model or the gallery is still being loaded."""

    def __init__(self, phase: str) -> None:
        super().__init__(503, f"the server is still {phase}. Ask again in a few seconds.", headers={"Retry-After": "2"})


def status_of(error: CrossgraphError) -> int:
    """The HTTP status of an error that a user can cause."""
    if isinstance(error, Problem):
        return error.status
    if isinstance(error, DecoderBusyError):
        return 503
    return 501 if isinstance(error, MissingExtraError) else 500 if isinstance(error, ScoreError) else 422


def problem_of(error: CrossgraphError, *, request_id: str, show_paths: bool) -> ProblemOut:
    """What is told of an error."""
    return problem(status_of(error), told(error, show_paths=show_paths), request_id=request_id)


def problem(status: int, detail: str, *, request_id: str) -> ProblemOut:
    """A problem of a `status` of HTTP, which gives it its title."""
    title = HTTPStatus(status).phrase
    return ProblemOut(type="about:blank", title=title, status=status, detail=detail, request_id=request_id)


def problem_response(
    status: int, detail: str, *, request_id: str, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer to a request that cannot be served."""
    body = problem(status, detail, request_id=request_id).model_dump_json()
    return Response(body, status, headers={**(headers or {}), "Cache-Control": "no-store"}, media_type=MEDIA_TYPE)


def told(error: CrossgraphError, *, show_paths: bool) -> str:
    """The message of an error, where pictures lie being left out of it unless `show_paths`."""
    if show_paths:
        return str(error)
    text = str(error)
    return without_paths(text.replace(str(error.path), error.path.name) if isinstance(error, ImageError) else text)


def without_paths(text: str) -> str:
    """`text` with the absolute paths in it cut to the names of files.

    Folders may have spaces, brackets and commas in their names, so what stands between two paths goes too. Addresses
    of the server stay.

    >>> without_paths("/tmp/my pictures/a b.jpg: the file is empty; see /v1/items")
    'a b.jpg: the file is empty; see /v1/items'
    """
    return _folders().sub("", text)


def pathless(value: Any, *, show_paths: bool) -> Any:
    """A plain value; unless `show_paths`, without the absolute paths in its texts."""
    if show_paths:
        return value
    if isinstance(value, Mapping):
        return {key: pathless(one, show_paths=False) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [pathless(one, show_paths=False) for one in value]
    return without_paths(value) if isinstance(value, str) else value


@cache
def _folders() -> re.Pattern[str]:
    """The folders of an absolute path: it begins with one that lies at the root, or with the home folder."""
    roots = "|".join(re.escape(name) for name in sorted(os.listdir("/"), key=len, reverse=True))
    return re.compile(rf"(?<![\w:/.~])(?:~|/(?:{roots}))/(?:(?:[^/\":;\n]*[^/\":;\n'(])?/)*")


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of the problems a route may answer with; those that every route may have come along."""
    every = {400, 401, 403, 413, 415, 421, 422, 429, 503, *statuses}
    content = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}}
    return {
        status: {"description": HTTPStatus(status).phrase} | ({} if status == 304 else content)
        for status in sorted(every)
    }


def readable(text: str) -> str:
    """`text` as Unicode that any program can read: bytes of names that are not, and lone surrogates, are replaced."""
    return text.encode("utf-8", "surrogateescape" if _escaped(text) else "replace").decode("utf-8", "replace")


def _escaped(text: str) -> bool:
    return all(0xDC80 <= ord(letter) <= 0xDCFF for letter in text if 0xD800 <= ord(letter) <= 0xDFFF)
