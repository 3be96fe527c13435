"""`crossgraph pretrained`: a run made of a pretrained two-tower model, without data or training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossgraph.cli.options import AsJson, Device, at_home, named


def pretrained(
    model: Annotated[
        str,
        typer.Argument(
            callback=named,
            help="CLIP, SigLIP, ALIGN, Chinese-CLIP, ...: its folder, or hf:owner/model, which is fetched.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", callback=at_home, help="The run's folder; it must not hold a run yet.")],
    cells: Annotated[
        list[int] | None, typer.Option("--cells", help="Grid cells a side, for explanations; repeatable. Default: 5.")
    ] = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Make a run of a pretrained model that has one space for pictures and texts; nothing is trained.

    The run serves wherever a trained one does: index, search, evaluate, calibrate, cascade build --dense.
    """
    from crossgraph import verbs
    from crossgraph.cli.output import print_json, print_rich

    made = verbs.pretrained(model, out, cells=tuple(cells or (5,)), device=device)
    sizes = made.manifest.sizes
    facts = made.describe() | {"encoder": made.image_encoder.name, "width": sizes.whole_width}
    if as_json:
        print_json(facts)
    else:
        print_rich(f"{out}: {facts['encoder']}, {sizes.whole_width} numbers a picture or sentence; nothing to train")
