"""Problems as pages for browsers; programs get problem+json (`serving.problems`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from crossgraph.errors import CrossgraphError
from crossgraph.serving.access import by_script
from crossgraph.serving.pages.templates import page
from crossgraph.serving.problems import Problem, problem_response, status_of, told

_FOR_PROGRAMS = re.compile(r" /v1/openapi\.json says [^.]*\.| /v1/openapi\.json lists [^.]*\.")
PARTS = ("/parts/", "/picture/", "/compare")
"""What is a part of a page where a script asks for it, and else a page."""

SENT_BY_FORMS = ("/v1/export",)
"""What is for programs, and what forms of the page send to as well: browsers go there."""

TITLES = {
    401: "A token is wanted",
    403: "Not from here",
    404: "There is nothing here",
    410: "It is gone",
    413: "Too large",
    421: "This server is not called so",
    422: "This cannot be searched for",
    429: "Too much at once",
    500: "Something broke",
    503: "Not now",
}


@dataclass(frozen=True)
class PageProblem:
    """What could not be done, for people; `back` is where to go on, "" for the beginning."""

    status: int
    title: str
    detail: str
    request_id: str
    headers: dict[str, str] = field(default_factory=dict)
    back: str = ""


def problem_of(error: CrossgraphError, request: Request) -> PageProblem:
    """An error as the page says it: without paths, unless those may be shown."""
    text = told(error, show_paths=request.app.state.server.settings.show_paths)
    status = status_of(error)
    headers = error.headers if isinstance(error, Problem) else {}
    return PageProblem(
        status, title_of(status, text), text[:1].upper() + text[1:], request.state.request_id, dict(headers)
    )


def title_of(status: int, detail: str) -> str:
    """What a problem is called."""
    if "gallery migrate" in detail:
        return "This gallery needs another model"
    if "could not be opened" in detail:
        return "The gallery could not be opened"
    return TITLES.get(status, "That did not work")


def wants_page(path: str, headers: Headers) -> bool:
    """Whether a browser asked, for something to show."""
    for_programs = path.startswith(("/v1/", "/metrics")) and path not in SENT_BY_FORMS
    return not for_programs and "text/html" in headers.get("accept", "")


def is_part(path: str, headers: Headers) -> bool:
    """Whether a script asks, for a part of a page."""
    return path.startswith("/parts/") or (path.startswith(PARTS) and by_script(headers))


def refusal(
    path: str, asked: Headers, status: int, detail: str, *, request_id: str, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer to a request that cannot be served: a page for people, a part of one for scripts, else JSON."""
    if not wants_page(path, asked):
        return problem_response(status, detail, request_id=request_id, headers=headers)
    plain = _FOR_PROGRAMS.sub("", detail).strip() or detail
    problem = PageProblem(status, title_of(status, detail), plain[:1].upper() + plain[1:], request_id)
    template = "error.html"
    if is_part(path, asked):
        template = "picture_problem.html" if path.startswith("/picture/") else "parts/problem.html"
    return page(template, status, {**(headers or {}), "Cache-Control": "no-store"}, problem=problem)
