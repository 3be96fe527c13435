"""What an evaluation by labels found, over one or more runs, with its protocol: as JSON, table or Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

from rich.table import Table

from crossgraph.errors import ConfigError
from crossgraph.evaluation.curves import Curve, draw_curves
from crossgraph.evaluation.label_scores import CUTOFF, CodeFacts, DirectionScores
from crossgraph.evaluation.markdown import markdown_table
from crossgraph.evaluation.metrics import DIRECTIONS
from crossgraph.evaluation.protocols import LabelProtocol
from crossgraph.evaluation.uncertainty import Summary, summarise_values
from crossgraph.evaluation.worst import WorstQueries

MEAN = "mean"
ROWS = {
    "main": "",
    "ties_won": "ties won",
    "ties_lost": "ties lost",
    "map_at_all": "mAP@all",
    f"ndcg_at_{CUTOFF}": f"NDCG@{CUTOFF}",
    f"precision_at_{CUTOFF}": f"P@{CUTOFF}",
    "chance": "a random order's",
}
"""The order and wording of the lines of a table; the first is the protocol's own number."""

SHOWN_RADII = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32)


@dataclass(frozen=True)
class LabelRun:
    """The numbers of one trained model (one seed); `codes` are those of pictures and of captions, if there are any."""

    method: str
    seed: int
    image_to_text: DirectionScores
    text_to_image: DirectionScores
    codes: tuple[CodeFacts, CodeFacts] | None
    labels: str
    """How many labels of which kind decided what is relevant."""
    selected_on: str
    worst: WorstQueries | None = None
    """The queries with the least of the protocol's number; None unless they were asked for."""

    def values(self) -> dict[str, float]:
        """Every number by direction and name ("mean_main"), the mean of both directions among them; facts of codes."""
        sides = {"image_to_text": self.image_to_text.values, "text_to_image": self.text_to_image.values}
        sides[MEAN] = {name: fmean(side[name] for side in sides.values()) for name in self.image_to_text.values}
        named = {f"{side}_{name}": value for side, values in sides.items() for name, value in values.items()}
        if self.codes is not None:
            named["distinct_codes"] = fmean(side.unique for side in self.codes)
            named["bit_mean"] = fmean(side.bit_mean for side in self.codes)
        return named


