"""`crossgraph model show`: what a model is, the one that comes with crossgraph before all."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from crossgraph.cli.options import AsJson
from crossgraph.default_model import DEFAULT_MODEL


def show(
    model: Annotated[str, typer.Argument(help="A trained run or a cascade.")] = DEFAULT_MODEL,
    card: Annotated[bool, typer.Option("--card", help="Print its card instead: data, numbers, failures.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print what a model is: its stages, their methods and encoders, the languages it knows, its size and its card."""
    from crossgraph import verbs
    from crossgraph.cli.output import facts_table, print_json, print_rich
    from crossgraph.errors import ModelError

    found = verbs.model_facts(model)
    if as_json:
        print_json({**asdict(found), "folder": str(found.folder), "card": found.card and str(found.card)})
        return
    if card:
        if found.card is None:
            raise ModelError(
                f"{found.name} has no card; `crossgraph model show {model}` prints what its manifests say."
            )
        typer.echo(found.card.read_text(encoding="utf-8"))
        return
    rows: list[tuple[str, object]] = [("folder", found.folder), ("fingerprint", found.fingerprint)]
    rows.append(("size", f"{found.bytes / 1e6:.1f} MB"))
    for stage in found.stages:
        read = f"; pictures by {stage.images}, sentences by {stage.texts}" if stage.images else ""
        learnt = f"\n{stage.parameters:,} parameters, trained on {stage.trained_on}" if stage.trained_on else ""
        rows.append((stage.role, f"{stage.method}{read}{learnt}"))
    writing = ", ".join(f"{script} {100 * share:.0f}%" for script, share in found.writing.items())
    rows += [
        ("languages", found.languages or "not said"),
        ("captions it learned from", writing or "not counted"),
        ("calibrated for", ", ".join(found.calibrated_for) or "nothing"),
        ("card", found.card or "none"),
    ]
    print_rich(facts_table(*rows, title=found.name))
