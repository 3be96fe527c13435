"""`crossgraph ensemble`: finished dual encoders as one run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossgraph.cli.options import AsJson, Device, at_home


def ensemble(
    runs: Annotated[list[Path], typer.Argument(help="Finished dual encoders on the same inputs, at least two.")],
    out: Annotated[Path, typer.Option("--out", callback=at_home, help="The new folder of the ensemble.")],
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Put dual encoders that were trained apart side by side: their score is the mean of their cosines.

    One of them may have trained an image network; the others read that network as it came. Nothing is trained, and the
    ensemble serves wherever a run does.
    """
    from crossgraph import verbs
    from crossgraph.cli.output import print_json, print_rich

    made = verbs.ensemble(runs, out, device=device)
    if as_json:
        print_json(made.describe() | {"parameters": made.manifest.parameters, "runs": [str(run) for run in runs]})
    else:
        print_rich(f"{out}: {len(runs)} dual encoders, {made.manifest.parameters:,} parameters; nothing to train")
