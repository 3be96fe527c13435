"""How verbs print: answers on stdout, for people or as one JSON object."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import typer
from rich.console import Console, RenderableType
from rich.table import Table

from crossgraph.data.corpus import Skipped, SkippedRow


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


SHOWN = 20
"""Rows or unused files of one reason that are printed one by one; --json has all."""


def print_rows(rows: Sequence[SkippedRow]) -> None:
    """Rows of caption files that were skipped, on stderr: how many, then each with its file and line."""
    if rows:
        typer.echo(f"{len(rows)} rows of caption files were skipped:", err=True)
    _print_some([f"{row.path}, {row.where}: {row.reason}" for row in rows])


def print_unused(unused: Sequence[Skipped]) -> None:
    """Files that look as if they belonged to the corpus and were not read, by reason, on stderr."""
    for reason in dict.fromkeys(one.reason for one in unused):
        paths = [str(one.path) for one in unused if one.reason == reason]
        typer.echo(f"{len(paths)} files were not used: {reason}:", err=True)
        _print_some(paths)


def _print_some(lines: Sequence[str]) -> None:
    for line in lines[:SHOWN]:
        typer.echo(f"  {line.encode('utf-8', 'backslashreplace').decode()}", err=True)
    if len(lines) > SHOWN:
        typer.echo(f"  and {len(lines) - SHOWN} more (--json lists all)", err=True)


def print_skipped(skipped: Sequence[Skipped]) -> None:
    """Every skipped file with its reason, on stderr."""
    if skipped:
        typer.echo(f"{len(skipped)} files were skipped:", err=True)
    for entry in skipped:
        typer.echo(f"  {entry.path}: {entry.reason}", err=True)
