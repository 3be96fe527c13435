"""How the gallery is: what it holds and takes, its model, what was left out and why, and work on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from crossgraph.data.corpus import Skipped
from crossgraph.default_model import DEFAULT_MODEL
from crossgraph.errors import GalleryError
from crossgraph.gallery.tables.skipped import LeftOut
from crossgraph.gallery.upkeep.health import KEEP
from crossgraph.gallery.upkeep.stats import GalleryStats, gallery_stats
from crossgraph.serving.api.facts import ModelOut, model_out
from crossgraph.serving.jobs import Job, require_managing
from crossgraph.serving.library import shown_name
from crossgraph.serving.models import ModelId, models_offered
from crossgraph.serving.pages.picture import in_bytes
from crossgraph.serving.pages.shell import shell_of
from crossgraph.serving.pages.templates import page
from crossgraph.serving.problems import Problem, pathless, readable, told
from crossgraph.serving.server import Server, TheServer
from crossgraph.serving.work import Kind, work_of

router = APIRouter()
SHOWN = 100  # names of one reason
KINDS: dict[Kind, tuple[str, str]] = {
    "sync": ("Sync", "Takes over what changed in the folders: new, changed, moved and removed files."),
    "optimize": ("Optimize", "Compacts the tables and removes what no picture uses."),
    "verify": ("Verify", "Checks every row, its features and its file. Changes nothing."),
    "migrate": (
        "Migrate",
        "Encodes every picture with another model; the one of now serves until that is done.",
    ),
}
DOING = {"index": "Index"} | {str(kind): title for kind, (title, _) in KINDS.items()}


@dataclass(frozen=True)
class Reason:
    """Why some files were left out, and their names; `more` are not listed."""

    reason: str
    count: int
    names: list[str]
    more: int


@dataclass(frozen=True)
class TableRow:
    """A table of the gallery."""

    name: str
    rows: int
    fragments: int
    bytes: str


@dataclass(frozen=True)
class JobView:
    """A job as the page shows it."""

    job: Job
    title: str
    share: float | None
    result: str


@dataclass(frozen=True)
class Health:
    """What the page shows of an open gallery."""

    stats: GalleryStats
    bytes: str
    unindexed: int | None
    saved: str
    sources: list[str]
    tables: list[TableRow]
    model: ModelOut
    model_bytes: str
    reasons: list[Reason]
    removed: list[Reason]
    unfollowed: list[Reason]
    damaged: str


@router.get("/health")
async def health_page(request: Request, server: TheServer) -> Response:
    """The page; before the gallery is open, how far the server is."""
    library = server.library
    shell = shell_of(request, "/health")
    jobs = [job_view(job, show_paths=server.settings.show_paths) for job in server.jobs.list()]
    health = await server.files.run(lambda: health_of(server)) if library.is_ready else None
    return page(
        "health.html",
        shell=shell,
        health=health,
        jobs=jobs,
        running=next((one for one in jobs if one.job.state == "running"), None),
        manage=server.settings.manage,
        models=await server.files.run(lambda: models_offered(server.settings)) if server.settings.manage else (),
        kinds=[(kind, title, text) for kind, (title, text) in KINDS.items()],
        phase=library.phase,
        seconds=library.seconds,
        last=library.seconds_last_time,
    )


@router.post("/health/jobs")
async def begin(
    server: TheServer, kind: Annotated[Kind, Form()], model: Annotated[ModelId, Form()] = DEFAULT_MODEL
) -> Response:
    """Begin a job from a form, and go back to the page, which shows how far it is."""
    require_managing(server.settings.manage)
    gallery, settings = server.library.gallery, server.settings
    work = await server.files.run(lambda: work_of(kind, gallery, settings, model=model))
    try:
        server.jobs.start(kind, work)
    except Problem as error:
        if error.status != 409:
            raise
    return RedirectResponse("/health#work", 303)


@router.post("/health/jobs/stop")
async def stop(server: TheServer, id: Annotated[str, Form(max_length=64)]) -> Response:
    """Tell a job to stop, and go back to the page."""
    require_managing(server.settings.manage)
    server.jobs.stop(id)
    return RedirectResponse("/health#work", 303)


def health_of(server: Server) -> Health:
    """How the gallery is. Raises `GalleryError` where it cannot be read."""
    folder = server.library.gallery.storage
    stats, model = gallery_stats(folder), model_out(server)
    show, left_out, damaged = server.settings.show_paths, LeftOut((), (), ()), ""
    try:
        left_out = server.library.left_out()
    except GalleryError as error:
        damaged = told(error, show_paths=show)
    return Health(
        stats,
        in_bytes(stats.bytes),
        server.library.gallery.store.tables["parts"].unindexed("key"),
        "" if stats.optimized_saved is None else saved_words(stats.optimized_saved),
        [readable(one) if show else shown_name(one) for one in stats.sources],
        [TableRow(one.name, one.rows, one.fragments, in_bytes(one.bytes)) for one in stats.tables],
        model,
        in_bytes(model.bytes),
        reasons_of(left_out.files),
        reasons_of(left_out.removed),
        reasons_of(left_out.unfollowed),
        damaged,
    )


def reasons_of(left_out: Sequence[Skipped]) -> list[Reason]:
    """What was left out, by reason, the most frequent first; files by name alone."""
    names: dict[str, list[str]] = {}
    for one in left_out:
        names.setdefault(readable(one.reason), []).append(shown_name(one.path))
    found = [Reason(reason, len(all), sorted(all)[:SHOWN], max(0, len(all) - SHOWN)) for reason, all in names.items()]
    return sorted(found, key=lambda one: (-one.count, one.reason))


def job_view(job: Job, *, show_paths: bool) -> JobView:
    """A job as the page shows it."""
    job = replace(job, error=pathless(job.error, show_paths=show_paths))
    share = job.done / job.total if job.total and job.state == "running" else None
    return JobView(job, DOING.get(job.kind, job.kind), share, result_of(job))


def saved_words(saved: int) -> str:
    """What a compaction saved, of so many bytes; below 0 it wrote more than it may remove yet."""
    if saved > 0:
        return f"{in_bytes(saved)} saved"
    minutes = f"{KEEP.total_seconds() / 60:g} minutes"
    return (
        f"nothing saved yet: old versions stay for {minutes}, optimize again after that" if saved else "nothing saved"
    )


def result_of(job: Job) -> str:
    """What came of a job, in a line."""
    if {"bytes_before", "bytes_after"} <= set(job.result):
        before, after = int(job.result["bytes_before"]), int(job.result["bytes_after"])
        return f"{in_bytes(before)} before, {in_bytes(after)} after, {saved_words(before - after)}"
    counts = [
        f"{name.replace('_', ' ')} {in_bytes(value) if 'bytes' in name else format(value, ',')}"
        for name, value in job.result.items()
        if isinstance(value, int) and not isinstance(value, bool)
    ]
    return ", ".join(counts)
