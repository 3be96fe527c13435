"""What an evaluation found, with the protocol that makes the numbers mean something: as JSON, table or Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace

from jaxtyping import Bool, Float
from rich.table import Table
from torch import Tensor

from crossgraph.data.corpus import Corpus
from crossgraph.errors import ScoreError
from crossgraph.evaluation.markdown import markdown_table
from crossgraph.evaluation.metrics import Answers, RetrievalMetrics, find_answers, relevance, relevance_with_duplicates
from crossgraph.evaluation.pair_precision import FLOAT32
from crossgraph.evaluation.twins import TwinAccuracy, twin_accuracy
from crossgraph.evaluation.two_stage import RecallCap, TwoStageResult
from crossgraph.evaluation.uncertainty import (
    Interval,
    Summary,
    bootstrap_interval,
    hits_by_picture,
    summarise_values,
)
from crossgraph.evaluation.worst import WorstQueries, worst_by_rank

ROWS = {
    "image_to_text_r1": "image→text R@1",
    "image_to_text_r5": "image→text R@5",
    "image_to_text_r10": "image→text R@10",
    "image_to_text_median_rank": "image→text median rank",
    "image_to_text_mean_rank": "image→text mean rank",
    "image_to_text_recall_cap": "image→text recall cap",
    "text_to_image_r1": "text→image R@1",
    "text_to_image_r5": "text→image R@5",
    "text_to_image_r10": "text→image R@10",
    "text_to_image_median_rank": "text→image median rank",
    "text_to_image_mean_rank": "text→image mean rank",
    "text_to_image_recall_cap": "text→image recall cap",
    "rsum": "rSum",
    "rsum_optimistic": "rSum, ties won",
    "rsum_pessimistic": "rSum, ties lost",
    "mr": "mR",
    "twin_accuracy": "twin accuracy",
}
"""The order and wording of the lines of a table; lines without a number are left out."""


@dataclass(frozen=True)
class EvaluationProtocol:
    """What was searched for, where, how, and by which runs."""

    dataset: str
    split: str
    images: int
    captions: int
    shortlist: int | None
    """How many items the first stage passed on; None for an exhaustive ranking."""
    blends: tuple[float, ...]
    """How much of the first stage's score each run added to the second's; 0 for an exhaustive ranking."""
    seeds: tuple[int, ...]
    about: str = ""
    """What is to be known of the split: how it was held out, or that it was trained on."""
    pair_precision: str = FLOAT32
    """In what numbers pairs were multiplied."""

    def text(self) -> str:
        """The protocol in one line, to stand under a table."""
        ranking = "exhaustive ranking" if self.shortlist is None else f"two-stage ranking, shortlist {self.shortlist}"
        if any(self.blends):
            shares = self.blends if len(set(self.blends)) > 1 else self.blends[:1]
            ranking += f", blended with {', '.join(f'{share:g}' for share in shares)} of its score"
            ranking += " by run" if len(shares) > 1 else ""
        ranking += "" if self.pair_precision == FLOAT32 else f", pairs in {self.pair_precision}"
        seeds = f"{'seed' if len(self.seeds) == 1 else 'seeds'} {', '.join(map(str, self.seeds))}"
        split = f"{self.split} ({self.about})" if self.about else self.split
        return (
            f"{self.dataset}, split {split}: {self.images:,} images, {self.captions:,} captions; {ranking}; "
            f"ties by expectation; strict: only a picture's own captions count, duplicate-aware: equal captions "
            f"count too; {seeds}"
        )


@dataclass(frozen=True)
class RelevanceResult:
    """The numbers of one run under one notion of relevance."""

    metrics: RetrievalMetrics
    rsum_optimistic: float
    rsum_pessimistic: float
    intervals: dict[str, Interval]
    recall_cap: RecallCap | None
    hits: Float[Tensor, "n 2 4"] = field(repr=False, compare=False)
    """Of every picture (`hits_by_picture`)."""

    def values(self) -> dict[str, float]:
        """Every number under its name in `ROWS`."""
        named = {
            **self.metrics.values(),
            "rsum_optimistic": self.rsum_optimistic,
            "rsum_pessimistic": self.rsum_pessimistic,
        }
        if self.recall_cap is not None:
            named |= {f"{direction}_recall_cap": share for direction, share in asdict(self.recall_cap).items()}
        return named


@dataclass(frozen=True)
class EvaluationRun:
    """The numbers of one trained model (one seed)."""

    strict: RelevanceResult
    duplicate_aware: RelevanceResult
    twins: TwinAccuracy | None
    worst: WorstQueries | None = None
    """The queries whose right answer came last, equal captions counting as right; None unless they were asked for."""


@dataclass(frozen=True)
class EvaluationReport:
    """One or more runs under one protocol. With one run, numbers carry bootstrap intervals; with more, deviations."""

    protocol: EvaluationProtocol
    runs: tuple[EvaluationRun, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of each run."""
        return self.protocol.seeds

    @property
    def strict(self) -> Summary:
        """Mean and deviation when only a picture's own captions count; twin accuracy belongs here."""
        twins = [{} if run.twins is None else {"twin_accuracy": run.twins.accuracy} for run in self.runs]
        return summarise_values([run.strict.values() | more for run, more in zip(self.runs, twins, strict=True)])

    @property
    def duplicate_aware(self) -> Summary:
        """Mean and deviation when equal captions count too."""
        return summarise_values([run.duplicate_aware.values() for run in self.runs])

    def to_json(self) -> dict[str, object]:
        """Everything, as plain dicts, lists, numbers and None."""
        first = self.runs[0]
        worst = [asdict(run.worst) for run in self.runs if run.worst is not None]
        return {
            "protocol": {**asdict(self.protocol), "seeds": list(self.protocol.seeds), "text": self.text()},
            "strict": _side_to_json(self.strict, first.strict),
            "duplicate_aware": _side_to_json(self.duplicate_aware, first.duplicate_aware),
            "twin_captions": first.twins and first.twins.captions,
            **({"worst": worst} if worst else {}),
        }

    def text(self) -> str:
        """The protocol, and what stands beside the numbers."""
        if len(self.runs) > 1:
            return f"{self.protocol.text()}; ±: sample deviation over {len(self.runs)} runs"
        level = self.runs[0].strict.intervals["rsum"].level
        return f"{self.protocol.text()}; [low, high]: {100 * level:g}% bootstrap interval over images"

    def lines(self) -> list[tuple[str, str, str]]:
        """Name, strict and duplicate-aware number of every line; the bounds of ties only where there are ties."""
        strict, aware, first = self.strict, self.duplicate_aware, self.runs[0]
        tied = any(side.mean["rsum_optimistic"] != side.mean["rsum_pessimistic"] for side in (strict, aware))
        return [
            (title, _shown(name, strict, first.strict), _shown(name, aware, first.duplicate_aware))
            for name, title in ROWS.items()
            if name in strict.mean and (tied or name not in ("rsum_optimistic", "rsum_pessimistic"))
        ]

    def table(self) -> Table:
        """For a terminal."""
        table = Table(title="Caption retrieval", caption=self.text(), caption_justify="left")
        table.add_column("")
        table.add_column("strict", justify="right")
        table.add_column("duplicate-aware", justify="right")
        for line in self.lines():
            table.add_row(*line)
        return table

    def markdown(self) -> str:
        """For a README."""
        return f"{markdown_table(('', 'strict', 'duplicate-aware'), self.lines())}\n\n{self.text()}\n"


