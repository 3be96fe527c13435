"""`crossgraph methods`: what there is to train, every switch, and where each module comes from."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def list_methods() -> None:
    """Print every method with what it does."""
    from crossgraph.cli.output import print_rich
    from crossgraph.methods.catalogue import LISTED, method_story

    for name, method in LISTED.items():
        print_rich(f"{name:17} {method.stage:21} {method_story(name)[0]}")


def show_method(name: Annotated[str, typer.Argument(help="See: crossgraph methods list.")]) -> None:
    """Print what a method is, where each of its modules comes from, and every setting."""
    from rich.table import Table

    from crossgraph.cli.output import print_rich
    from crossgraph.methods.catalogue import method_story, method_type

    kind = method_type(name)
    sources = Table(title="Where each module comes from", title_justify="left")
    for heading in ("module", "class", "status", "source"):
        sources.add_column(heading, overflow="fold")
    for entry in kind.provenance:
        sources.add_row(entry.module, entry.implementation, entry.status, entry.source)
    switches = Table(title="Settings: --set model.NAME=VALUE", title_justify="left")
    for heading in ("name", "type", "default", "what it does"):
        switches.add_column(heading, overflow="fold")
    for setting, about in kind.config_type.model_fields.items():
        switches.add_row(setting, _type_name(about.annotation), _shown(about.default), about.description or "")
    print_rich("\n".join(method_story(name)), "", sources, switches)


def _type_name(annotation: Any) -> str:
    plain = isinstance(annotation, type) and not hasattr(annotation, "__args__")
    return annotation.__name__ if plain else str(annotation).replace("typing.", "")


def _shown(default: Any) -> str:
    return ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)
