"""Long work on the gallery: sync, optimize, verify, migrate; only where the server was started with --manage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field

from crossgraph.default_model import DEFAULT_MODEL
from crossgraph.serving.jobs import Job, require_managing
from crossgraph.serving.models import ModelId
from crossgraph.serving.problems import documented, pathless
from crossgraph.serving.schemas import Out
from crossgraph.serving.server import Server, TheServer
from crossgraph.serving.work import work_of

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
Id = Annotated[str, Path(pattern=r"^[0-9a-f]{1,32}$", description="The id of a job.")]
EVERY = 0.3  # seconds between two looks at a job


class JobIn(BaseModel):
    """What is to be done."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"kind": "sync"}]})

    kind: Literal["sync", "optimize", "verify", "migrate"] = Field(
        description="sync: take over what changed in the folders; optimize: compact the tables; verify: check every "
        "row; migrate: encode all pictures with another `model`."
    )
    model: ModelId = Field(
        DEFAULT_MODEL,
        description="For migrate: the model that comes with this crossgraph (default), that of --model (given), or a "
        "finished one of --runs (run.ID, with an id that /v1/runs lists).",
    )


class JobOut(Out):
    """A piece of long work, as it is now."""

    id: str
    kind: str
    state: Literal["running", "done", "failed", "stopped"]
    doing: str
    done: int
    total: int
    facts: dict[str, Any]
    result: dict[str, Any] = Field(description="What came out, where it is done.")
    error: str
    started: datetime
    ended: datetime | None


@router.get("", responses=documented())
async def jobs(server: TheServer) -> list[JobOut]:
    """All that are remembered, newest first."""
    return [job_out(job, server) for job in server.jobs.list()]


@router.post("", status_code=202, responses=documented(408, 409))
async def begin(body: JobIn, server: TheServer) -> JobOut:
    """Begin a job; one runs at a time."""
    require_managing(server.settings.manage)
    gallery, settings = server.library.gallery, server.settings
    work = await server.files.run(lambda: work_of(body.kind, gallery, settings, model=body.model))
    return job_out(server.jobs.start(body.kind, work), server)


@router.get("/{id}", responses=documented(404))
async def job(id: Id, server: TheServer) -> JobOut:
    """How far a job is."""
    return job_out(server.jobs.get(id), server)


@router.delete("/{id}", responses=documented(404))
async def stop(id: Id, server: TheServer) -> JobOut:
    """Tell a job to stop; what it finished is kept."""
    require_managing(server.settings.manage)
    return job_out(server.jobs.stop(id), server)


async def known_job(id: Id, server: TheServer) -> Job:
    """The job of that id, looked for before the first event: an error within a stream could not be answered."""
    return server.jobs.get(id)


@router.get("/{id}/events", response_class=EventSourceResponse, responses=documented(404))
async def events(job: Annotated[Job, Depends(known_job)], server: TheServer) -> AsyncIterator[ServerSentEvent]:
    """The job whenever it changed, as events `job`, until it has ended."""
    told: Job | None = None
    while told is None or told.state == "running":
        now = server.jobs.get(job.id)
        if now != told:
            told = now
            yield ServerSentEvent(data=job_out(now, server), event="job")
        else:
            await asyncio.sleep(EVERY)


def job_out(job: Job, server: Server) -> JobOut:
    """A job as the API says it."""
    values: dict[str, Any] = pathless(asdict(job), show_paths=server.settings.show_paths)
    return JobOut(**values)
