"""Evaluations that are kept: numbers with all that makes them, and the worst queries, as one JSON file each.

    RUN/evaluations/val-3f9c0a12.json   split or protocol, and a hash of all that decides the numbers

The same evaluation made again replaces its file; another model, data, split or setting has another name.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from crossgraph.data.corpus import Corpus
from crossgraph.errors import ConfigError, ModelError
from crossgraph.evaluation.label_report import LabelReport
from crossgraph.evaluation.report import EvaluationReport
from crossgraph.evaluation.worst import Item, WorstQueries, WorstQuery
from crossgraph.files import writing_out
from crossgraph.gallery.stages.cascade_model import CascadeModel
from crossgraph.reporting.identifiers import identifier, with_identifier
from crossgraph.reporting.runs import DEPTH, folders_in, shown_time
from crossgraph.reporting.table import Table
from crossgraph.training.model import TrainedModel

FORMAT: Final = 1
FOLDER = "evaluations"
LARGEST = 64 * 2**20
"""Bytes of a file beyond which it is taken for something else."""

AGAIN = "Make it again: crossgraph evaluate --save."

Direction = Literal["image_to_text", "text_to_image"]
DIRECTIONS: tuple[Direction, ...] = ("image_to_text", "text_to_image")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")


class EvaluatedData(_Section):
    """What was evaluated on: `given` is how it was named, `fingerprint` is of the whole of it."""

    name: str
    fingerprint: str
    given: str


class EvaluatedModel(_Section):
    """A run or cascade that was evaluated: its folder, as it was named, and what it was."""

    run: str
    method: str
    fingerprint: str
    seed: int
    selected_epoch: int | None = None


class MainResult(_Section):
    """The number an evaluation is known by, and the same with its interval or deviation as tables print it."""

    title: str
    value: float
    text: str


class EvaluationRecord(_Section):
    """An evaluation as its file holds it."""

    format: Literal[1] = FORMAT
    kind: Literal["captions", "labels"]
    made: str
    crossgraph: str
    command: str
    """What makes the same numbers again."""
    data: EvaluatedData
    models: tuple[EvaluatedModel, ...]
    task: str
    """The split, or the name of the protocol."""
    protocol: str
    """All of it in words, as it stands under the table."""
    ties: str
    interval: str
    """What stands beside a number: a bootstrap interval, a deviation, or nothing."""
    seeds: tuple[int, ...]
    main: MainResult
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: dict[str, Any]
    """The report's own JSON, less the worst queries."""
    worst: tuple[WorstQueries, ...] = ()
    """Those of each model, in the order of `models`."""


@dataclass(frozen=True)
class WorstCase:
    """One of the worst queries of an evaluation; `number` counts through all models and both directions, from 0."""

    number: int
    model: int
    direction: Direction
    query: WorstQuery

    @property
    def wrong(self) -> Item | None:
        """What was found in the first place and is wrong; None where ties alone made the rank."""
        return next((found.item for found in self.query.answers if not found.right), None)

    def pair(self, which: Literal["right", "wrong"]) -> tuple[str, Item] | None:
        """The sentence and the picture of the query with its right answer, or with the first wrong one."""
        item = self.query.right.item if which == "right" else self.wrong
        if item is None:
            return None
        query = self.query.query
        return (query.text, item) if self.direction == "text_to_image" else (item.text, query)


@dataclass(frozen=True)
class WorstGroup:
    """The worst queries of one model in one direction."""

    title: str
    by: str
    scores: str
    cases: tuple[WorstCase, ...]


@dataclass(frozen=True)
class StoredEvaluation:
    """An evaluation read from a file; `name` is its place below the folder that was listed."""

    id: str
    name: str
    file: Path
    record: EvaluationRecord

    @property
    def made(self) -> str:
        """When, to the minute in UTC."""
        try:
            return shown_time(datetime.fromisoformat(self.record.made))
        except ValueError:
            return self.record.made

    @property
    def table(self) -> Table:
        """The numbers, for a page."""
        return Table(self.record.headings, self.record.rows)

    @property
    def cases(self) -> tuple[WorstCase, ...]:
        """The worst queries by their numbers."""
        found: list[WorstCase] = []
        for model, worst in enumerate(self.record.worst):
            for direction in DIRECTIONS:
                for query in getattr(worst, direction):
                    found.append(WorstCase(len(found), model, direction, query))
        return tuple(found)

    @property
    def groups(self) -> tuple[WorstGroup, ...]:
        """The same by model and direction, for a page."""
        groups = []
        for model, worst in enumerate(self.record.worst):
            for direction in DIRECTIONS:
                cases = tuple(case for case in self.cases if (case.model, case.direction) == (model, direction))
                asked = (
                    "pictures that ask for captions"
                    if direction == "image_to_text"
                    else "captions that ask for pictures"
                )
                of = f", seed {self.record.models[model].seed}" if len(self.record.models) > 1 else ""
                groups.append(WorstGroup(f"Worst {asked}{of}", worst.by, worst.scores, cases))
        return tuple(group for group in groups if group.cases)

    def to_json(self, *, show_paths: bool = False) -> dict[str, Any]:
        """As plain values; folders that files lie in only with `show_paths`, but in the command, which is as typed."""
        told: dict[str, Any] = {"id": self.id, "name": self.name, **self.record.model_dump(mode="json")}
        if not show_paths:
            for model in told["models"]:
                model["run"] = Path(model["run"]).name
            _without_paths(told["worst"])
        return told


