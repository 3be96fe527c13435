"""How much better one model ranks than another, query by query: differences with paired bootstrap intervals."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from rich.table import Table

from crossgraph.errors import ScoreError
from crossgraph.evaluation.markdown import markdown_table
from crossgraph.evaluation.report import ROWS, EvaluationReport
from crossgraph.evaluation.uncertainty import MEASURED, Interval, paired_intervals


@dataclass(frozen=True)
class Difference:
    """What `values` of one model exceed another's by, strict, each with its interval; `texts` are both protocols."""

    values: dict[str, float]
    intervals: dict[str, Interval]
    texts: tuple[str, str]

    def lines(self) -> list[tuple[str, str]]:
        """Name, and difference with its interval."""
        return [
            (title, f"{self.values[name]:+.1f} [{self.intervals[name].low:+.1f}, {self.intervals[name].high:+.1f}]")
            for name, title in ROWS.items()
            if name in self.values
        ]

    def text(self) -> str:
        """What was compared, to stand under the table."""
        level = next(iter(self.intervals.values())).level
        return (
            f"[low, high]: {100 * level:g}% paired bootstrap interval over images, the same drawn for both; "
            f"less: {self.texts[1]}"
        )

    def table(self) -> Table:
        """For a terminal."""
        table = Table(title="Difference", caption=self.text(), caption_justify="left")
        table.add_column("")
        table.add_column("strict", justify="right")
        for line in self.lines():
            table.add_row(*line)
        return table

    def markdown(self) -> str:
        """For a README."""
        return f"{markdown_table(('', 'difference'), self.lines())}\n\n{self.text()}\n"

    def to_json(self) -> dict[str, object]:
        """Everything, as plain values."""
        return {
            "difference": self.values,
            "intervals": {name: asdict(interval) for name, interval in self.intervals.items()},
            "protocols": list(self.texts),
        }


def difference(ours: EvaluationReport, theirs: EvaluationReport) -> Difference:
    """What `ours` exceeds `theirs` by: of several runs a side, the difference of their means.

    Raises `ScoreError` unless both asked the same queries of the same gallery.
    """
    one, other = (
        (report.protocol.dataset, report.protocol.split, report.protocol.images, report.protocol.captions)
        for report in (ours, theirs)
    )
    if one != other:
        raise ScoreError(f"only runs on the same pictures and captions can be compared; got {one} and {other}.")
    mean, less = ours.strict.mean, theirs.strict.mean
    hits = ([run.strict.hits for run in report.runs] for report in (ours, theirs))
    return Difference(
        {name: mean[name] - less[name] for name in MEASURED},
        paired_intervals(*hits),
        (ours.protocol.text(), theirs.protocol.text()),
    )
