"""`crossgraph calibrate`: teach a model when its best answer is no good one, and print how reliable that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from crossgraph.cli.options import AsJson, ClusterAddress, Device
from crossgraph.default_model import DEFAULT_MODEL
from crossgraph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.table import Table

    from crossgraph.gallery.search.score_calibration import Calibration


def calibrate(
    model: Annotated[str, typer.Argument(help="A trained run or a cascade.")] = DEFAULT_MODEL,
    data: Annotated[
        str | None, typer.Option("--data", help="What to fit on; without it, what was fitted before is printed.")
    ] = None,
    split: Annotated[
        str, typer.Option("--split", help="The split to fit and test on, half of its pictures each.")
    ] = "val",
    markdown: Annotated[bool, typer.Option("--markdown", help="Print tables as Markdown.")] = False,
    cluster: ClusterAddress = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Fit verdicts strong, weak and nothing good found, store them with the model, and print their reliability."""
    from crossgraph import verbs
    from crossgraph.cli.output import print_json, print_rich
    from crossgraph.gallery.search.score_calibration import Calibration
    from crossgraph.progress_bars import choose_progress

    if data is None:
        stored = verbs.load_search_model(model, device=device).calibration
        if not stored:
            raise ConfigError(f"{model} is not calibrated yet. Name what to fit on with --data.")
        found: Mapping[str, Calibration] = {stage: Calibration.model_validate(one) for stage, one in stored.items()}
    else:
        fitted = verbs.calibrate(model, data, split=split, cluster=cluster, progress=choose_progress(), device=device)
        found = {str(stage): one for stage, one in fitted.items()}
    if as_json:
        print_json({"model": str(model), "stages": {stage: one.model_dump() for stage, one in found.items()}})
    elif markdown:
        typer.echo("\n\n".join(_markdown(name, one) for name, one in _each(found)))
    else:
        for name, one in _each(found):
            print_rich(f"reliability of stage {name}", _table(one), _summary(one) + "\n")


def _each(found: Mapping[str, Calibration]) -> Iterator[tuple[str, Calibration]]:
    """The calibration of each stage for sentences, and for phrases where there is one, with what to call it."""
    for stage, one in found.items():
        yield stage, one
        if one.phrases is not None:
            yield f"{stage}, one to three words", one.phrases


def _summary(fitted: Calibration) -> str:
    rates = ", ".join(f"{name} {100 * rate:.1f}%" for name, rate in fitted.rates.items())
    return (
        f"nothing good found below {fitted.nothing_below:.3f}, strong from {fitted.strong_from:.3f}; "
        f"mean error of the probability {fitted.error:.3f}; on held-out queries: {rates}"
    )


def _rows(fitted: Calibration) -> list[list[str]]:
    return [
        [f"{part.low:.1f}-{part.high:.1f}", f"{part.queries:,}", f"{part.said:.3f}", f"{part.observed:.3f}"]
        for part in fitted.reliability
    ]


HEAD = ("probability", "queries", "said", "observed")


def _markdown(stage: str, fitted: Calibration) -> str:
    from crossgraph.evaluation.markdown import markdown_table

    return f"**{stage}**\n\n{markdown_table(HEAD, _rows(fitted))}\n\n{_summary(fitted)}"


def _table(fitted: Calibration) -> Table:
    from rich.table import Table

    table = Table(box=None)
    for name in HEAD:
        table.add_column(name, justify="right")
    for row in _rows(fitted):
        table.add_row(*row)
    return table