def evaluate_scores(
    scores: Float[Tensor, "n m"] | TwoStageResult,
    corpus: Corpus,
    *,
    split: str,
    seed: int,
    about: str = "",
    samples: int = 1000,
    worst: int = 0,
    pair_precision: str = FLOAT32,
) -> EvaluationReport:
    """The report of one run: the numbers of `scores` (images x captions) on `corpus`, which is already the split.

    `split`, with what is to be known `about` it, `seed` and `pair_precision` stand in the protocol; `samples` is the
    number of bootstrap samples, `worst` how many of the worst queries of each direction to keep. Raises `ScoreError`
    if the scores do not fit the corpus or are not finite.
    """
    staged = scores if isinstance(scores, TwoStageResult) else None
    image_to_text, text_to_image = (
        (scores.image_to_text, scores.text_to_image) if isinstance(scores, TwoStageResult) else (scores, scores)
    )
    n, m = len(corpus), len(corpus.captions)
    if image_to_text.shape != (n, m):
        raise ScoreError(
            f"scores are {tuple(image_to_text.shape)}, expected {(n, m)}: images x captions of the corpus."
        )

    def judged_by(relevant: Bool[Tensor, "n m"]) -> tuple[Answers, RelevanceResult]:
        answers = find_answers(image_to_text, relevant, text_to_image=text_to_image if staged else None)
        return answers, RelevanceResult(
            answers.metrics(),
            answers.optimistic().metrics().rsum,
            answers.pessimistic().metrics().rsum,
            bootstrap_interval(answers, corpus.caption_image, samples=samples),
            staged.recall_cap(relevant) if staged else None,
            hits_by_picture(answers, corpus.caption_image),
        )

    _, strict = judged_by(relevance(corpus.caption_image, n))
    aware = relevance_with_duplicates(corpus)
    answers, duplicate_aware = judged_by(aware)
    kept = worst_by_rank(scores, answers, aware, corpus, count=worst) if worst else None
    run = EvaluationRun(strict, duplicate_aware, twin_accuracy(text_to_image, corpus), kept)
    shortlist, blend = (staged.k, staged.blend) if staged else (None, 0.0)
    protocol = EvaluationProtocol(corpus.name, split, n, m, shortlist, (blend,), (seed,), about, pair_precision)
    return EvaluationReport(protocol, (run,))


