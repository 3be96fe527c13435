"""How verbs print: answers on stdout, for people or as one JSON object."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import typer
from rich.console import Console, RenderableType
from rich.table import Table

from crossgraph.data.corpus import Skipped


def print_json(answer: object) -> None:
    """One JSON object on stdout."""
    typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))


def print_rich(*renderables: RenderableType) -> None:
    """Tables and text on stdout; 120 columns where stdout is no terminal."""
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False, markup=False)
    for renderable in renderables:
        console.print(renderable, soft_wrap=isinstance(renderable, str))


def facts_table(*rows: tuple[str, object], title: str | None = None) -> Table:
    """Names and values in two columns."""
    table = Table(title=title, show_header=False, title_justify="left", box=None)
    for name, value in rows:
        table.add_row(name, str(value))
    return table


def skipped_to_json(skipped: Sequence[Skipped]) -> list[dict[str, str]]:
    """Skipped files with their reasons as plain values."""
    return [{"path": str(entry.path), "reason": entry.reason} for entry in skipped]


def print_skipped(skipped: Sequence[Skipped]) -> None:
    """Every skipped file with its reason, on stderr."""
    if skipped:
        typer.echo(f"{len(skipped)} files were skipped:", err=True)
    for entry in skipped:
        typer.echo(f"  {entry.path}: {entry.reason}", err=True)
