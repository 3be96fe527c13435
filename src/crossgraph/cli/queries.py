"""Where several queries come from: the lines of a file or a pipe, or a person at a prompt."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import typer

from crossgraph.errors import ConfigError

PROMPT = "search> "


def lines_of(file: Path) -> Iterator[tuple[str, str]]:
    """The lines of `file` (`-`: of what is piped in) that are not blank, each with its place.

    Raises `ConfigError` for a file that cannot be read. A line that is not UTF-8 has a � where it is not.
    """
    with ExitStack() as opened:
        try:
            lines = sys.stdin.buffer if str(file) == "-" else opened.enter_context(file.open("rb"))
        except OSError as error:
            raise ConfigError(f"{file} cannot be read: {error.strerror}. Give a file with one query a line.") from error
        for number, line in enumerate(lines, start=1):
            text = line.decode("utf-8-sig" if number == 1 else "utf-8", "replace").strip()
            if text:
                yield f"line {number}", text


def prompted() -> Iterator[tuple[str, str]]:
    """What is typed at a prompt, until an empty line or Ctrl-D."""
    with suppress(ImportError):
        importlib.import_module("readline")  # gives `input` its history and editing
    typer.echo("A sentence, ./picture.jpg, item:ID, or a sum of those. An empty line or Ctrl-D ends.", err=True)
    while line := _typed().strip():
        yield "", line


def _typed() -> str:
    """One line, empty at the end; the prompt goes to stderr where stdout is for another program."""
    if not sys.stdout.isatty():
        typer.echo(PROMPT, err=True, nl=False)
        return sys.stdin.readline()
    try:
        return input(PROMPT)
    except EOFError:
        typer.echo()
        return ""
