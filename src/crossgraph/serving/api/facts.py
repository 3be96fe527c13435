"""What is served: the gallery and how it is, its model."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from crossgraph.encoders.names import model_reference
from crossgraph.gallery.search.filters import WHERE_THEY_LIE, column_kinds
from crossgraph.gallery.upkeep.run_place import find_run
from crossgraph.gallery.upkeep.stats import gallery_stats
from crossgraph.serving.library import DEFAULT, shown_name
from crossgraph.serving.problems import documented, readable
from crossgraph.serving.schemas import Out
from crossgraph.serving.server import Server, TheServer
from crossgraph.verbs.describing import model_facts

router = APIRouter(prefix="/v1", tags=["facts"])
Name = Annotated[str, Path(description="The name of a gallery; there is one, `default`.", examples=[DEFAULT])]


class GalleryOut(Out):
    """One gallery, and what can be asked of it."""

    name: str
    pictures: int
    captions: int
    version: str = Field(description="The state of the gallery: another one after every write.")
    columns: dict[str, str] = Field(description="What filters may name, and what it holds.")
    manage: bool = Field(description="Whether requests may change it.")
    show_paths: bool


class StatsOut(Out):
    """How a gallery is."""

    rows: int
    captions: int
    annotated: int
    bytes: int
    fragments: int
    equal: int = Field(description="Pictures with the content of another before them.")
    alike: int | None = Field(description="Pictures that look like another before them; null: too many to compare.")
    skipped: int = Field(description="Files that were left out: they are not in the gallery.")
    skipped_reasons: dict[str, int] = Field(description="Why files were left out, and how many.")
    removed: int = Field(description="Pictures that were removed by hand, which a sync leaves out.")
    unfollowed: int = Field(description="Pictures that are in the gallery though the last sync left them out.")
    unfollowed_reasons: dict[str, int] = Field(description="Why those were left out, and how many.")
    sources: list[str] = Field(description="The names of the folders it follows.")
    method: str
    model: str
    optimized_at: datetime | None = Field(description="When the tables were last compacted.")
    optimized_saved: int | None = Field(description="How many bytes that saved; below 0 while old versions are kept.")
    migrating: bool


class StageOut(Out):
    """One stage of a model."""

    role: str
    method: str
    images: str
    texts: str
    parameters: int
    trained_on: str
    fingerprint: str


class ModelOut(Out):
    """The model that made the gallery."""

    name: str
    fingerprint: str
    bytes: int
    stages: list[StageOut]
    calibrated_for: list[str]
    languages: str | None


@router.get("/galleries", responses=documented())
async def galleries(server: TheServer) -> list[GalleryOut]:
    """What is served; one gallery so far."""
    return [await server.files.run(lambda: _gallery(server))]


@router.get("/galleries/{name}", responses=documented(404))
async def gallery(name: Name, server: TheServer) -> GalleryOut:
    """One gallery."""
    server.library.require_called(name)
    return await server.files.run(lambda: _gallery(server))


@router.get("/stats", responses=documented())
async def stats(server: TheServer) -> StatsOut:
    """How the gallery is: rows, bytes, duplicates, what was skipped and why."""
    return await server.files.run(lambda: stats_out(server))


@router.get("/models", responses=documented())
async def models(server: TheServer) -> list[ModelOut]:
    """The model that made the gallery, stage by stage."""
    return [await server.files.run(lambda: model_out(server))]


def stats_out(server: Server) -> StatsOut:
    """How the gallery is."""
    found, left_out = gallery_stats(server.library.gallery.storage), server.library.left_out()
    return StatsOut(
        rows=found.rows,
        captions=found.captions,
        annotated=found.annotated,
        bytes=found.bytes,
        fragments=found.fragments,
        equal=found.equal,
        alike=found.alike,
        skipped=len(left_out.files),
        skipped_reasons=Counter(readable(one.reason) for one in left_out.files),
        removed=len(left_out.removed),
        unfollowed=len(left_out.unfollowed),
        unfollowed_reasons=Counter(readable(one.reason) for one in left_out.unfollowed),
        sources=[readable(one) if server.settings.show_paths else shown_name(one) for one in found.sources],
        method=found.method,
        model=found.model,
        optimized_at=found.optimized_at,
        optimized_saved=found.optimized_saved,
        migrating=found.migrating,
    )


def _gallery(server: Server) -> GalleryOut:
    state, show = server.library.gallery.current(), server.settings.show_paths
    snapshot = state.snapshot
    return GalleryOut(
        name=DEFAULT,
        pictures=len(snapshot.items),
        captions=len(snapshot.captions),
        version=str(state.version),
        columns={name: kind for name, kind in column_kinds(snapshot).items() if show or name not in WHERE_THEY_LIE},
        manage=server.settings.manage,
        show_paths=server.settings.show_paths,
    )


def model_out(server: Server) -> ModelOut:
    """The model of the gallery, stage by stage."""
    gallery = server.library.gallery
    facts = model_facts(find_run(gallery.storage, gallery.manifest))
    name = model_reference(facts.folder)
    return ModelOut(
        name=readable(name) if server.settings.show_paths else shown_name(name),
        fingerprint=facts.fingerprint,
        bytes=facts.bytes,
        stages=[StageOut(**vars(stage)) for stage in facts.stages],
        calibrated_for=list(facts.calibrated_for),
        languages=facts.languages,
    )
