"""`crossgraph demo`: the whole path on drawn pictures, in a few minutes."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from crossgraph.cli.options import Device, at_home

NEXT = "then open http://127.0.0.1:8000 in a browser (`make serve` does the same)"


def demo(
    out: Annotated[Path, typer.Option("--out", callback=at_home, help="Where everything goes.")] = Path("demo"),
    scenes: Annotated[int, typer.Option("--scenes", min=40, help="How many pictures to draw.")] = 1200,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Which pictures to draw.")] = 0,
    device: Device = "cpu",
) -> None:
    """Draw scenes, train a small cascade, measure it, index and search; writes report.html."""
    from crossgraph.cli.output import print_rich
    from crossgraph.demo import run_demo
    from crossgraph.progress_bars import choose_progress

    result = run_demo(out, scenes=scenes, seed=seed, progress=choose_progress(), device=device)
    print_rich(result.table())
    for answer in result.answers:
        print_rich(f"\n{answer.sentence}")
        for row, note in zip(answer.results, answer.notes, strict=True):
            print_rich(f"{row.rank:3}  {row.score:7.4f}  (shortlist {row.shortlist_rank:3})  {row.path.name}  {note}")
    print_rich(f"\nreport: {result.report}")
    here = shlex.quote(str(out))
    print_rich(f"look through it: crossgraph serve --gallery {here}/gallery --runs {here}/runs", NEXT)
