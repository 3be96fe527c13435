"""`crossgraph evaluate`: retrieval metrics of one run, or of several seeds of one recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossgraph.cli.options import AsJson, Data, Device
from crossgraph.errors import ConfigError


def evaluate(
    runs: Annotated[
        list[Path], typer.Option("--model", help="A trained run; several (one per seed) give mean and deviation.")
    ],
    data: Data,
    split: Annotated[str, typer.Option("--split", help="Which split to measure on.")] = "val",
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
    device: Device = "cpu",
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
) -> None:
    """Print R@K, ranks, rSum and twin accuracy, strict and duplicate-aware, with their protocol."""
    from crossgraph import verbs
    from crossgraph.cli.output import print_json, print_rich
    from crossgraph.data.sources import open_corpus
    from crossgraph.evaluation.swaps import probe_markdown, probe_table
    from crossgraph.progress import choose_progress

    if blend is not None and two_stage is None:
        raise ConfigError("--blend mixes the scores of two stages; give --two-stage K too.")
    progress = choose_progress()
    models = [verbs.load_model(run, device=device) for run in runs]
    corpus = open_corpus(data, progress=progress)
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
