"""Trained runs and kept evaluations as pages: only where the server was started with --runs."""

from __future__ import annotations

from pathlib import Path as Folder

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from crossgraph.errors import ConfigError, CrossgraphError
from crossgraph.reporting.comparison import Comparison, compare
from crossgraph.reporting.evaluations import StoredEvaluation, WorstCase, list_evaluations
from crossgraph.reporting.runs import find_run, list_runs
from crossgraph.reporting.worst_explained import worst_case
from crossgraph.serving.api.runs import Id, evaluation_of, folder_of
from crossgraph.serving.pages.shell import shell_of
from crossgraph.serving.pages.templates import page
from crossgraph.serving.problems import Problem, told
from crossgraph.serving.server import TheServer

router = APIRouter()
RUNS, EVALUATIONS = "/runs", "/evaluations"


@router.get(RUNS)
async def runs(request: Request, server: TheServer, run: list[str] = Query([], max_length=12)) -> Response:
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
        refresh="",
        refresh_list="",
        problem=problem,
    )


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
    return page("evaluation.html", shell=shell_of(request, EVALUATIONS), evaluation=found, at=EVALUATIONS)


@router.get(EVALUATIONS + "/{id}/worst/{number}")
async def worst(id: Id, number: int, request: Request, server: TheServer) -> Response:
    """One of the worst queries, and what was answered."""

    def look() -> tuple[StoredEvaluation, WorstCase]:
        found = evaluation_of(server, id)
        try:
            return found, worst_case(found, number)
        except ConfigError as error:
            raise Problem(404, str(error)) from error

    found, case = await server.files.run(look)
    return page(
        "evaluation_worst.html",
        shell=shell_of(request, EVALUATIONS),
        evaluation=found,
        case=case,
        explained=None,
        problem="Pictures of an evaluation are not shown here yet.",
        at=EVALUATIONS,
    )


def compared(folder: Folder, ids: list[str]) -> Comparison:
    """The chosen runs side by side."""
    return compare([find_run(folder, one) for one in ids])
