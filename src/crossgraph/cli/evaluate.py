"""`crossgraph evaluate`: retrieval metrics of one run, or of several seeds of one recipe, by captions or by labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossgraph.cli.options import AsJson, Data, Device, ProtocolName, Variations
from crossgraph.default_model import DEFAULT_MODEL
from crossgraph.errors import ConfigError

if TYPE_CHECKING:
    from crossgraph.data.corpus import Corpus
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
    protocol: ProtocolName = None,
    variations: Variations = None,
    curves: Annotated[
        Path | None,
        typer.Option(
            "--curves", help="With --protocol: write precision against recall to FILE.json, .png, .svg, .pdf."
        ),
    ] = None,
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
    from crossgraph.evaluation.compositional_probe import probe_markdown, probe_table
    from crossgraph.progress import choose_progress

    if as_json and markdown:
        raise ConfigError("give one of --json and --markdown.")
    if blend is not None and two_stage is None:
        raise ConfigError("--blend mixes the scores of two stages; give --two-stage K too.")
    if protocol is None and (variations or curves is not None):
        raise ConfigError("--vary and --curves belong to an evaluation by labels; give --protocol NAME too.")
    if protocol is not None and (two_stage is not None or probes or split is not None):
        raise ConfigError(
            "a protocol says what is searched and how; leave out --two-stage, --probes and --split "
            "(other queries: --vary queries=test)."
        )
    progress = choose_progress()
    models = [verbs.load(run, device=device) for run in runs or [DEFAULT_MODEL]]
    corpus = open_corpus(data, progress=progress)
    if protocol is not None:
        _by_labels(models, corpus, protocol, variations or [], curves, as_json, markdown, progress)
        return
    split = split or "val"
    report = verbs.evaluate_seeds(
        models,
        corpus,
        split=split,
        two_stage_k=two_stage,
        blend=blend,
        progress=progress,
    )
    probed = [verbs.probe(model, corpus, split=split, progress=progress) for model in models] if probes else []
    if as_json:
        told = {"probes": [result.to_json() for result in probed]} if probes else {}
        print_json({"models": [model.describe() for model in models], **report.to_json(), **told})
        return
    print_rich(report.markdown() if markdown else report.table())
    if probed:
        print_rich(probe_markdown(probed) if markdown else probe_table(probed))


def _by_labels(
    models: list[TrainedModel | CascadeModel],
    corpus: Corpus,
    protocol: str,
    variations: list[str],
    curves: Path | None,
    as_json: bool,
    markdown: bool,
    progress: Progress,
) -> None:
    from crossgraph import verbs
    from crossgraph.cli.output import print_json, print_rich
    from crossgraph.evaluation.protocols import protocol_named

    report = verbs.evaluate_by_labels(models, corpus, protocol_named(protocol, changes=variations), progress=progress)
    if curves is not None:
        report.write_curves(curves)
    if as_json:
        print_json({"models": [model.describe() for model in models], **report.to_json()})
    else:
        print_rich(*([report.markdown()] if markdown else report.tables()))
