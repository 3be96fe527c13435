"""How the answers of searches are printed: for people, as JSON, as CSV, or as bare paths."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import typer

from crossgraph.cli.output import as_json as to_json
from crossgraph.cli.output import brief, print_json, print_raw, shown
from crossgraph.errors import ConfigError, CrossgraphError
from crossgraph.gallery.search.query import Query, parse_query
from crossgraph.gallery.search.results import SearchResult, SearchResults

Form: TypeAlias = Literal["people", "json", "csv", "paths", "paths0"]


@dataclass
class Printer:
    """Prints answers in one form; with `several` queries programs are told which it answers, `headed` people too.

    `preview` draws the picture with an id, under its answer; `more` says what else is to be noted of an answer.
    """

    form: Form
    several: bool = False
    headed: bool = False
    shown: int = 0
    preview: Callable[[str], None] | None = None
    more: Callable[[SearchResults], Iterable[str]] | None = None

    @classmethod
    def of(cls, *, as_json: bool, as_csv: bool, paths: bool, print0: bool, several: bool, headed: bool) -> Printer:
        """The printer of the form asked for, with `paths` also `print0`. Raises `ConfigError` for two forms at once."""
        if as_json + as_csv + paths > 1:
            raise ConfigError("give one of --json, --csv and --paths.")
        if print0 and not paths:
            raise ConfigError("--print0 parts paths; give --paths too.")
        listed: Form = "paths0" if print0 else "paths"
        return cls("json" if as_json else "csv" if as_csv else listed if paths else "people", several, headed)

    def show(self, found: SearchResults) -> None:
        """Print the answer to one query, and on stderr what of it was not understood, and the like."""
        for note in (*found.notes, *(self.more(found) if self.more else ())):
            typer.echo(shown(f"note: {brief(found.query)!r}: {note}" if self.several else f"note: {note}"), err=True)
        match self.form:
            case "json" if self.several:
                typer.echo(to_json(found.to_json()))
            case "json":
                print_json(found.to_json())
            case "csv":
                print_raw(found.to_csv(header=not self.shown, query=self.several), end="")
            case "paths":
                for path in dict.fromkeys(result.path for result in found.results):
                    print_raw(str(path))
            case "paths0":
                for path in dict.fromkeys(result.path for result in found.results):
                    print_raw(str(path), end="\0")
            case "people":
                if self.headed:
                    typer.echo(("\n" if self.shown else "") + shown(brief(found.query)))
                _print(found, self.preview)
        self.shown += 1
        if found.offset and not found.results:
            typer.echo(f"no answers beyond the first {found.offset:,}; give a smaller --offset", err=True)


def answer_each(lines: Iterable[tuple[str, str]], search: Callable[[Query], SearchResults], printer: Printer) -> int:
    """Answer one line after the other; how many could not be, each of which is told on stderr with its place."""
    failed = 0
    for place, line in lines:
        try:
            if "\ufffd" in line:
                raise ConfigError("it is not UTF-8 text.")
            printer.show(search(parse_query([line])))
        except BrokenPipeError:
            raise
        except (CrossgraphError, OSError) as error:
            failed += 1
            typer.echo(f"error: {f'{place}, {brief(line)!r}: ' if place else ''}{shown(error)}", err=True)
    return failed


def _print(found: SearchResults, preview: Callable[[str], None] | None) -> None:
    if found.kind == "sum":
        typer.echo(f"searched for: {shown(brief(found.query))}", err=True)
    for result in found.results:
        caption = "" if result.caption is None else f"  {shown(result.caption)}"
        notes = "" if result.match == "semantic" else f"  [{result.match}]"
        notes += f"  (+{len(result.similar)} alike)" if result.similar else ""
        typer.echo(f"{result.rank:3}  {result.score:7.4f}{_moved(found, result)}  {shown(result.path)}{caption}{notes}")
        if preview is not None:
            preview(result.id)
    stage = "re-ranked" if found.stage == "rerank" else f"by the {found.stage} alone: {found.why}"
    times = ", ".join(f"{name} {milliseconds:.1f}" for name, milliseconds in found.timings_ms.items())
    what = "pictures" if found.target == "images" else "captions"
    typer.echo(f"{found.searched:,} {what} searched, {stage} ({times} ms)", err=True)
    if found.verdict is not None:
        why = _why(found)
        typer.echo(f"match: {found.verdict}{f' ({why})' if why else ''}", err=True)


def _why(found: SearchResults) -> str:
    """What the verdict says, in words; the probability is cut, not rounded, so that it keeps its side of the lines."""
    if found.probability is not None:
        unsure = "not sure: " if found.verdict == "weak" else ""
        return f"{unsure}a good answer is there with probability {math.floor(100 * found.probability) / 100:.2f}"
    exact = next((result.match for result in found.results if result.match != "semantic"), None)
    return "" if exact is None else f"what was searched for is the {exact} of a picture, to the letter"


def _moved(found: SearchResults, result: SearchResult) -> str:
    """Where each earlier stage had the answer, if there was one."""
    earlier = [stage for stage in result.ranks if stage != found.stage]
    said = ", ".join(f"{stage} {'-' if result.ranks[stage] is None else result.ranks[stage]:>3}" for stage in earlier)
    return f"  ({said})" if said else ""
