"""`crossgraph methods`: what there is to train, every switch, and where each module comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from crossgraph.methods.contract import Method

HEADINGS = ("module", "class", "status", "source")


def list_methods() -> None:
    """Print every method with what it does."""
    from crossgraph.cli.output import print_rich
    from crossgraph.methods.catalogue import LISTED, method_story

    for name, method in LISTED.items():
        print_rich(f"{name:17} {method.stage:21} {method_story(name)[0]}")


def show_method(
    name: Annotated[str, typer.Argument(help="See: crossgraph methods list.")],
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table of modules alone, as Markdown.")
    ] = False,
) -> None:
    """Print what a method is, where each of its modules comes from, and every setting."""
    from rich.table import Table

    from crossgraph.cli.output import print_rich
    from crossgraph.methods.catalogue import method_story, method_type

    kind = method_type(name)
    if markdown:
        typer.echo(modules_markdown(kind))
        return
    sources = Table(title="Where each module comes from", title_justify="left")
    for heading in HEADINGS:
        sources.add_column(heading, overflow="fold")
    for line in _modules(kind):
        sources.add_row(*line)
    switches = Table(title="Settings: --set model.NAME=VALUE", title_justify="left")
    for heading in ("name", "type", "default", "what it does"):
        switches.add_column(heading, overflow="fold")
    for setting, about in kind.config_type.model_fields.items():
        switches.add_row(setting, _type_name(about.annotation), _shown(about.default), about.description or "")
    print_rich("\n".join(method_story(name)), "", sources, switches)


def modules_markdown(kind: type[Method]) -> str:
    """Where each module of a method comes from, as the table that docs/methods.md has of it."""
    from crossgraph.evaluation.markdown import markdown_table

    return markdown_table(HEADINGS, _modules(kind), words=True)


def _modules(kind: type[Method]) -> list[tuple[str, str, str, str]]:
    return [(entry.module, entry.implementation, entry.status, entry.source) for entry in kind.provenance]


def _type_name(annotation: Any) -> str:
    plain = isinstance(annotation, type) and not hasattr(annotation, "__args__")
    return annotation.__name__ if plain else str(annotation).replace("typing.", "")


def _shown(default: Any) -> str:
    return ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)
