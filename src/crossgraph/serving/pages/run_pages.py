"""Trained runs and kept evaluations as pages: only where the server was started with --runs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path as Folder
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from crossgraph.errors import ConfigError, CrossgraphError
from crossgraph.reporting.comparison import Comparison, compare
from crossgraph.reporting.evaluations import StoredEvaluation, WorstCase, list_evaluations
from crossgraph.reporting.runs import RunSummary, find_run, list_runs
from crossgraph.reporting.worst_explained import worst_case
from crossgraph.serving.api.items import Size
from crossgraph.serving.api.runs import Id, evaluation_of, folder_of
from crossgraph.serving.evaluated import Pair, Preview, Which, gone_pictures
from crossgraph.serving.overlay import Overlay, overlay_of
from crossgraph.serving.pages.explanation_view import Shown, shown
from crossgraph.serving.pages.shell import shell_of
from crossgraph.serving.pages.templates import page
from crossgraph.serving.pictures import ASK_AGAIN, is_known
from crossgraph.serving.problems import Problem, pathless, told
from crossgraph.serving.server import Server, TheServer

router = APIRouter()
RUNS, EVALUATIONS = "/runs", "/evaluations"
LIST, REPORT = "/parts/runs/list", "/parts/runs/report"
WORST = EVALUATIONS + "/{id}/worst/{number}"

Chosen = Annotated[list[str], Query(alias="run", max_length=12)]
Number = Annotated[int, Path(ge=0, le=99_999)]


@dataclass(frozen=True)
class SeenPair:
    """One of the two pairs of a worst query: its picture, and, where it could be explained, why it matches."""

    which: Which
    name: str
    sentence: str
    rank: str
    score: float | None
    picture: str
    size: tuple[int, int] | None
    shown: Shown | None = None
    overlay: Overlay | None = None


@router.get(RUNS)
async def runs(request: Request, server: TheServer, run: Chosen = []) -> Response:  # noqa: B006 (FastAPI copies it)
    """All runs, and those chosen side by side; those in training are looked at again every few seconds."""
    folder = folder_of(server)
    found = await server.files.run(lambda: list_runs(folder))
    problem, report = "", None
    try:
        report = await server.files.run(lambda: compared(folder, run)) if run else None
    except CrossgraphError as error:
        problem = told(error, show_paths=server.settings.show_paths)
    return page(
        "runs.html",
        422 if problem else 200,
        shell=shell_of(request, RUNS),
        runs=found,
        chosen=run,
        report=report,
        at=RUNS,
        refresh=with_runs(REPORT, run),
        refresh_list=with_runs(LIST, run),
        live=any_trains(found),
        problem=problem,
    )


@router.get(LIST)
async def run_list(server: TheServer, run: Chosen = []) -> Response:  # noqa: B006
    """The list alone, as it is now."""
    folder = folder_of(server)
    found = await server.files.run(lambda: list_runs(folder))
    return page("report_run_list.html", runs=found, chosen=run, at=RUNS, refresh_list=with_runs(LIST, run))


@router.get(REPORT)
async def run_report(server: TheServer, run: Chosen = []) -> Response:  # noqa: B006
    """The chosen runs alone, as they are now."""
    folder = folder_of(server)
    report = await server.files.run(lambda: compared(folder, run))
    return page("report_runs.html", report=report, refresh=with_runs(REPORT, run))


@router.get(EVALUATIONS)
async def evaluations(request: Request, server: TheServer) -> Response:
    """Every evaluation that was kept beside the runs."""
    folder = folder_of(server)
    found = await server.files.run(lambda: list_evaluations(folder))
    return page("evaluations.html", shell=shell_of(request, EVALUATIONS), evaluations=found, at=EVALUATIONS)


@router.get(EVALUATIONS + "/{id}")
async def evaluation(id: Id, request: Request, server: TheServer) -> Response:
    """One evaluation: numbers, protocol, command, worst queries."""
    found = await server.files.run(lambda: evaluation_of(server, id))
    gone = await server.files.run(lambda: gone_pictures(found.cases))
    command = pathless(found.record.command, show_paths=server.settings.show_paths)
    shell = shell_of(request, EVALUATIONS)
    return page("evaluation.html", shell=shell, evaluation=found, at=EVALUATIONS, gone=gone, shown_command=command)


@router.get(WORST)
async def worst(
    id: Id,
    number: Number,
    request: Request,
    server: TheServer,
    lit: Annotated[str, Query(pattern=r"^(right|wrong)-(word|match)-[0-9]{1,4}$")] = "",
) -> Response:
    """One of the worst queries: its right answer and the first wrong one, explained; without scripts `lit` chooses what
    is lit. Where it cannot be explained, the pictures and why not.
    """
    found, case = await server.files.run(lambda: case_of(server, id, number))
    pairs: tuple[Pair, ...] = ()
    problem, status, headers = "", 200, dict[str, str]()
    try:
        pairs = await server.evaluated.engine.run(lambda: server.evaluated.explained(found, case))
    except CrossgraphError as error:
        problem = told(error, show_paths=server.settings.show_paths)
        if isinstance(error, Problem):
            status, headers = error.status, error.headers
    seen = await server.files.run(lambda: seen_pairs(server, found, case, pairs, lit))
    return page(
        "evaluation_worst.html",
        status,
        headers,
        shell=shell_of(request, EVALUATIONS),
        evaluation=found,
        case=case,
        last=len(found.cases) - 1,
        pairs=seen,
        problem=problem,
        at=EVALUATIONS,
    )


@router.get(WORST + "/picture")
async def worst_picture(
    id: Id,
    number: Number,
    request: Request,
    server: TheServer,
    answer: Annotated[int | None, Query(ge=0, le=999)] = None,
    size: Size = Size.SMALL,
) -> Response:
    """A small copy of the picture of a worst query (of a caption that asks: the right one), or of one of its answers.

    Which file that is stands in the evaluation; nothing of the request names one.
    """

    def look() -> Preview:
        return server.evaluated.preview(case_of(server, id, number)[1], answer, int(size))

    found = await server.files.run(look)
    return kept(request, found.content, "image/webp", found.tag)


@router.get(WORST + "/{which}.png")
async def worst_drawing(id: Id, number: Number, which: Which, request: Request, server: TheServer) -> Response:
    """The explanation of the right or the wrong answer as one drawing."""
    found, case = await server.files.run(lambda: case_of(server, id, number))
    content = await server.evaluated.engine.run(lambda: server.evaluated.drawing(found, case, which))
    return kept(request, content, "image/png", hashlib.sha256(content).hexdigest()[:24])


def compared(folder: Folder, ids: list[str]) -> Comparison:
    """The chosen runs side by side."""
    return compare([find_run(folder, one) for one in ids])


def with_runs(address: str, ids: list[str]) -> str:
    """An address with the runs that are chosen."""
    return f"{address}?{urlencode([('run', one) for one in ids])}" if ids else address


def any_trains(found: tuple[RunSummary, ...]) -> bool:
    """Whether a run is still being written."""
    return any(one.state.word == "training" for one in found)


def case_of(server: Server, id: str, number: int) -> tuple[StoredEvaluation, WorstCase]:
    """An evaluation and one of its worst queries. Raises `Problem` 404."""
    found = evaluation_of(server, id)
    try:
        return found, worst_case(found, number)
    except ConfigError as error:
        raise Problem(404, str(error)) from error


def seen_pairs(
    server: Server, evaluation: StoredEvaluation, case: WorstCase, pairs: tuple[Pair, ...], lit: str
) -> list[SeenPair]:
    """What is seen of a worst query: the right answer, and the first wrong one, as far as they could be explained."""
    explained = {one.which: one for one in pairs}
    found = []
    for which in ("right", "wrong"):
        if (pair := case.pair(which)) is None:
            continue
        sentence, picture = pair
        place = next((place for place, one in enumerate(case.query.answers) if not one.right), None)
        answer = place if which == "wrong" and case.direction == "text_to_image" else None
        score = case.query.right.score if which == "right" else case.query.answers[place or 0].score
        rank = case.query.place if which == "right" else f"{(place or 0) + 1}"
        address = f"{EVALUATIONS}/{evaluation.id}/worst/{case.number}/picture"
        one = SeenPair(
            which,
            picture.name,
            sentence,
            rank,
            score,
            address + (f"?answer={answer}" if answer is not None else ""),
            None,
        )
        found.append(drawn_over(server, case, answer, one, explained.get(which), lit))
    return found


def drawn_over(
    server: Server, case: WorstCase, answer: int | None, one: SeenPair, pair: Pair | None, lit: str
) -> SeenPair:
    """A pair with the size of its picture, and what is drawn over it."""
    try:
        preview = server.evaluated.preview(case, answer, int(Size.LARGE))
    except Problem:
        return replace(one, picture="")  # it is gone, which `problem` says
    seen = replace(
        one,
        picture=f"{one.picture}{'&' if '?' in one.picture else '?'}size={int(Size.LARGE)}",
        size=(preview.width, preview.height),
    )
    if pair is None:
        return seen
    sized = replace(pair.told, item=replace(pair.told.item, width=preview.width, height=preview.height))
    which, _, chosen = lit.partition("-")
    kind, _, index = chosen.partition("-")
    word, match = (int(index) if which == one.which and kind == name else None for name in ("word", "match"))
    return replace(seen, shown=shown(pair.told.told), overlay=overlay_of(sized, word=word, match=match))


def kept(request: Request, content: bytes, media_type: str, tag: str) -> Response:
    """An answer that browsers keep, and ask for again: evaluations are made anew under the same name."""
    headers = {"ETag": f'"{tag}"', "Cache-Control": ASK_AGAIN}
    if is_known(request.headers, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)
