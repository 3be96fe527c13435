"""`crossgraph bench`: what takes how long on this machine, beside a slow version or a peer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossgraph.cli.options import AsJson, at_home


def bench(
    names: Annotated[list[str] | None, typer.Argument(help="Which; none: list them.", show_default=False)] = None,
    out: Annotated[
        Path | None, typer.Option("--out", callback=at_home, help="Write each as NAME.json into this folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure: both sides of a comparison in one run, medians by turns, with the machine's own rates."""
    import json

    from crossgraph.bench.catalogue import bench_named, story
    from crossgraph.cli.output import print_json, print_rich
    from crossgraph.files import write_atomically

    if not names:
        print_rich(story())
        return
    outcomes = []
    for run in [bench_named(name) for name in names]:
        outcome = run()
        outcomes.append(outcome.to_json())
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            write_atomically(out / f"{outcome.name}.json", json.dumps(outcome.to_json(), indent=1).encode())
        if not as_json:
            print_rich(f"{outcome.markdown()}\n")
    if as_json:
        print_json({"benches": outcomes})
