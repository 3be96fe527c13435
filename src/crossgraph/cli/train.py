"""`crossgraph train`: a method on a corpus, into a run folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossgraph.cli.options import AllData, AsJson, Device, ProtocolName, Variations, at_home
from crossgraph.errors import ConfigError

if TYPE_CHECKING:
    from crossgraph.config import RunConfig


def train(
    data: AllData,
    out: Annotated[Path, typer.Option("--out", callback=at_home, help="The run's folder; it must not hold a run yet.")],
    method: Annotated[str | None, typer.Option("--method", help="See: crossgraph methods list.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="Settings as a TOML file.")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="One setting, over the file's: training.epochs=5. Repeatable.")
    ] = None,
    shortlist: Annotated[
        Path | None, typer.Option("--shortlist", help="A trained dual encoder that finds a re-ranker's candidates.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in --out was stopped.")] = False,
    workers: Annotated[
        int,
        typer.Option(
            "--workers", min=1, help="So many processes share each step; negatives are still those of the whole batch."
        ),
    ] = 1,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster", metavar="ADDRESS|local[N]", help="The workers run on a Ray cluster: crossgraph\\[ray]."
        ),
    ] = None,
    protocol: ProtocolName = None,
    variations: Variations = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Train a method; Ctrl-C saves where training stands.

    Under torchrun each process is one of the workers (docs/workers.md).

    A --protocol whose queries are drawn leaves them out of training; evaluate with the same one.
    """
    from crossgraph import verbs
    from crossgraph.cli.output import print_json, print_rich
    from crossgraph.data.joined import join_corpora
    from crossgraph.data.sources import open_corpus
    from crossgraph.evaluation.protocols import protocol_named
    from crossgraph.progress import Silent
    from crossgraph.progress_bars import choose_progress
    from crossgraph.training.loop import Interrupted
    from crossgraph.training.workers import follows_another

    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file. --out names the run's folder: give one that is new or empty.")
    follows = follows_another()
    progress = Silent() if follows else choose_progress()
    settings = settings_of_run(config, method, changes or (), resumed=out if resume else None)
    corpus = join_corpora([open_corpus(one, progress=progress) for one in data], progress=progress)
    if protocol is not None:
        corpus = protocol_named(protocol, changes=variations or []).drawn(corpus)
    elif variations:
        raise ConfigError("--vary changes a protocol; give --protocol NAME too.")
    try:
        model = verbs.train(
            corpus,
            settings,
            out,
            shortlist=shortlist,
            resume=resume,
            progress=progress,
            device=device,
            workers=workers,
            cluster=cluster,
        )
    except Interrupted:
        if follows:
            raise typer.Exit(130) from None
        same = "" if protocol is None else f" --protocol {protocol}"
        same += "".join(f" --vary {change}" for change in variations or [])
        shared = "" if workers == 1 else f" --workers {workers}"
        shared += "" if cluster is None else f" --cluster {cluster}"
        again = " ".join(f"--data {one}" for one in data)
        typer.echo(
            f"stopped; where training stands is saved. Go on with: crossgraph train --resume {again} --out {out}"
            f"{same}{shared}",
            err=True,
        )
        raise typer.Exit(130) from None
    if follows:
        return
    facts = model.describe() | {"selected": model.manifest.selected, "data": model.manifest.data.model_dump()}
    if as_json:
        print_json(facts)
    else:
        selected = model.manifest.selected
        assert selected is not None, "training selects an epoch"
        by = (
            f"mAP {selected['map']:.3f}" if model.config.training.select_by == "map" else f"rSum {selected['rsum']:.1f}"
        )
        learnt = model.manifest.data
        print_rich(
            f"{out}: {model.config.method}, epoch {selected['epoch']}, validation {by} on {learnt.validation_split}"
        )
        if learnt.held_out is not None:
            print_rich(learnt.held_out.text())


def settings_of_run(
    config: Path | None, method: str | None, changes: Sequence[str], *, resumed: Path | None
) -> RunConfig:
    """The settings asked for; changes alone are laid over those of a resumed run, which may refuse them."""
    from crossgraph.config import read_config
    from crossgraph.training.checkpoint import MANIFEST, read_manifest

    unnamed = config is None and method is None
    if resumed is not None and (resumed / MANIFEST).exists() and unnamed:
        began = read_manifest(resumed).config
        return read_config(None, changes=changes, defaults=began.model_dump(mode="json")) if changes else began
    if unnamed:
        raise ConfigError(
            "nothing says which method to train; give --method NAME or --config FILE (crossgraph methods list)."
        )
    named = [] if method is None else [f"method={json.dumps(method)}"]
    return read_config(config, changes=[*changes, *named])