def over_seeds(reports: Sequence[EvaluationReport]) -> EvaluationReport:
    """One report of all runs. Raises `ScoreError` unless all followed the same protocol, but for seeds and blends.

    A run chooses its blend on its validation split; the report says which run added how much.
    """
    if not reports:
        raise ScoreError("there are no reports to combine; give at least one.")
    seeds = tuple(seed for report in reports for seed in report.protocol.seeds)
    blends = tuple(blend for report in reports for blend in report.protocol.blends)
    protocol = replace(reports[0].protocol, seeds=seeds, blends=blends)
    for report in reports:
        if replace(report.protocol, seeds=seeds, blends=blends) != protocol:
            raise ScoreError(
                f"reports of different protocols have no common mean: {reports[0].protocol.text()!r} "
                f"and {report.protocol.text()!r}."
            )
    return EvaluationReport(protocol, tuple(run for report in reports for run in report.runs))


def _side_to_json(summary: Summary, result: RelevanceResult) -> dict[str, object]:
    intervals = {name: asdict(interval) for name, interval in result.intervals.items()}
    return {
        "mean": summary.mean,
        "deviation": summary.deviation,
        "intervals": intervals if summary.runs == 1 else None,
        "image_queries": result.metrics.image_queries,
        "caption_queries": result.metrics.caption_queries,
        "queries_without_answer": result.metrics.queries_without_answer,
    }


def _shown(name: str, summary: Summary, result: RelevanceResult) -> str:
    if name not in summary.mean:
        return ""
    text = f"{summary.mean[name]:.1f}"
    if summary.deviation is not None:
        return f"{text} ± {summary.deviation[name]:.1f}"
    if name in result.intervals:
        return f"{text} [{result.intervals[name].low:.1f}, {result.intervals[name].high:.1f}]"
    return text