@dataclass(frozen=True)
class UnreadableEvaluation:
    """A file among the evaluations that cannot be read, and why."""

    id: str
    name: str
    file: Path
    problem: str

    def to_json(self) -> dict[str, str]:
        """As plain values, less the place."""
        return {"id": self.id, "name": self.name, "problem": self.problem}


def record_of(
    report: EvaluationReport | LabelReport,
    models: Sequence[TrainedModel | CascadeModel],
    corpus: Corpus,
    *,
    given: str,
    command: str,
) -> EvaluationRecord:
    """What is kept of a report of `models` on `corpus`, which was named as `given` and is whole; its worst queries too.

    `command` is what makes it again.
    """
    rows: Sequence[tuple[str, ...]]
    headings: tuple[str, ...]
    numbers = {name: value for name, value in report.to_json().items() if name != "worst"}
    worst = tuple(run.worst for run in report.runs if run.worst is not None)
    if isinstance(report, EvaluationReport):
        summary, title, kind = report.strict, "rSum", "captions"
        headings, rows, task = ("", "strict", "duplicate-aware"), report.lines(), report.protocol.split
        text, ties, seeds = {row[0]: row[1] for row in rows}[title], "by expectation", report.seeds
        level = report.runs[0].strict.intervals["rsum"].level
        interval = f"{100 * level:g}% bootstrap interval over images"
        value = summary.mean["rsum"]
    else:
        summary, title, kind = report.summary, report.protocol.measure, "labels"
        headings, rows, task = ("", "image→text", "text→image", "mean"), report.lines(), report.protocol.name
        text, ties, seeds = rows[0][-1], report.protocol.ties, report.seeds
        interval, value = "none", summary.mean["mean_main"]
    if len(report.runs) > 1:
        interval = f"sample deviation over {len(report.runs)} runs"
    return EvaluationRecord(
        kind="captions" if kind == "captions" else "labels",
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        crossgraph=importlib.metadata.version("crossgraph"),
        command=command,
        data=EvaluatedData(name=corpus.name, fingerprint=corpus.fingerprint(), given=given),
        models=tuple(EvaluatedModel(**model.describe()) for model in models),
        task=task,
        protocol=report.text(),
        ties="by expectation" if ties == "expected" else ties,
        interval=interval,
        seeds=tuple(seeds),
        main=MainResult(title=title, value=value, text=text),
        headings=headings,
        rows=tuple(tuple(row) for row in rows),
        numbers=json.loads(json.dumps(numbers)),
        worst=worst,
    )


def default_place(record: EvaluationRecord, models: Sequence[TrainedModel | CascadeModel]) -> Path:
    """Where a record is kept unless somebody says: in the folder of its first model, named by what decides it."""
    decides = {
        "data": record.data.fingerprint,
        "models": [model.fingerprint for model in record.models],
        "protocol": record.protocol,
    }
    mark = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:8]
    task = re.sub(r"[^A-Za-z0-9_]+", "-", record.task).strip("-")[:48] or "evaluation"
    return models[0].run / FOLDER / f"{task}-{mark}.json"


def save_evaluation(record: EvaluationRecord, file: Path | str) -> Path:
    """Write a record at once, with the folder it goes into; returns its file. Raises `ConfigError` if it cannot."""
    file = Path(file)
    if file.suffix != ".json":
        raise ConfigError(f"an evaluation is kept as JSON; got {file}. Give a name that ends with .json.")
    content = json.dumps(record.model_dump(mode="json"), indent=1)  # ASCII: names that are no UTF-8 stay what they are
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with writing_out(file) as stream:
            stream.write(content.encode())
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be written: {error.strerror or error}. Give another place with --out FILE.json."
        ) from error
    return file


