"""The models that a served gallery can be given to: those named when the server was started, and no other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import StringConstraints

from crossgraph.default_model import DEFAULT_MODEL
from crossgraph.errors import ConfigError
from crossgraph.reporting.runs import list_runs
from crossgraph.serving.library import shown_name
from crossgraph.serving.problems import Problem
from crossgraph.serving.settings import ServerSettings

GIVEN = "given"
ModelId = Annotated[str, StringConstraints(pattern=r"^(default|given|run\.[A-Za-z0-9_-]{1,64})$")]


@dataclass(frozen=True)
class OfferedModel:
    """A model by its `id`, with what it is called, and its place or name, which nobody is told."""

    id: str
    label: str
    place: Path | str


def models_offered(settings: ServerSettings) -> tuple[OfferedModel, ...]:
    """The default model, that of --model, and what is finished in the folder of --runs: runs and cascades.

    Only names and manifests are read. A folder of runs that is not there has none.
    """
    found = [OfferedModel(DEFAULT_MODEL, "default: it comes with crossgraph", DEFAULT_MODEL)]
    if settings.model not in (None, DEFAULT_MODEL):
        assert settings.model is not None
        found.append(OfferedModel(GIVEN, f"{shown_name(settings.model)} (--model)", settings.model))
    if settings.runs is not None:
        try:
            runs = list_runs(settings.runs)
        except ConfigError:
            runs = ()
        for run in runs:
            if run.state.word in ("finished", "made"):
                found.append(OfferedModel(f"run.{run.id}", f"{run.name}: {run.method or run.state.text}", run.folder))
    return tuple(found)


def offered_model(settings: ServerSettings, id: str) -> OfferedModel:
    """One of them. Raises `Problem` 422 for another."""
    offered = models_offered(settings)
    for one in offered:
        if one.id == id:
            return one
    known = ", ".join(one.id for one in offered)
    raise Problem(422, f"no model is called {id!r} here. Known: {known}. More come with --runs FOLDER.")
