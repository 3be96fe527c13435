"""The runs and cascades in a folder, each with where it stands and its main number."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from crossgraph.errors import ConfigError, ModelError
from crossgraph.gallery.stages.cascade_manifest import CascadeManifest, CodePart, Part, is_cascade
from crossgraph.reporting.identifiers import identifier, with_identifier
from crossgraph.reporting.run_log import RunLog, read_log
from crossgraph.training.checkpoint import LAST, MANIFEST, WEIGHTS, RunManifest, read_manifest
from crossgraph.training.run_lock import is_being_trained

DEPTH = 2
"""Runs are looked for in a folder, in its folders, and in theirs."""

SILENT = 900.0
"""Seconds without a line in its log after which a run whose lock cannot be seen counts as stopped."""

Standing: TypeAlias = Literal["training", "finished", "stopped", "made", "unreadable"]


@dataclass(frozen=True)
class RunState:
    """Where a run stands: one word, the same in a sentence, and how that was found out."""

    word: Standing
    text: str
    known_by: str


@dataclass(frozen=True)
class MainNumber:
    """The number that selects a run's epoch, at its best so far."""

    title: str
    value: float
    epoch: int

    @property
    def text(self) -> str:
        """Rounded as tables print it: mAP is a share, rSum a sum of percents."""
        return f"{self.value:.3f}" if self.title == "mAP" else f"{self.value:.1f}"


@dataclass(frozen=True)
class RunSummary:
    """One run or cascade of a list. `name` is its place below the folder that was listed."""

    id: str
    name: str
    kind: Literal["run", "cascade"]
    folder: Path
    state: RunState
    method: str = ""
    data: str = ""
    seed: int | None = None
    epochs: int = 0
    started: datetime | None = None
    changed: datetime | None = None
    main: MainNumber | None = None

    @property
    def times(self) -> tuple[str, str]:
        """When it began and when its log last grew, to the minute in UTC; empty where nobody knows."""
        return shown_time(self.started), shown_time(self.changed)

    @property
    def has_curves(self) -> bool:
        """Whether there is something to draw of it."""
        return self.kind == "run" and self.state.word not in ("made", "unreadable")

    def to_json(self) -> dict[str, Any]:
        """As plain values, less the folder."""
        named = asdict(self)
        del named["folder"]
        times = {name: None if (at := named[name]) is None else at.isoformat() for name in ("started", "changed")}
        return named | times


