"""Several ways to do one thing, by turns in one run: medians and spread, by the clock and of the processor."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Times:
    """Seconds of every repetition."""

    clock: tuple[float, ...]
    processor: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """The median of the processor's seconds, which other work on the machine disturbs least."""
        return median(self.processor)

    def facts(self, per: int = 1) -> dict[str, float]:
        """Medians, and the least and most, in microseconds for one of `per` things."""
        scale = 1e6 / per
        return {
            "microseconds": scale * self.seconds,
            "least": scale * min(self.processor),
            "most": scale * max(self.processor),
            "by_the_clock": scale * median(self.clock),
        }


def by_turns(ways: Mapping[str, Callable[[], object]], *, repeats: int) -> dict[str, Times]:
    """How long each way takes: all once to warm up, then one after the other, `repeats` times."""
    for way in ways.values():
        way()
    clock: dict[str, list[float]] = {name: [] for name in ways}
    processor: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            gc.collect()
            began, busy = time.perf_counter(), time.process_time()
            way()
            processor[name].append(time.process_time() - busy)
            clock[name].append(time.perf_counter() - began)
    return {name: Times(tuple(clock[name]), tuple(processor[name])) for name in ways}


def product(rows: int, inner: int, columns: int) -> Callable[[], object]:
    """A matrix product of single precision as a way to be timed."""
    left, right = torch.randn(rows, inner), torch.randn(inner, columns)
    return lambda: left @ right


@dataclass(frozen=True)
class Machine:
    """What the numbers were made on."""

    cores: int
    threads: int
    load: tuple[float, float, float]
    matrix_gigaflops: float
    """Of 512 x 256 x 256 products, in single precision, a second of the processor."""
    copied_gigabytes: float
    """A second of the processor, of an array that no cache holds."""
    torch_version: str = torch.__version__

    @classmethod
    def now(cls, *, repeats: int = 5) -> Machine:
        """Measured."""
        many, array = 40, np.zeros(2**25, np.float32)
        into, multiply = np.empty_like(array), product(512, 256, 256)

        def products() -> None:
            for _ in range(many):
                multiply()

        times = by_turns({"product": products, "copy": lambda: np.copyto(into, array)}, repeats=repeats)
        return cls(
            os.cpu_count() or 1,
            torch.get_num_threads(),
            os.getloadavg() if hasattr(os, "getloadavg") else (0.0, 0.0, 0.0),
            many * 2 * 512 * 256 * 256 / times["product"].seconds / 1e9,
            2 * array.nbytes / times["copy"].seconds / 1e9,
        )


@dataclass(frozen=True)
class Outcome:
    """One benchmark's table: rows of one set of columns, and what is to be said of them."""

    name: str
    machine: Machine
    rows: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return asdict(self)

    def markdown(self) -> str:
        """The rows as a table, the notes, and the machine."""
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
        lines += [f"| {' | '.join(_shown(row.get(key, '')) for key in columns)} |" for row in self.rows]
        one = self.machine
        where = (
            f"{one.cores} cores, {one.threads} threads of torch {one.torch_version}, load {one.load[0]:.1f}; matrix "
            f"products {one.matrix_gigaflops:.0f} GFLOP/s, copies {one.copied_gigabytes:.1f} GB/s (of the processor)"
        )
        return "\n".join([f"## {self.name}", "", *lines, "", *self.notes, where])


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)
