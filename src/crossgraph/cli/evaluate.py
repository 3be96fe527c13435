"""`crossgraph evaluate`: retrieval metrics of one run, or of several seeds of one recipe, by captions or by labels."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossgraph.cli.options import CPU, AsJson, ClusterAddress, Data, Device, ProtocolName, Variations, at_home
from crossgraph.default_model import DEFAULT_MODEL
from crossgraph.errors import ConfigError

if TYPE_CHECKING:
    from crossgraph.data.corpus import Corpus
    from crossgraph.evaluation.label_report import LabelReport
    from crossgraph.evaluation.report import EvaluationReport
    from crossgraph.evaluation.worst import FoundItem, Item, WorstQueries
    from crossgraph.gallery.stages.cascade_model import CascadeModel
    from crossgraph.progress import Progress
    from crossgraph.training.model import TrainedModel


def evaluate(
    data: Data,
    runs: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            show_default=DEFAULT_MODEL,
            help="A trained run or a cascade; several (one per seed) give mean and deviation.",
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="Which split to measure on: val, unless a --protocol says otherwise.")
    ] = None,
    two_stage: Annotated[
        int | None, typer.Option("--two-stage", min=1, help="Re-rank a shortlist of so many; else score every pair.")
    ] = None,
    blend: Annotated[
        float | None,
        typer.Option("--blend", help="With --two-stage: share of the shortlist's score to add; default: the run's."),
    ] = None,
    probes: Annotated[
        bool, typer.Option("--probes", help="Also score every caption against itself edited to be false.")
    ] = False,
    against: Annotated[
        list[str] | None,
        typer.Option(
            "--against",
            help="Also print what the numbers exceed those of this run or cascade by (several: of their mean), with "
            "paired bootstrap intervals; shortlist: the first stage by itself.",
        ),
    ] = None,
    pair_precision: Annotated[
        str | None,
        typer.Option(
            "--pair-precision",
            help="In what numbers a re-ranking method multiplies pairs: float32 (the default), or bfloat16, which is "
            "faster where the processor has it, and moves scores a little.",
        ),
    ] = None,
    protocol: ProtocolName = None,
    variations: Variations = None,
    curves: Annotated[
        Path | None,
        typer.Option(
            "--curves", help="With --protocol: write precision against recall to FILE.json, .png, .svg, .pdf."
        ),
    ] = None,
    worst: Annotated[
        int | None, typer.Option("--worst", min=1, help="Also print so many of the worst queries of each direction.")
    ] = None,
    save: Annotated[
        bool,
        typer.Option("--save", help="Keep numbers, protocol, command and worst queries in the run: RUN/evaluations/."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", callback=at_home, help="Keep them in this file instead: FILE.json.")
    ] = None,
    cluster: ClusterAddress = None,
    device: Device = "cpu",
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
) -> None:
    """Print R@K, ranks, rSum and twin accuracy, strict and duplicate-aware, with their protocol.

    With --protocol, pictures and captions that share a label are right answers instead: mAP, NDCG, precision.
    """
    from crossgraph import verbs
    from crossgraph.cli.output import print_json, print_rich
    from crossgraph.data.sources import open_corpus
    from crossgraph.distributed.given import on_cluster
    from crossgraph.evaluation.compositional_probe import probe_markdown, probe_table
    from crossgraph.evaluation.pair_precision import FLOAT32
    from crossgraph.evaluation.worst import KEPT
    from crossgraph.progress_bars import choose_progress

    if as_json and markdown:
        raise ConfigError("give one of --json and --markdown.")
    if blend is not None and two_stage is None:
        raise ConfigError("--blend mixes the scores of two stages; give --two-stage K too.")
    if protocol is None and (variations or curves is not None):
        raise ConfigError("--vary and --curves belong to an evaluation by labels; give --protocol NAME too.")
    if protocol is not None and (two_stage is not None or probes or split is not None or against or pair_precision):
        raise ConfigError(
            "a protocol says what is searched and how; leave out --two-stage, --probes, --against, --split and "
            "--pair-precision (other queries: --vary queries=test)."
        )
    if out is not None and out.suffix != ".json":
        raise ConfigError(f"an evaluation is kept as JSON; got --out {out}. Give a name that ends with .json.")
    options: list[tuple[str, object]] = [
        *(("--model", run) for run in runs or [DEFAULT_MODEL]),
        *(("--data", data), ("--split", split), ("--two-stage", two_stage), ("--blend", blend)),
        ("--pair-precision", pair_precision),
        ("--protocol", protocol),
        *(("--vary", change) for change in variations or ()),
        ("--device", None if device == CPU else device),
    ]
    words = [word for name, value in options if value is not None for word in (name, str(value))]
    command = f"crossgraph evaluate {shlex.join(words)}"
    keeping = save or out is not None
    if keeping and out is None and (runs or [DEFAULT_MODEL])[0] == DEFAULT_MODEL:
        raise ConfigError(
            f"--save keeps an evaluation in the run, and {DEFAULT_MODEL} is part of crossgraph; give --out FILE.json."
        )
    kept = max(worst or 0, KEPT) if keeping else worst or 0
    progress = choose_progress()
    models = [verbs.load(run, device=device) for run in runs or [DEFAULT_MODEL]]
    corpus = open_corpus(data, progress=progress)
    if protocol is not None:
        found = _by_labels(
            models, corpus, protocol, variations or [], curves, kept, as_json, markdown, cluster, progress
        )
        _keep(found, models, corpus, data, command, worst, out, keeping=keeping, as_json=as_json)
        return
    split = split or "val"
    with on_cluster(cluster, device=device, progress=progress) as workers:
        report = verbs.evaluate_seeds(
            models,
            corpus,
            split=split,
            two_stage_k=two_stage,
            blend=blend,
            worst=kept,
            pair_precision=pair_precision or FLOAT32,
            cluster=workers,
            progress=progress,
            device=device,
        )
        gain = (
            verbs.evaluate_against(report, models, against, corpus, cluster=workers, progress=progress, device=device)
            if against
            else None
        )
    probed = [verbs.probe(model, corpus, split=split, progress=progress) for model in models] if probes else []
    if as_json:
        told: dict[str, object] = {"probes": [result.to_json() for result in probed]} if probes else {}
        told |= {} if gain is None else {"against": gain.to_json()}
        print_json({"models": [model.describe() for model in models], **report.to_json(), **told})
    else:
        print_rich(report.markdown() if markdown else report.table())
        if gain is not None:
            print_rich(gain.markdown() if markdown else gain.table())
    if probed and not as_json:
        print_rich(probe_markdown(probed) if markdown else probe_table(probed))
    _keep(report, models, corpus, data, command, worst, out, keeping=keeping, as_json=as_json)


def _by_labels(
    models: list[TrainedModel | CascadeModel],
    corpus: Corpus,
    protocol: str,
    variations: list[str],
    curves: Path | None,
    worst: int,
    as_json: bool,
    markdown: bool,
    cluster: str | None,
    progress: Progress,
) -> LabelReport:
    from crossgraph import verbs
    from crossgraph.cli.output import print_json, print_rich
    from crossgraph.evaluation.protocols import protocol_named

    chosen = protocol_named(protocol, changes=variations)
    report = verbs.evaluate_by_labels(models, corpus, chosen, worst=worst, cluster=cluster, progress=progress)
    if curves is not None:
        report.write_curves(curves)
    if as_json:
        print_json({"models": [model.describe() for model in models], **report.to_json()})
    else:
        print_rich(*([report.markdown()] if markdown else report.tables()))
    return report


def _keep(
    report: EvaluationReport | LabelReport,
    models: list[TrainedModel | CascadeModel],
    corpus: Corpus,
    data: str,
    command: str,
    worst: int | None,
    out: Path | None,
    *,
    keeping: bool,
    as_json: bool,
) -> None:
    """Print the worst queries, if they were asked for, and write the evaluation to where it is kept."""
    from crossgraph.cli.output import print_rich, shown
    from crossgraph.reporting.evaluations import default_place, record_of, save_evaluation

    if worst and not as_json:
        found = [run.worst for run in report.runs]
        for kept, seed in zip(found, report.seeds, strict=True):
            print_rich(*worst_lines(kept, worst, of=f", seed {seed}" if len(found) > 1 else ""))
    if keeping:
        record = record_of(report, models, corpus, given=data, command=command)
        file = save_evaluation(record, out or default_place(record, models))
        typer.echo(f"kept in {shown(file)}", err=True)


def worst_lines(worst: WorstQueries | None, count: int, *, of: str = "") -> list[str]:
    """The worst queries of both directions for a terminal, each with its right answer and what came first."""
    from crossgraph.evaluation.worst import RANK

    lines: list[str] = []
    if worst is None:
        return lines
    ways = (
        ("pictures that ask for captions", worst.image_to_text),
        ("captions that ask for pictures", worst.text_to_image),
    )
    for number, (asked, queries) in enumerate(ways):
        lines.append(f"\nWorst {asked}{of}, by {worst.by}; scores: {worst.scores}")
        for query in queries[:count]:
            named = _picture if number == 0 else _caption
            answer = _caption if number == 0 else _picture
            measured = "" if worst.by == RANK else f"{worst.by} {query.value:.3f}, "
            lines.append(f"{named(query.query)}\n  {measured}rank {query.place}: {_scored(query.right, answer)}")
            lines += [f"  {place}. {_scored(found, answer)}" for place, found in enumerate(query.answers, start=1)]
    return lines


def _scored(found: FoundItem, name: Callable[[Item], str]) -> str:
    score = "    –  " if found.score is None else f"{found.score:7.3f}"
    return f"{score} {name(found.item)}{' (right)' if found.right else ''}"


def _picture(item: Item) -> str:
    return item.image


def _caption(item: Item) -> str:
    return f"“{item.text}”"
