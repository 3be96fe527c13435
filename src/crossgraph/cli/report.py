"""`crossgraph report`: curves and settings of trained runs as one HTML file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from crossgraph.cli.options import at_home
from crossgraph.errors import ConfigError


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Trained runs, or one that is being trained.")],
    out: Annotated[Path, typer.Option("--out", callback=at_home, help="The HTML file; one that is there is replaced.")],
) -> None:
    """Write curves of losses, rates and validation, settings compared and kept evaluations into one file.

    It needs nothing beside itself: no script, no connection.
    """
    from crossgraph.files import writing_out
    from crossgraph.reporting.comparison import compare
    from crossgraph.reporting.evaluations import evaluations_of
    from crossgraph.reporting.pages import static_report

    if out.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"a report is an HTML file; got --out {out}. Give a name that ends with .html.")
    compared = compare(runs)
    command = shlex.join(["crossgraph", "report", *map(str, runs), "--out", str(out)])
    kept = [evaluation for run in runs for evaluation in evaluations_of(run)]
    page = static_report(compared, command=command, evaluations=kept)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with writing_out(out) as file:
            file.write(page.encode("utf-8", "replace"))
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror or error}. Give --out another place.") from error
    typer.echo(f"{out}: {compared.title}")
