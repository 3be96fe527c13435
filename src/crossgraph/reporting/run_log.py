"""A run's log.jsonl while it grows: nothing is locked, and a last line that is still being written is left alone."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeGuard

from crossgraph.reporting.curves import Curve, finite
from crossgraph.training.checkpoint import LOG

PLACES = ("epoch", "step")


@dataclass(frozen=True)
class RunLog:
    """Curves by name: those of steps (`loss`, `loss_info_nce`, `rate`, `gradient`, ...) and those of validations.

    `unread` lines in the middle are no JSON objects. `changed` is when the file was last written, in seconds since
    1970, None where there is no file.
    """

    steps: dict[str, Curve] = field(default_factory=dict)
    validation: dict[str, Curve] = field(default_factory=dict)
    step: int = 0
    epoch: int = 0
    """The epoch of the last line, from 1; 0 before the first."""
    validated: int = 0
    """The last epoch that was validated."""
    unread: int = 0
    changed: float | None = None


def read_log(run: Path) -> RunLog:
    """What the log of a run says so far; empty where there is none. Raises nothing for lines that are damaged."""
    file = run / LOG
    try:
        found = file.stat()
    except OSError:
        return RunLog()
    return _parsed(file, (found.st_ino, found.st_size, found.st_mtime_ns))


@lru_cache(maxsize=64)
def _parsed(file: Path, state: tuple[int, int, int]) -> RunLog:
    """The log as it was in a state (inode, bytes, nanoseconds of its last change), which is read once."""
    _, size, changed = state
    try:
        with file.open("rb") as stream:
            content = stream.read(size)
    except OSError:
        return RunLog()
    lines = content.split(b"\n")
    partial = lines.pop()  # empty after a whole line
    steps, validation = _Columns("step"), _Columns("epoch")
    unread = epoch = 0
    for line in lines:
        entry = _entry(line)
        if entry is None:
            unread += bool(line.strip())
        elif isinstance(validated := entry.get("validation"), dict):
            validation.add(validated)
        else:
            steps.add(entry)
            epoch = entry["epoch"] if isinstance(entry.get("epoch"), int) else epoch
    if (entry := _entry(partial)) is not None and "step" in entry:
        steps.add(entry)
    return RunLog(
        steps.curves(),
        validation.curves(),
        int(steps.last),
        max(epoch, int(validation.last)),
        int(validation.last),
        unread,
        changed / 1e9,
    )


class _Columns:
    """Rows of named numbers, gathered by name."""

    def __init__(self, place: str) -> None:
        self.place, self.last = place, 0.0
        self._columns: dict[str, tuple[list[float], list[float | None]]] = {}

    def add(self, row: dict[str, Any]) -> None:
        at = row.get(self.place)
        if not _is_number(at) or not math.isfinite(at):
            return
        self.last = float(at)
        for name, value in row.items():
            if name not in PLACES and _is_number(value):
                x, y = self._columns.setdefault(name, ([], []))
                x.append(float(at))
                y.append(finite(float(value)))

    def curves(self) -> dict[str, Curve]:
        return {name: Curve(tuple(x), tuple(y)) for name, (x, y) in self._columns.items()}


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, float) or (isinstance(value, int) and abs(value) < 2**63 and not isinstance(value, bool))


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:  # of UTF-8 as of JSON
        return None
    return found if isinstance(found, dict) else None
