"""`crossgraph ablate`: what each module of a method is worth."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from crossgraph.cli.options import AsJson, Data, Device, ProtocolName, Variations, at_home
from crossgraph.errors import ConfigError


def ablate(
    data: Data,
    out: Annotated[
        Path,
        typer.Option("--out", callback=at_home, help="Where runs and table go; an earlier ablation there goes on."),
    ],
    method: Annotated[str | None, typer.Option("--method", help="See: crossgraph methods list.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="Settings as a TOML file.")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="One setting, over the file's: training.epochs=5. Repeatable.")
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many runs of each variant: seeds 0, 1, ...")] = 3,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="A variant, beside the full method; default: all. Repeatable.")
    ] = None,
    shortlist: Annotated[
        Path | None, typer.Option("--shortlist", help="A trained dual encoder that finds a re-ranker's candidates.")
    ] = None,
    split: Annotated[str, typer.Option("--split", help="Which split to measure on.")] = "val",
    two_stage: Annotated[
        int | None, typer.Option("--two-stage", min=1, help="Re-rank a shortlist of so many; else score every pair.")
    ] = None,
    protocol: ProtocolName = None,
    variations: Variations = None,
    device: Device = "cpu",
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print ablation.md.")] = False,
) -> None:
    """Train a method whole and with each module off or replaced, over seeds; writes ablation.json and ablation.md."""
    from crossgraph.ablation import run_ablation
    from crossgraph.cli.output import print_json, print_rich
    from crossgraph.cli.train import settings_of_run
    from crossgraph.data.sources import open_corpus
    from crossgraph.evaluation.protocols import protocol_named
    from crossgraph.progress_bars import choose_progress

    if protocol is None and variations:
        raise ConfigError("--vary changes a protocol; give --protocol NAME too.")

    options: list[tuple[str, object]] = [
        *(("--method", method), ("--data", data), ("--out", out), ("--seeds", seeds), ("--config", config)),
        *(("--set", change) for change in changes or ()),
        *(("--only", name) for name in only or ()),
        *(("--shortlist", shortlist), ("--split", None if protocol else split), ("--two-stage", two_stage)),
        ("--protocol", protocol),
        *(("--vary", change) for change in variations or ()),
    ]
    words = [word for name, value in options if value is not None for word in (name, str(value))]
    progress = choose_progress()
    result = run_ablation(
        open_corpus(data, progress=progress),
        settings_of_run(config, method, changes or (), resumed=None),
        out,
        seeds=seeds,
        only=only or (),
        shortlist=shortlist,
        split=split,
        two_stage_k=two_stage,
        protocol=None if protocol is None else protocol_named(protocol, changes=variations or ()),
        command=f"crossgraph ablate {shlex.join(words)}",
        progress=progress,
        device=device,
    )
    if as_json:
        print_json(result.to_json())
    else:
        print_rich(result.markdown() if markdown else result.table())
