"""The table of an ablation: variants of one method by measures, each with its difference to the full method."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from rich.table import Table

from crossgraph.evaluation.markdown import markdown_table
from crossgraph.evaluation.report import ROWS
from crossgraph.evaluation.uncertainty import (
    Interval,
    Summary,
    paired_intervals,
    paired_mean_intervals,
    summarise_values,
)

FULL = "full"
BY_ITSELF = "rsum_by_itself"
"""rSum of a re-ranker's lists without the shortlist's score; also the name of what every query found so."""
SHARES = {
    "mean_main": "mean of both ways",
    "image_to_text_main": "image→text",
    "text_to_image_main": "text→image",
    "distinct_codes": "distinct codes",
    "bit_mean": "absolute bit mean",
}
"""The measures of label retrieval, shown with three decimals; the protocol says what the first three are."""
COLUMNS = (BY_ITSELF, "rsum", "image_to_text_r1", "text_to_image_r1", "twin_accuracy", "swap_accuracy", *SHARES)
"""The measures of the table; ones without a number are left out."""
TITLES = {**ROWS, BY_ITSELF: "rSum by itself", "swap_accuracy": "swap accuracy", **SHARES}


@dataclass(frozen=True)
class AblationRun:
    """One trained run and every number that was measured of it."""

    seed: int
    folder: str
    weights: str
    measures: dict[str, float]
    queries: dict[str, list[Any]] = field(default_factory=dict, repr=False, compare=False)
    """What every query found, for paired intervals: `hits` by picture, blended and by itself, or the number of every
    query by direction."""


@dataclass(frozen=True)
class Variant:
    """The runs of one variant; `changes` are the settings in which it differs from the full method."""

    name: str
    changes: dict[str, object]
    runs: tuple[AblationRun, ...]

    @property
    def summary(self) -> Summary:
        """Mean and sample deviation of every measure over the seeds."""
        return summarise_values([run.measures for run in self.runs])


@dataclass(frozen=True)
class AblationResult:
    """All variants, the full method first; `left_out` are those in which these settings are the full method's."""

    method: str
    protocol: str
    command: str | None
    variants: tuple[Variant, ...]
    left_out: tuple[str, ...]

    @cached_property
    def paired(self) -> dict[str, dict[str, Interval]]:
        """Of every variant but the full method, the intervals of what its means exceed the full method's by."""
        full, *others = self.variants
        return {variant.name: paired_with(variant, full) for variant in others}

    @property
    def columns(self) -> tuple[str, ...]:
        """The measures of the table that have numbers."""
        return tuple(name for name in COLUMNS if all(name in variant.summary.mean for variant in self.variants))

    def lines(self) -> list[tuple[str, ...]]:
        """Variant, then every measure as mean ± deviation and, in brackets, its difference to the full method."""
        full = self.variants[0].summary
        rows = []
        for variant in self.variants:
            own, less = variant.summary, None if variant.name == FULL else full
            paired = self.paired.get(variant.name, {})
            rows.append((variant.name, *(_shown(name, own, less, paired.get(name)) for name in self.columns)))
        return rows

    def text(self) -> str:
        """The protocol in one line, to stand under the table."""
        runs = len(self.variants[0].runs)
        spread = f"±: sample deviation over {runs} runs; " if runs > 1 else ""
        sure = any(self.paired.values())
        said = "; [low, high]: its 95% paired bootstrap interval over queries" if sure else ""
        return f"{self.protocol}; {spread}in brackets: difference to the full method{said}"

    def table(self) -> Table:
        """For a terminal."""
        table = Table(title=f"Ablation of {self.method}", caption=self.text(), caption_justify="left")
        for heading in ("variant", *(TITLES[name] for name in self.columns)):
            table.add_column(heading, justify="left" if heading == "variant" else "right")
        for line in self.lines():
            table.add_row(*line)
        return table

    def markdown(self) -> str:
        """The table, the protocol, the command, and where the runs are."""
        headings = ("variant", *(TITLES[name] for name in self.columns))
        lines = [f"# Ablation of {self.method}", "", markdown_table(headings, self.lines()), "", self.text()]
        if self.command is not None:
            lines += ["", f"    {self.command}"]
        if self.left_out:
            lines += ["", f"Left out, because the settings are so already: {', '.join(self.left_out)}."]
        lines += ["", "| variant | changed settings | runs |", "| --- | --- | --- |"]
        for variant in self.variants:
            changes = ", ".join(f"`model.{name}={json.dumps(value)}`" for name, value in variant.changes.items())
            lines.append(f"| {variant.name} | {changes} | {', '.join(run.folder for run in variant.runs)} |")
        return "\n".join(lines) + "\n"

    def to_json(self) -> dict[str, object]:
        """Everything, as plain values."""
        return {
            "method": self.method,
            "protocol": self.text(),
            "command": self.command,
            "seeds": [run.seed for run in self.variants[0].runs],
            "left_out": list(self.left_out),
            "variants": [
                _variant_to_json(variant, self.variants[0].summary, self.paired.get(variant.name, {}))
                for variant in self.variants
            ],
        }


def paired_with(variant: Variant, full: Variant) -> dict[str, Interval]:
    """Intervals of what a variant's means exceed the full method's by; none where runs lack what queries found."""
    ours, theirs = ([run.queries for run in one.runs] for one in (variant, full))
    if not all((*ours, *theirs)):
        return {}
    if "hits" in ours[0]:
        intervals = _paired_hits(ours, theirs, "hits")
        if all(BY_ITSELF in run for run in (*ours, *theirs)):
            intervals[BY_ITSELF] = _paired_hits(ours, theirs, BY_ITSELF)["rsum"]
        return intervals
    values = [[{way: np.array(run[way], np.float64) for way in run} for run in side] for side in (ours, theirs)]
    return {f"{way}_main": interval for way, interval in paired_mean_intervals(*values).items()}


def _paired_hits(
    ours: Sequence[Mapping[str, list[Any]]], theirs: Sequence[Mapping[str, list[Any]]], of: str
) -> dict[str, Interval]:
    hits = [[torch.tensor(run[of], dtype=torch.float64) for run in side] for side in (ours, theirs)]
    return paired_intervals(*hits)


def _shown(name: str, own: Summary, full: Summary | None, paired: Interval | None) -> str:
    places = 3 if name in SHARES else 1
    text = f"{own.mean[name]:.{places}f}"
    if own.deviation is not None:
        text += f" ± {own.deviation[name]:.{places}f}"
    if full is None:
        return text
    sure = "" if paired is None else f" [{paired.low:+.{places}f}, {paired.high:+.{places}f}]"
    return f"{text} ({own.mean[name] - full.mean[name]:+.{places}f}{sure})"


def _variant_to_json(variant: Variant, full: Summary, paired: Mapping[str, Interval]) -> dict[str, object]:
    own = variant.summary
    measures = {
        name: {
            "mean": mean,
            "deviation": own.deviation and own.deviation[name],
            "difference": mean - full.mean[name] if name in full.mean else None,
            **({"interval": asdict(paired[name])} if name in paired else {}),
        }
        for name, mean in own.mean.items()
    }
    runs = [
        {"seed": run.seed, "folder": run.folder, "weights": run.weights, "measures": run.measures}
        for run in variant.runs
    ]
    return {"variant": variant.name, "changes": variant.changes, "measures": measures, "runs": runs}
