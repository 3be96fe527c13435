"""Trained runs and kept evaluations: only where the server was started with --runs."""

from __future__ import annotations

from pathlib import Path as Folder
from typing import Annotated, Any

from fastapi import APIRouter, Path

from crossgraph.errors import ConfigError
from crossgraph.reporting.comparison import read_run
from crossgraph.reporting.evaluations import StoredEvaluation, find_evaluation, list_evaluations
from crossgraph.reporting.runs import RunSummary, find_run, list_runs
from crossgraph.serving.problems import Problem, documented, pathless
from crossgraph.serving.server import Server, TheServer

router = APIRouter(prefix="/v1", tags=["runs"])
Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="An id that the list gives.")]


@router.get("/runs", responses=documented(404))
async def runs_listed(server: TheServer) -> list[dict[str, Any]]:
    """The runs in the folder of --runs, latest first."""
    folder = folder_of(server)
    found = await server.files.run(lambda: list_runs(folder))
    return [pathless(one.to_json(), show_paths=server.settings.show_paths) for one in found]


@router.get("/runs/{id}", responses=documented(404))
async def run_read(id: Id, server: TheServer) -> dict[str, Any]:
    """The curves, settings and facts of a run."""
    folder = folder_of(server)
    found = await server.files.run(lambda: read_run(run_of(folder, id)))
    values: dict[str, Any] = pathless(found.to_json(), show_paths=server.settings.show_paths)
    return values


@router.get("/evaluations", responses=documented(404))
async def evaluations_listed(server: TheServer) -> list[dict[str, Any]]:
    """The evaluations that were kept beside the runs."""
    folder = folder_of(server)
    found = await server.files.run(lambda: list_evaluations(folder))
    return [{"id": one.id, "name": one.name, "readable": isinstance(one, StoredEvaluation)} for one in found]


@router.get("/evaluations/{id}", responses=documented(404))
async def evaluation_read(id: Id, server: TheServer) -> dict[str, Any]:
    """One evaluation as it was kept."""
    found, show = await server.files.run(lambda: evaluation_of(server, id)), server.settings.show_paths
    values: dict[str, Any] = pathless(found.to_json(show_paths=show), show_paths=show)
    return values


def folder_of(server: Server) -> Folder:
    """The folder of runs. Raises `Problem` 404 where the server was started without."""
    if server.settings.runs is None:
        raise Problem(404, "this server shows no runs. Start it with --runs FOLDER.")
    return server.settings.runs


def run_of(folder: Folder, id: str) -> RunSummary:
    """One run. Raises `Problem` 404 for an unknown id."""
    try:
        return find_run(folder, id)
    except ConfigError as error:
        raise Problem(404, str(error)) from error


def evaluation_of(server: Server, id: str) -> StoredEvaluation:
    """One evaluation. Raises `Problem` 404 for an unknown id, 422 for a damaged file."""
    try:
        return find_evaluation(folder_of(server), id)
    except ConfigError as error:
        raise Problem(404, str(error)) from error