def list_runs(folder: Path | str) -> tuple[RunSummary, ...]:
    """Every run and cascade in `folder`, itself included, the latest first.

    What a cascade or a re-ranker keeps copies of is part of it and not listed. One that cannot be read is listed, and
    its state says why. Raises `ConfigError` where there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder. Give the folder that runs were trained into.")
    found = [summary_of(place, name=_name(place, folder)) for place in _places(folder, DEPTH)]
    return tuple(sorted(found, key=lambda one: (_last_time(one), one.name), reverse=True))


def find_run(folder: Path | str, identifier: str) -> RunSummary:
    """The one of `list_runs` with this identifier. Raises `ConfigError`, with the nearest one, if none has."""
    return with_identifier(identifier, list_runs(folder), kind="run")


def summary_of(folder: Path, *, name: str) -> RunSummary:
    """A run or cascade as a list shows it; never raises for one that cannot be read."""
    if is_cascade(folder):
        return _cascade(folder, name)
    try:
        manifest = read_manifest(folder)
    except ModelError as error:
        state = RunState("unreadable", str(error).replace(str(folder), name), "its manifest")
        return RunSummary(identifier(name), name, "run", folder, state, changed=_written(folder / MANIFEST))
    log = read_log(folder)
    return RunSummary(
        id=identifier(name),
        name=name,
        kind="run",
        folder=folder,
        state=state_of(folder, manifest, log),
        method=manifest.config.method,
        data=manifest.data.name,
        seed=manifest.config.training.seed,
        epochs=manifest.config.training.epochs,
        started=_parsed_time(manifest.started),
        changed=_written(folder / MANIFEST) if log.changed is None else datetime.fromtimestamp(log.changed, UTC),
        main=main_number(manifest, log),
    )


def state_of(run: Path, manifest: RunManifest, log: RunLog) -> RunState:
    """Where a run stands.

    It is being trained while a process holds its lock, which a kill frees; where locks cannot be seen, while its log
    grew in the last `SILENT` seconds. It is finished once its manifest names the selected epoch.
    """
    held, known_by = is_being_trained(run), "its lock"
    if held is None:
        age = None if log.changed is None else time.time() - log.changed
        held = manifest.selected is None and age is not None and age < SILENT
        known_by = "its log, which grew last " + ("never" if age is None else f"{_spoken(age)} ago")
    epochs = manifest.config.training.epochs
    if held:
        return RunState("training", f"training now, {_position(log, epochs)}", known_by)
    if manifest.selected is not None:
        chosen = manifest.selected.get("epoch")
        return RunState("finished", f"finished, epoch {chosen} of {log.validated or chosen} chosen", "its manifest")
    if log.changed is None and not (run / LAST).exists():
        if (run / WEIGHTS).exists():
            return RunState("made", "made of a pretrained model, not trained", "its files")
        return RunState("stopped", "stopped before the first step", known_by)
    again = "; --resume goes on" if (run / LAST).exists() else ", with nothing saved to go on from"
    return RunState("stopped", f"stopped, {_position(log, epochs)}{again}", known_by)


def main_number(manifest: RunManifest, log: RunLog) -> MainNumber | None:
    """The number that selects, of the selected epoch, or the best one before there is any; None without validation."""
    by = manifest.config.training.select_by
    title = "mAP" if by == "map" else "rSum"
    if manifest.selected is not None and by in manifest.selected:
        return MainNumber(title, float(manifest.selected[by]), int(manifest.selected.get("epoch", 0)))
    if by not in log.validation or not (known := log.validation[by].known):
        return None
    epoch, value = max(known, key=lambda point: point[1])
    return MainNumber(title, value, int(epoch))


def shown_time(at: datetime | None) -> str:
    """To the minute in UTC; empty for None."""
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def _position(log: RunLog, epochs: int) -> str:
    if log.changed is None or not log.step:
        return "before the first step"
    if log.validated >= epochs:
        return f"all {epochs} epochs done"
    epoch = log.epoch + 1 if log.epoch == log.validated else log.epoch
    return f"epoch {epoch} of {epochs}, step {log.step:,}"


def _cascade(folder: Path, name: str) -> RunSummary:
    changed = _written(folder / "cascade.json")
    try:
        manifest = CascadeManifest.read(folder)
    except ModelError as error:
        state = RunState("unreadable", str(error).replace(str(folder), name), "its manifest")
        return RunSummary(identifier(name), name, "cascade", folder, state, changed=changed)
    parts = {role: part for role, part in manifest.parts().items() if part is not None}
    told = ", ".join(f"{role} {_part(part)}" for role, part in parts.items())
    return RunSummary(
        id=identifier(name),
        name=name,
        kind="cascade",
        folder=folder,
        state=RunState("made", f"a cascade: {told}", "its manifest"),
        method=" + ".join(part.method for part in parts.values() if isinstance(part, Part)),
        changed=changed,
    )


def _places(folder: Path, depth: int) -> Iterator[Path]:
    """Runs and cascades in a folder; a run's own folders are not looked through."""
    if is_cascade(folder) or (folder / MANIFEST).is_file():
        yield folder
        return
    if depth < 0:
        return
    for place in folders_in(folder):
        yield from _places(place, depth - 1)


def folders_in(folder: Path) -> list[Path]:
    """The folders directly in one, sorted, hidden ones left out; none where it is not ours to read."""
    try:
        return sorted(Path(entry.path) for entry in os.scandir(folder) if entry.is_dir() and entry.name[0] != ".")
    except OSError:
        return []


def _name(place: Path, folder: Path) -> str:
    return folder.resolve().name if place == folder else place.relative_to(folder).as_posix()


def _last_time(run: RunSummary) -> float:
    at = run.changed or run.started
    return 0.0 if at is None else at.timestamp()


def _parsed_time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _written(file: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except OSError:
        return None


def _spoken(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _part(part: CodePart) -> str:
    return part.method if isinstance(part, Part) else f"of {part.bits} bits"