def read_evaluation(file: Path | str, *, name: str | None = None) -> StoredEvaluation:
    """An evaluation from its file. Raises `ModelError` for a file that is none, of another format, or damaged."""
    file = Path(file)
    try:
        found = file.stat()
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror or error}. {AGAIN}") from error
    if found.st_size > LARGEST:
        raise ModelError(f"{file} has {found.st_size:,} bytes and is no evaluation, which has at most {LARGEST:,}.")
    name = file.stem if name is None else name
    record = _record(file, (found.st_ino, found.st_size, found.st_mtime_ns))
    return StoredEvaluation(identifier(name), name, file, record)


@lru_cache(maxsize=64)
def _record(file: Path, _state: tuple[int, int, int]) -> EvaluationRecord:
    """The record in a file, which is read once as long as it stays in its state."""
    try:
        tree = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(f"{file} is damaged ({error}). {AGAIN}") from error
    written = tree.get("format") if isinstance(tree, dict) else None
    if written != FORMAT:
        raise ModelError(f"{file} has format {written!r}; this version reads evaluations of format {FORMAT}. {AGAIN}")
    try:
        record = EvaluationRecord.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ModelError(
            f"{file} is not as an evaluation is written: {where}: {first['msg']} ({error.error_count()} problems in "
            f"all). {AGAIN}"
        ) from error
    if len(record.worst) > len(record.models):
        raise ModelError(f"{file} has worst queries of more models than it names. {AGAIN}")
    return record


def list_evaluations(folder: Path | str) -> tuple[StoredEvaluation | UnreadableEvaluation, ...]:
    """Every evaluation in a folder of runs, the latest first: those kept in its runs, and those in itself.

    A file in a folder `evaluations` that cannot be read is listed with the reason; elsewhere JSON of other kinds is
    passed over. Raises `ConfigError` where there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder. Give the folder that runs and evaluations are in.")
    found: list[StoredEvaluation | UnreadableEvaluation] = []
    for file in _files(folder):
        name = _name(file, folder)
        try:
            found.append(read_evaluation(file, name=name))
        except ModelError as error:
            if file.parent.name == FOLDER:
                found.append(UnreadableEvaluation(identifier(name), name, file, str(error).replace(str(file), name)))
    return tuple(sorted(found, key=_when, reverse=True))


def find_evaluation(folder: Path | str, identifier: str) -> StoredEvaluation:
    """The evaluation of `list_evaluations` with this identifier.

    Raises `ConfigError`, with the nearest one, if none has; `ModelError` if it cannot be read.
    """
    found = with_identifier(identifier, list_evaluations(folder), kind="evaluation")
    if isinstance(found, UnreadableEvaluation):
        raise ModelError(found.problem)
    return found


def evaluations_of(run: Path) -> tuple[StoredEvaluation, ...]:
    """Those that are kept in a run, the latest first, less those that cannot be read."""
    if not (run / FOLDER).is_dir():
        return ()
    return tuple(one for one in list_evaluations(run / FOLDER) if isinstance(one, StoredEvaluation))


def _files(folder: Path) -> Iterator[Path]:
    """JSON files of a folder and of the folders `evaluations` in it, as deep as runs lie."""
    yield from _json_files(folder)
    yield from _deeper(folder, DEPTH + 1)


def _deeper(folder: Path, depth: int) -> Iterator[Path]:
    if depth < 0:
        return
    for place in folders_in(folder):
        if place.name == FOLDER:
            yield from _json_files(place)
        else:
            yield from _deeper(place, depth - 1)


def _json_files(folder: Path) -> Iterable[Path]:
    try:
        return sorted(file for file in folder.glob("*.json") if file.is_file())
    except OSError:
        return []


def _name(file: Path, folder: Path) -> str:
    parts = file.relative_to(folder).with_suffix("").parts
    return "/".join(part for part in parts if part != FOLDER)


def _when(one: StoredEvaluation | UnreadableEvaluation) -> tuple[str, str]:
    return (one.record.made if isinstance(one, StoredEvaluation) else "", one.name)


def _without_paths(tree: Any) -> None:
    """Take `path`, and the folders of `image`, out of every dict in a tree of dicts and lists."""
    if isinstance(tree, dict):
        tree.pop("path", None)
        if isinstance(image := tree.get("image"), str):
            tree["image"] = image.rsplit("/", 1)[-1]
        tree = list(tree.values())
    if isinstance(tree, list):
        for part in tree:
            _without_paths(part)
