"""What every measurement is told, and how it answers: a Markdown table, and the numbers as JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from crossgraph.evaluation.markdown import markdown_table


def options_of(text: str | None, *, data: str) -> argparse.ArgumentParser:
    """A parser with the options that all share; `data` says what `--data` is the folder of."""
    options = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", required=True, help="a trained run or a cascade, by folder or name")
    options.add_argument("--data", type=Path, required=True, help=data)
    options.add_argument("--device", default="cpu")
    options.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to this file too")
    return options


def add_rerank(options: argparse.ArgumentParser) -> None:
    """The option of those measurements in which re-ranking costs little."""
    options.add_argument("--rerank", type=int, default=0, metavar="K", help="re-rank the best K of every query")


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str | int | float]], *, title: str = "") -> None:
    """Print a table under its title; fractions are given two digits after the point, or one from 10 on."""
    print(
        "\n".join(
            [*([f"{title}\n"] if title else []), markdown_table(headings, [list(map(cell, r)) for r in rows]), ""]
        )
    )


def cell(value: str | int | float) -> str:
    """A value as it stands in a table."""
    if isinstance(value, float):
        return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return value if isinstance(value, str) else f"{value:,}"


def write_numbers(file: Path | None, asked: argparse.Namespace, numbers: Mapping[str, object]) -> None:
    """Write the numbers with what was asked, if a file is named."""
    if file is not None:
        said = {name: str(value) if isinstance(value, Path) else value for name, value in vars(asked).items()}
        file.write_text(
            json.dumps({"asked": said, **numbers}, indent=1, default=str, ensure_ascii=False), encoding="utf-8"
        )
