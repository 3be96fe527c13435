"""The first page: a box, chips, facets, and the pictures found; and the parts of it that scripts ask for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from markupsafe import Markup
from pydantic import Field, ValidationError
from starlette.responses import FileResponse, RedirectResponse, Response, StreamingResponse

from crossgraph.errors import CrossgraphError
from crossgraph.serving.api.export import MOST as MOST_EXPORTED
from crossgraph.serving.pages.errors import PageProblem, problem_of, title_of
from crossgraph.serving.pages.page_state import PageParameters, PageState
from crossgraph.serving.pages.picture import panel_for
from crossgraph.serving.pages.search_view import MOST_ALIKE, View, alike_tiles, first_view, more_view, views
from crossgraph.serving.pages.shell import Shell, shell_of
from crossgraph.serving.pages.templates import filled, page
from crossgraph.serving.problems import NotReady, Problem, without_paths
from crossgraph.serving.search_request import MOST_TERMS, ItemId
from crossgraph.serving.server import Server, TheServer

router = APIRouter()
Parameters = Annotated[PageParameters, Query()]
MOST_FIELDS = 500
UPLOADED = "private, max-age=3600"
NOT_TAKEN = "That picture was not taken"


class AlikeParameters(PageParameters):
    """A state of the page, and the pictures that were folded under one of its answers."""

    ids: list[ItemId] = Field([])


@router.get("/")
async def first(parameters: Parameters, request: Request, server: TheServer) -> Response:
    """The page of a search, or before the first one. A form that was sent leads to the address of its state."""
    state = PageState(parameters)
    leads = state.by_form()
    if leads is not None:
        return RedirectResponse(leads, 303)
    shell = shell_of(request, "/", theme=parameters.theme)
    if not server.library.is_ready:
        return warming(server, shell)

    def work(opened: Markup | None) -> Response:
        view = first_view(server, state)
        return state_page(shell, view.state, view=view, opened=opened)

    try:
        opened = await picture_panel(server, state)
        return await server.engine.run(lambda: work(opened))
    except CrossgraphError as error:
        return state_page(shell, state, problem=problem_of(error, request))


@router.get("/parts/page")
async def parts(parameters: Parameters, request: Request, server: TheServer) -> Response:
    """What changes on the page, stage by stage: a JSON object a line, with the HTML of `page`, then of `found`.

    The first has the address of the state, too: a form may have been sent.
    """
    state = PageState(parameters)
    leads = state.by_form()
    if leads is not None:
        state = PageState(_read(leads.partition("?")[2]))
    if not server.library.is_ready:
        raise NotReady(server.library.phase)
    steps = views(server, state, staged=True)

    def step() -> View | None:
        return next(steps, None)

    async def lines() -> AsyncIterator[str]:
        sent = False
        try:
            opened = await picture_panel(server, state)
            while (view := await server.engine.run(step)) is not None:
                template, name = ("parts/found.html", "found") if sent else ("parts/page.html", "page")
                html = filled(template, view=view, state=view.state, problem=None, opened=opened)
                yield _line(**{name: html}, url=view.state.url(), told=view.told, waits=view.waits)
                sent = True
        except CrossgraphError as error:
            problem = problem_of(error, request)
            html = filled("parts/page.html", view=None, state=state, problem=problem, opened=None)
            yield _line(page=html, url=state.url(), told=problem.title, waits=False)

    return StreamingResponse(lines(), media_type="application/x-ndjson")


@router.get("/parts/more")
async def more(parameters: Parameters, server: TheServer) -> Response:
    """The tiles of a further page, and the link to the one after it."""
    state = PageState(parameters)

    def work() -> Response:
        view = more_view(server, state)
        return page("parts/tiles.html", view=view, state=state)

    return await server.engine.run(work)


@router.get("/parts/alike")
async def alike(parameters: Annotated[AlikeParameters, Query()], server: TheServer) -> Response:
    """The tiles of pictures folded under an answer."""
    state = PageState(PageParameters(**parameters.model_dump(exclude={"ids"}, exclude_unset=True)))

    def work() -> Response:
        return page("parts/alike.html", tiles=alike_tiles(server, state, parameters.ids[:MOST_ALIKE]), state=state)

    return await server.files.run(work)


@router.post("/upload")
async def upload(
    request: Request,
    server: TheServer,
    picture: Annotated[UploadFile | None, File()] = None,
    state: Annotated[str, Form(max_length=20_000)] = "",
) -> Response:
    """Keep a picture that was sent, and go to the search by it, beside what the query was."""
    asked = _read(state)
    data = b"" if picture is None else await picture.read()
    try:
        if not data:
            raise Problem(422, "no picture was chosen. Choose a file and send it again.")
        kept = await server.files.run(lambda: server.uploads.add(data))
    except CrossgraphError as error:
        back = PageState(asked)
        problem = replace(problem_of(error, request), title=NOT_TAKEN, back=back.url())
        return state_page(shell_of(request, "/", theme=asked.theme), back, problem=problem)
    term = f"1:image:{kept.id}"
    return RedirectResponse(PageState(asked).fresh(term=[*asked.term, term][-MOST_TERMS:]), 303)


@router.get("/upload/{id}")
async def uploaded(id: ItemId, server: TheServer) -> Response:
    """A picture that was sent, as its chip shows it."""
    path = await server.files.run(lambda: server.uploads.path(id))
    return FileResponse(path, media_type="image/png", headers={"Cache-Control": UPLOADED})


def state_page(
    shell: Shell,
    state: PageState,
    *,
    view: View | None = None,
    problem: PageProblem | None = None,
    opened: Markup | None = None,
) -> Response:
    """The whole page of a state: what it shows, or what could not be done, below the box and the query."""
    status, headers = (200, {}) if problem is None else (problem.status, problem.headers)
    shown: dict[str, Any] = {"shell": shell, "state": state, "view": view, "problem": problem, "opened": opened}
    return page("search.html", status, headers, **shown, most_exported=MOST_EXPORTED)


async def picture_panel(server: Server, state: PageState) -> Markup | None:
    """What is shown of the picture that is open; None where none is, or it was removed."""
    try:
        panel = await panel_for(server, state) if state.asked.open else None
        return None if panel is None else Markup(filled("picture.html", panel=panel))
    except Problem as error:
        if error.status != 404:
            raise
        return None


def warming(server: Server, shell: Shell) -> Response:
    """The page while model and gallery are loaded, or where that failed."""
    library = server.library
    failed = library.phase == "failed"
    error = library.error if server.settings.show_paths else without_paths(library.error)
    return page(
        "warming.html",
        503,
        {} if failed else {"Retry-After": "2"},
        shell=shell,
        phase=library.phase,
        failed=failed,
        title=title_of(503, error) if failed else "Getting ready",
        error=error,
        seconds=library.seconds,
        last=library.seconds_last_time,
    )


def _read(query: str) -> PageParameters:
    """The state that a query string says. Raises `Problem` 422."""
    try:
        given = parse_qs(query, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Problem(
            422, f"the state of the page has more than {MOST_FIELDS} fields. Open the first page and search anew."
        ) from None
    many = {"term", "like", "dislike", "facet"}
    values: dict[str, Any] = {name: found if name in many else found[-1] for name, found in given.items()}
    try:
        return PageParameters(**values)
    except ValidationError as error:
        raise Problem(422, f"the state of the page cannot be read: {error.errors()[0]['msg']}.") from None


def _line(**values: object) -> str:
    return json.dumps(values) + "\n"
