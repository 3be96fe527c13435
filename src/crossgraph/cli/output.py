"""How verbs print: answers on stdout, for people or as one JSON object."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from crossgraph.data.corpus import FileCounts, Skipped, SkippedRow
    from crossgraph.gallery.changes.sync import SyncReport

LISTED = 100
"""So many files of each reason, or rows, are listed; --json lists all."""

# Control characters move the cursor, set the title of a terminal, turn a name around; surrogates cannot be printed.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def shown(text: object) -> str:
    """`text`, as a name or path, on one line that does nothing to a terminal: what would is written as its escape."""
    return _UNSAFE.sub(_escape, str(text))


def shown_lines(text: object) -> str:
    """`text` of several lines, each as `shown`."""
    return "\n".join(map(shown, str(text).split("\n")))


def brief(text: str, most: int = 200) -> str:
    """`text`, or, of one that has more letters than `most`, its beginning and how many it has.

    >>> brief("a" * 1234, 3)
    'aaa... (1,234 letters)'
    """
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} letters)"


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"  # a byte of a name that is not UTF-8
    return match[0].encode("unicode_escape", "surrogatepass").decode()


def print_json(answer: object) -> None:
    """One JSON object on stdout."""
    typer.echo(as_json(answer, indent=2))


def print_raw(text: str, *, end: str = "\n") -> None:
    """`text` for another program as it is: typer would take colour codes out, which names of files can hold."""
    typer.echo(f"{text}{end}", nl=False, color=True)


def as_json(answer: object, *, indent: int | None = None) -> str:
    """`answer` as JSON that is valid UTF-8, also where names of files are not."""
    text = json.dumps(answer, ensure_ascii=False, indent=indent)
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def print_rich(*renderables: RenderableType) -> None:
    """Tables and text on stdout; 120 columns where stdout is no terminal."""
    from rich.console import Console  # which most verbs do without

    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False, markup=False)
    for renderable in renderables:
        told = shown_lines(renderable) if isinstance(renderable, str) else renderable
        console.print(told, soft_wrap=isinstance(renderable, str))


def facts_table(*rows: tuple[str, object], title: str | None = None) -> Table:
    """Names and values in two columns."""
    from rich.table import Table

    table = Table(title=None if title is None else shown(title), show_header=False, title_justify="left", box=None)
    for name, value in rows:
        table.add_row(name, shown_lines(value))
    return table


def left_out_to_json(report: SyncReport) -> dict[str, list[dict[str, str]]]:
    """Files, rows and texts that a run could not use, as plain values."""
    return {
        "skipped": [one.to_json() for one in report.skipped],
        "skipped_rows": [one.to_json() for one in report.skipped_rows],
        "unused": [one.to_json() for one in report.unused],
    }


def print_left_out(report: SyncReport, *, dry_run: bool = False) -> None:
    """Files, rows and texts that a run could not use, each with its reason, on stderr; and notes to be looked at."""
    for lost in report.labels_lost:
        verb = "would lose" if dry_run else "lost"
        typer.echo(f"note: {lost.count:,} pictures {verb} their labels: {shown(lost.why)}", err=True)
    if report.notes_kept:
        typer.echo(
            f"note: notes of {report.notes_kept:,} pictures stay with their names though the contents changed", err=True
        )
    print_skipped(report.skipped)
    print_rows(report.skipped_rows)
    print_unused(report.unused)


def print_skipped(skipped: Sequence[Skipped]) -> None:
    """Every skipped file with its reason, on stderr; of a reason that very many have, the first."""
    if skipped:
        typer.echo(f"{len(skipped)} files were skipped:", err=True)
    counts: Counter[str] = Counter()
    for entry in skipped:
        counts[entry.reason] += 1
        if counts[entry.reason] <= LISTED:
            typer.echo(f"  {shown(entry.path)}: {shown(entry.reason)}", err=True)
    for reason, count in counts.items():
        if count > LISTED:
            typer.echo(f"  and {count - LISTED:,} more: {shown(reason)} (--json lists all)", err=True)


def print_rows(rows: Sequence[SkippedRow]) -> None:
    """Rows of caption files that were skipped, on stderr: how many, then each with its file and line."""
    if rows:
        typer.echo(f"{len(rows)} rows of caption files were skipped:", err=True)
    _print_some([f"{row.path}, {row.where}: {row.reason}" for row in rows])


def print_unused(unused: Sequence[Skipped]) -> None:
    """Files that look as if they belonged to the corpus and were not read, by reason, on stderr."""
    for reason in dict.fromkeys(one.reason for one in unused):
        paths = [str(one.path) for one in unused if one.reason == reason]
        typer.echo(f"{len(paths)} files were not used: {shown(reason)}:", err=True)
        _print_some(paths)


def _print_some(lines: Sequence[str]) -> None:
    for line in lines[:LISTED]:
        typer.echo(f"  {shown(line)}", err=True)
    if len(lines) > LISTED:
        typer.echo(f"  and {len(lines) - LISTED:,} more (--json lists all)", err=True)


def files_in_sum(read: int, skipped: Sequence[Skipped], files: FileCounts) -> str:
    """What became of every file of a folder, in one line; pictures that are named and not there are no files of it."""
    gone = sum(not os.path.lexists(one.path) for one in skipped)
    files_skipped = sum(not os.path.isdir(one.path) for one in skipped) - gone
    texts = f", texts {files.texts:,}" if files.texts else ""
    missing = f"; named and not there {gone:,}" if gone else ""
    return (
        f"read {read:,}, skipped {files_skipped:,}{texts}, of no interest {_summed(files.uninteresting)}, "
        f"left out {_summed(files.left_out)}{missing}"
    )


def _summed(counts: Mapping[str, int], most: int = 12) -> str:
    """The sum of some counts, and, in brackets, the largest of them by name."""
    named = [f"{shown(name)} {count:,}" for name, count in list(counts.items())[:most]]
    rest = sum(list(counts.values())[most:])
    named += [f"others {rest:,}"] if rest else []
    return f"{sum(counts.values()):,}" + (f" ({', '.join(named)})" if named else "")
