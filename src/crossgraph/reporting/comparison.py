"""One or several runs read as a whole: their curves drawn together, their settings compared, their last values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from crossgraph.errors import ConfigError
from crossgraph.evaluation.report import ROWS
from crossgraph.reporting.charts import Line, line_chart, said
from crossgraph.reporting.curves import Curve
from crossgraph.reporting.run_facts import NOTHING, decided_by, facts_of, flat_settings
from crossgraph.reporting.run_log import read_log
from crossgraph.reporting.runs import RunSummary, summary_of
from crossgraph.reporting.table import Table
from crossgraph.training.checkpoint import read_manifest

LOSS, GRADIENT, RATE = "loss", "gradient", "rate"
RECALLS = [name for name in ROWS if name.endswith(("_r1", "_r5", "_r10"))]
RANKS = [name for name in ROWS if name.endswith("_rank")]
TITLES = {
    LOSS: "loss, all parts",
    GRADIENT: "gradient norm",
    RATE: "learning rate",
    "map": "mAP",
    "image_to_text_map": "image→text mAP",
    "text_to_image_map": "text→image mAP",
    **ROWS,
}
MOST_RUNS = 12
"""More lines in one chart cannot be told apart."""


@dataclass(frozen=True)
class RunReading:
    """A run with all that is shown of it: curves by step and by epoch, settings and facts."""

    summary: RunSummary
    steps: dict[str, Curve]
    validation: dict[str, Curve]
    settings: dict[str, str]
    decided_by: dict[str, str]
    facts: dict[str, str]
    unread: int

    def to_json(self) -> dict[str, Any]:
        """As plain values; curves of steps are reduced to 400 points."""
        return {
            **self.summary.to_json(),
            "steps": {name: curve.reduced().to_json() for name, curve in self.steps.items()},
            "validation": {name: curve.to_json() for name, curve in self.validation.items()},
            "settings": self.settings,
            "decided_by": self.decided_by,
            "facts": self.facts,
            "unread_lines": self.unread,
        }


@dataclass(frozen=True)
class Chart:
    """A drawing and what stands over it."""

    title: str
    svg: Markup


@dataclass(frozen=True)
class Comparison:
    """One or more runs, side by side; `names` are theirs, without the folders that all are in."""

    runs: tuple[RunReading, ...]
    names: tuple[str, ...]

    @property
    def training(self) -> bool:
        """Whether one of them is being trained now."""
        return any(run.summary.state.word == "training" for run in self.runs)

    @property
    def title(self) -> str:
        """The names, or how many there are."""
        return ", ".join(self.names) if len(self.names) <= 3 else f"{len(self.names)} runs"

    @property
    def validation_charts(self) -> tuple[Chart, ...]:
        """Of one run recalls and ranks together; of several the number that selects, then every recall."""
        mains = list(dict.fromkeys(_selects(run) for run in self.runs))
        if len(self.runs) > 1:
            names = mains + [name for name in (*RECALLS, *RANKS) if self._has(name, "validation")]
            return tuple(self._of_runs(name, "validation", "epoch") for name in names if self._has(name, "validation"))
        (run,) = self.runs
        groups = [
            (TITLES.get(mains[0], mains[0]), mains),
            ("mAP of each way", [name for name in run.validation if name.endswith("_map")]),
            ("Recall, %", RECALLS),
            ("Ranks of the first right answer", RANKS),
        ]
        found = [self._of_names(title, names, run.validation, "epoch") for title, names in groups]
        return tuple(chart for chart in found if chart is not None)

    @property
    def training_charts(self) -> tuple[Chart, ...]:
        """Losses by name, the norm of the gradient and the learning rate."""
        parts = [name for name in self._names("steps") if name.startswith("loss_")]
        others = [name for name in self._names("steps") if name not in (LOSS, GRADIENT, RATE, *parts)]
        if len(self.runs) > 1:
            names = [LOSS, *parts, GRADIENT, RATE, *others]
            return tuple(self._of_runs(name, "steps", "step") for name in names if self._has(name, "steps"))
        (run,) = self.runs
        losses = [LOSS, *parts] if len(parts) > 1 else [LOSS]
        groups = [("Losses" if len(parts) > 1 else "Loss", losses), ("Gradient norm, before clipping", [GRADIENT])]
        groups += [("Learning rate", [RATE]), *((title_of(name), [name]) for name in others)]
        found = [self._of_names(title, names, run.steps, "step") for title, names in groups]
        return tuple(chart for chart in found if chart is not None)

    @property
    def last_values(self) -> Table:
        """The last value of every curve; of losses and gradients the mean of the last twentieth of the steps."""
        rows = [("steps", *(f"{_last_place(run.steps):,.0f}" for run in self.runs))]
        rows += [
            (title_of(name), *(said(_late(name, run.steps.get(name))) for run in self.runs))
            for name in self._names("steps")
        ]
        rows.append(("epochs validated", *(f"{_last_place(run.validation):,.0f}" for run in self.runs)))
        rows += [
            (title_of(name), *(said(curve.last if (curve := run.validation.get(name)) else None) for run in self.runs))
            for name in self._names("validation")
        ]
        return Table(("", *self.names), tuple(rows))

    @property
    def main_numbers(self) -> Table:
        """Where each run stands, and the number that selects its epoch."""
        rows = []
        for name, run in zip(self.names, self.runs, strict=True):
            main = run.summary.main
            best = ("–", "–") if main is None else (f"{main.title} {main.text}", str(main.epoch))
            rows.append((name, run.summary.state.text, *best))
        return Table(("run", "state", "best in validation", "of epoch"), tuple(rows), "words")

    @property
    def differences(self) -> Table:
        """Settings, and what else decides the outcome, that are not the same in all runs; none of a single run."""
        rows = [*self._differing("settings"), *self._differing("decided_by")]
        return Table(("setting", *self.names), tuple(rows), "words")

    @property
    def facts(self) -> Table:
        """What there is to know of each run besides its settings."""
        names = dict.fromkeys(name for run in self.runs for name in run.facts)
        rows = [(name, *(run.facts.get(name, NOTHING) for run in self.runs)) for name in names]
        return Table(("", *self.names), tuple(rows), "words")

    @property
    def settings(self) -> Table:
        """Every setting of every run, defaults filled in."""
        names = dict.fromkeys(name for run in self.runs for name in run.settings)
        rows = [(name, *(run.settings.get(name, NOTHING) for run in self.runs)) for name in names]
        return Table(("setting", *self.names), tuple(rows), "words")

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "runs": [run.to_json() for run in self.runs],
            "names": list(self.names),
            "training": self.training,
            "differences": [{"setting": name, "values": list(values)} for name, *values in self.differences.rows],
        }

    def _differing(self, group: str) -> list[tuple[str, ...]]:
        trees = [getattr(run, group) for run in self.runs]
        names = dict.fromkeys(name for tree in trees for name in tree)
        rows = [(name, *(tree.get(name, NOTHING) for tree in trees)) for name in names]
        return [row for row in rows if len(set(row[1:])) > 1]

    def _names(self, group: str) -> list[str]:
        return list(dict.fromkeys(name for run in self.runs for name in getattr(run, group)))

    def _has(self, name: str, group: str) -> bool:
        return any(name in getattr(run, group) for run in self.runs)

    def _of_runs(self, name: str, group: str, place: str) -> Chart:
        """One number of all runs; a run looks the same in every chart."""
        lines = [
            Line(label, getattr(run, group)[name], look)
            for look, (label, run) in enumerate(zip(self.names, self.runs, strict=True))
            if name in getattr(run, group)
        ]
        return _chart(title_of(name), lines, place, name)

    def _of_names(self, title: str, names: Sequence[str], curves: dict[str, Curve], place: str) -> Chart | None:
        """Several numbers of one run."""
        lines = [Line(_short(name), curves[name], look) for look, name in enumerate(names) if name in curves]
        return _chart(title, lines, place, title) if lines else None


def read_run(run: RunSummary | Path | str) -> RunReading:
    """A run as `list_runs` gave it, or by its folder, as it is at this moment.

    Raises `ModelError` for a folder that is no run or one of another format; a cascade has no curves either.
    """
    if not isinstance(run, RunSummary):
        folder = Path(run)
        run = summary_of(folder, name=folder.resolve().name)
    manifest, log = read_manifest(run.folder), read_log(run.folder)
    fresh = summary_of(run.folder, name=run.name)
    settings, facts = flat_settings(manifest), facts_of(fresh, manifest)
    return RunReading(fresh, log.steps, log.validation, settings, decided_by(manifest), facts, log.unread)


def compare(runs: Iterable[RunSummary | RunReading | Path | str]) -> Comparison:
    """One run or several side by side. Raises `ConfigError` for none or more than `MOST_RUNS`, else as `read_run`."""
    given = list(runs)
    if not 1 <= len(given) <= MOST_RUNS:
        raise ConfigError(f"{len(given)} runs cannot be shown together; choose 1 to {MOST_RUNS}.")
    readings = tuple(run if isinstance(run, RunReading) else read_run(run) for run in given)
    return Comparison(readings, _told_apart([run.summary.name for run in readings]))


def title_of(name: str) -> str:
    """How a number is called in print."""
    if name.startswith("loss_"):
        return f"loss: {name.removeprefix('loss_').replace('_', ' ')}"
    return TITLES.get(name, name.replace("_", " "))


def _short(name: str) -> str:
    """The same beside its line."""
    return title_of(name).replace("image→text", "i→t").replace("text→image", "t→i").removeprefix("loss: ")


def _chart(title: str, lines: Sequence[Line], place: str, mark: str) -> Chart:
    unique = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in f"chart-{place}-{mark}")
    return Chart(title, line_chart(lines, title=f"{title} by {place}", x_title=place, mark=unique.lower()))


def _selects(run: RunReading) -> str:
    return run.settings.get("training.select_by", "rsum")


def _told_apart(names: Sequence[str]) -> tuple[str, ...]:
    """Names less the folders that all have in common, and with a number where two are equal."""
    parts = [name.split("/") for name in names]
    common = 0
    while len(parts) > 1 and all(len(one) > common + 1 for one in parts) and len({one[common] for one in parts}) == 1:
        common += 1
    short = ["/".join(one[common:]) for one in parts]
    seen: dict[str, int] = {}
    told = []
    for name in short:
        seen[name] = seen.get(name, 0) + 1
        told.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(told)


def _last_place(curves: dict[str, Curve]) -> float:
    return max((curve.x[-1] for curve in curves.values() if curve.x), default=0.0)


def _late(name: str, curve: Curve | None) -> float | None:
    """The last learning rate; of what varies from step to step, the mean of the last twentieth."""
    if curve is None or not (known := curve.known):
        return None
    late = [value for _, value in known[-max(1, len(known) // 20) :]]
    return curve.last if name == RATE else sum(late) / len(late)
