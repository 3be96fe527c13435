"""`crossgraph query-bank`: a dual encoder that charges what is near to everything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossgraph.cli.options import AllData, AsJson, Device, at_home


def query_bank(
    run: Annotated[Path, typer.Argument(help="A finished dual encoder, or an ensemble of them.")],
    data: AllData,
    out: Annotated[Path, typer.Option("--out", callback=at_home, help="The new folder of the run with its bank.")],
    images: Annotated[int, typer.Option("--images", min=10, help="So many training pictures at most.")] = 1000,
    texts: Annotated[int, typer.Option("--texts", min=10, help="So many training sentences at most.")] = 2000,
    share: Annotated[
        float | None, typer.Option("--share", min=0, max=1, help="How much is charged; default: what ranks best.")
    ] = None,
    sharpness: Annotated[
        float | None,
        typer.Option("--sharpness", min=0.1, help="How much the nearest count more; default: what ranks best."),
    ] = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Give a dual encoder a bank of known queries, by which what is near to everything is ranked lower (QB-Norm).

    Nothing is trained. How much is charged is chosen on the validation pictures; the new run serves wherever the old
    one does, and galleries are indexed anew with it.
    """
    from crossgraph import verbs
    from crossgraph.cli.output import print_json, print_rich
    from crossgraph.progress_bars import choose_progress

    made, report = verbs.add_query_bank(
        run,
        data,
        out,
        images=images,
        texts=texts,
        share=share,
        sharpness=sharpness,
        progress=choose_progress(),
        device=device,
    )
    best = report.best
    if as_json:
        trials = [{"share": one.share, "sharpness": one.sharpness, "rsum": one.rsum} for one in report.trials]
        said = {"images": report.images, "texts": report.texts, "without": report.without, "trials": trials}
        print_json(made.describe() | said | {"share": best.share, "sharpness": best.sharpness, "rsum": best.rsum})
    else:
        print_rich(
            f"{out}: {report.images:,} pictures and {report.texts:,} sentences; validation rSum "
            f"{report.without:.1f} -> {best.rsum:.1f} (share {best.share:g}, sharpness {best.sharpness:g})"
        )