@dataclass(frozen=True)
class LabelReport:
    """One or more runs of one recipe under one protocol."""

    dataset: str
    protocol: LabelProtocol
    runs: tuple[LabelRun, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of each run."""
        return tuple(run.seed for run in self.runs)

    @property
    def summary(self) -> Summary:
        """Mean and sample deviation of every number over the runs."""
        return summarise_values([run.values() for run in self.runs])

    def task(self) -> str:
        """The protocol, with the labels and sizes that came of it and how epochs were selected."""
        first = self.runs[0]
        sizes = [
            f"{way}: {side.queries:,} queries ({side.queries_without_answer:,} without a relevant item), "
            f"{side.items:,} items"
            for way, side in (("image→text", first.image_to_text), ("text→image", first.text_to_image))
        ]
        ranked = "packed codes by Hamming distance" if first.codes else "embeddings by cosine, no re-ranking"
        selected = "; ".join(dict.fromkeys(run.selected_on for run in self.runs))
        return (
            f"{self.dataset}, {first.labels}; {self.protocol.text()} (here: {selected}); {'; '.join(sizes)}; "
            f"ranked: {ranked}"
        )

    def text(self) -> str:
        """The task and the seeds, to stand under a table."""
        seeds = ", ".join(str(run.seed) for run in self.runs)
        spread = f"; ±: sample deviation over {len(self.runs)} runs" if len(self.runs) > 1 else ""
        return f"{self.task()}; {'seed' if len(self.runs) == 1 else 'seeds'} {seeds}{spread}{self._too_few()}"

    def lines(self) -> list[tuple[str, ...]]:
        """Name, then image→text, text→image and their mean; bounds only where ties matter.

        P@N has no number where the database has fewer than N items: it divides by N, and would be less than chance.
        """
        summary, short = self.summary, self._short_of(CUTOFF)
        tied = any(
            abs(summary.mean[f"{side}_ties_won"] - summary.mean[f"{side}_ties_lost"]) > 5e-4 for side in DIRECTIONS
        )
        rows = []
        for name, title in ROWS.items():
            bound = name in ("ties_won", "ties_lost")
            repeated = name == "map_at_all" and self.protocol.measure == "mAP@all"
            precision = name == f"precision_at_{CUTOFF}"
            if (bound and not tied) or repeated or (precision and len(short) == len(DIRECTIONS)):
                continue
            label = self.protocol.measure if name == "main" else f"{self.protocol.measure}, {title}" if bound else title
            without = {*short, MEAN} if precision and short else frozenset[str]()
            cells = ("–" if side in without else _shown(summary, f"{side}_{name}") for side in (*DIRECTIONS, MEAN))
            rows.append((label, *cells))
        return rows

    def _short_of(self, n: int) -> tuple[str, ...]:
        """The directions whose database has fewer than `n` items."""
        sides = (self.runs[0].image_to_text, self.runs[0].text_to_image)
        return tuple(name for name, side in zip(DIRECTIONS, sides, strict=True) if side.items < n)

    def _too_few(self) -> str:
        """What must be said of precisions at more ranks than there are items; empty for none."""
        own = self.protocol.k if self.protocol.metric == "precision" else None
        told = f"; P@{CUTOFF} is left out where there are fewer than {CUTOFF} items" if self._short_of(CUTOFF) else ""
        if own is not None and self._short_of(own):
            told += (
                f"; {self.protocol.measure} divides by {own:,} also where there are fewer items, and is then too small"
            )
        return told

    def code_lines(self) -> list[str]:
        """What the codes are like, one sentence a run; none for methods without codes."""
        told = []
        for run in self.runs:
            if run.codes is not None:
                images, captions = run.codes
                told.append(
                    f"seed {run.seed}: {images.bits} bits; distinct codes {images.unique:.1%} of pictures, "
                    f"{captions.unique:.1%} of captions; mean |bit mean| {images.bit_mean:.2f} of pictures, "
                    f"{captions.bit_mean:.2f} of captions"
                )
        return told

    def radius_lines(self) -> list[tuple[str, ...]]:
        """Radius, then precision (empty as 0, pooled), recall and queries that got nothing, both ways; of one run."""
        tables = [self.runs[0].image_to_text.radius, self.runs[0].text_to_image.radius]
        lines: list[tuple[str, ...]] = []
        for radius in SHOWN_RADII:
            cells: list[str] = []
            for table in tables:
                if table is None or radius >= len(table.recall):
                    return lines
                shares = (table.precision_empty_zero, table.precision_pooled, table.recall)
                cells += [*(f"{share[radius]:.3f}" for share in shares), f"{table.nothing_returned[radius]:,}"]
            lines.append((str(radius), *cells))
        return lines

    def tables(self) -> list[Table | str]:
        """For a terminal."""
        title = f"Label retrieval, {', '.join(dict.fromkeys(run.method for run in self.runs))}"
        table = Table(title=title, caption=self.text(), caption_justify="left")
        for heading in ("", "image→text", "text→image", MEAN):
            table.add_column(heading, justify="right" if heading else "left")
        for line in self.lines():
            table.add_row(*line)
        if not self.radius_lines():
            return [table, *self.code_lines()]
        radii = Table(title=f"By Hamming radius, seed {self.runs[0].seed}")
        for heading in RADIUS_HEADINGS:
            radii.add_column(heading, justify="right")
        for line in self.radius_lines():
            radii.add_row(*line)
        return [table, *self.code_lines(), radii]

    def markdown(self) -> str:
        """For a README."""
        blocks = [markdown_table(("", "image→text", "text→image", MEAN), self.lines()), self.text(), *self.code_lines()]
        if self.radius_lines():
            blocks.append(markdown_table(RADIUS_HEADINGS, self.radius_lines()))
        return "\n\n".join(blocks) + "\n"

    def to_json(self) -> dict[str, object]:
        """Everything, as plain values."""
        worst = [asdict(run.worst) for run in self.runs if run.worst is not None]
        return {
            "dataset": self.dataset,
            "measure": self.protocol.measure,
            "protocol": {**self.protocol.model_dump(), "text": self.text()},
            "mean": self.summary.mean,
            "deviation": self.summary.deviation,
            "runs": [_run_to_json(run) for run in self.runs],
            **({"worst": worst} if worst else {}),
        }

    def curves(self) -> dict[str, Curve]:
        """Precision against recall of both directions, of every run."""
        several = len(self.runs) > 1
        return {
            name.replace("_to_", "→") + (f", run {number}, seed {run.seed}" if several else ""): curve
            for number, run in enumerate(self.runs, start=1)
            for name, curve in (("image_to_text", run.image_to_text.curve), ("text_to_image", run.text_to_image.curve))
        }

    def write_curves(self, file: Path) -> None:
        """The curves as numbers (.json) or as a picture (.png, .svg, .pdf). Raises `ConfigError` for other endings."""
        kind = file.suffix.lower()
        if kind == ".json":
            told = {"protocol": self.text(), "curves": {name: asdict(curve) for name, curve in self.curves().items()}}
            file.write_text(json.dumps(told, ensure_ascii=False, indent=2), encoding="utf-8")
        elif kind in (".png", ".svg", ".pdf"):
            draw_curves(self.curves(), file, title=f"{self.dataset}, {self.protocol.name}")
        else:
            raise ConfigError(f"curves are written to .json, .png, .svg or .pdf; got {file}.")


def _run_to_json(run: LabelRun) -> dict[str, object]:
    """All of a run but its worst queries, which stand beside, and the number of every query."""
    told = {name: value for name, value in asdict(run).items() if name != "worst"}
    for side in DIRECTIONS:
        del told[side]["by_query"]
    return told


RADIUS_HEADINGS = (
    "radius",
    *(f"{way} {name}" for way in ("i→t", "t→i") for name in ("P, empty 0", "P, pooled", "R", "got nothing")),
)


def require_same_task(runs: Sequence[LabelRun]) -> None:
    """Raise `ConfigError` when runs did not search as many items for as many queries with the same kind of labels."""
    tasks = {
        (run.labels, *((side.queries, side.items) for side in (run.image_to_text, run.text_to_image))) for run in runs
    }
    if len(tasks) > 1:
        raise ConfigError(
            "runs that searched different items or by different labels have no common mean: "
            f"{'; '.join(sorted(map(str, tasks)))}."
        )


def _shown(summary: Summary, name: str) -> str:
    text = f"{summary.mean[name]:.3f}"
    return text if summary.deviation is None else f"{text} ± {summary.deviation[name]:.3f}"
