"""The benchmarks by name; each is imported when it runs."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast

from crossgraph.bench.timing import Outcome
from crossgraph.errors import ConfigError, unknown_name

BENCHES = {
    "pairs": ("crossgraph.bench.pairs:run", "a pair's score: published loops, pair by pair, picture by picture"),
    "two-stage": ("crossgraph.bench.stages:run", "two-stage evaluation of 1,000 x 5,000 beside every pair"),
    "steps": ("crossgraph.bench.steps:run", "a training step of each method, by part"),
    "codes": ("crossgraph.bench.codes:nearest", "the nearest of a million codes, beside a sort and FAISS"),
    "sentences": ("crossgraph.bench.sentences:run", "one sentence to its vector, without torch and by torch"),
    "upkeep": ("crossgraph.bench.upkeep:run", "changing few of 10 thousand pictures, and of a million"),
    "growth": ("crossgraph.bench.growth:run", "the powers with which verbs grow, in time and memory"),
    "map": ("crossgraph.bench.codes:mean_average_precision", "mAP@all of 5,000 x 117,218 codes of 128 bits"),
}


def bench_named(name: str) -> Callable[[], Outcome]:
    """The benchmark of that name; raises `ConfigError` with the nearest known one."""
    if name not in BENCHES:
        raise ConfigError(unknown_name("benchmark", name, BENCHES))
    module, function = BENCHES[name][0].split(":")
    return cast(Callable[[], Outcome], getattr(import_module(module), function))


def story() -> str:
    """One line a benchmark."""
    return "\n".join(f"{name:10} {said}" for name, (_, said) in BENCHES.items())
