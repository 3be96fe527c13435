"""Makes the numbers again that README and documents print, and says which come out otherwise. `make numbers` calls it.

    python bench/numbers/remake.py --list
    python bench/numbers/remake.py --only demo
    python bench/numbers/remake.py --flickr8k flickr8k --rsicd rsicd --photos photos --out runs/numbers --dry-run

What is printed is read from the documents, what to run from `declared/*.toml` (CONTRIBUTING.md says what stands there).
Every command runs once, whatever numbers it serves; what is done is not done again, and a training that was stopped
goes on. Exit code: 0 if all numbers are within what is allowed, 1 if not, 2 for a mistake, 130 if it was stopped.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from comparison import Compared, compared, is_bad, report
from declarations import Declarations, Number, read_declarations
from steps import Runner, Stopped, Workshop, run_command

from crossgraph.errors import CrossgraphError
from crossgraph.evaluation.markdown import markdown_table

REPORT = "numbers.md"


def main(words: Sequence[str] | None = None, *, runner: Runner = run_command) -> int:
    """Run what is not done, print the table; returns the exit code."""
    try:
        declared = read_declarations()
        asked = read_arguments(declared, words)
        given = {name: getattr(asked, name) for name in declared.data if getattr(asked, name) is not None}
        return remake(declared, Workshop(declared, given, asked.out), asked, runner)
    except CrossgraphError as error:
        print(error, file=sys.stderr)
        return 2
    except (Stopped, KeyboardInterrupt):
        print("stopped; what is done is kept, and the same command goes on from there.", file=sys.stderr)
        return 130


def read_arguments(declared: Declarations, words: Sequence[str] | None) -> argparse.Namespace:
    """The data, what to make again, and how."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, folder in declared.data.items():
        parser.add_argument(f"--{name}", type=Path, help=folder.what)
    parser.add_argument("--out", type=Path, default=Path("runs/numbers"), help="where results are kept")
    parser.add_argument("--only", default="", metavar="NAME,...", help="numbers called so, or by a name that begins so")
    parser.add_argument("--list", action="store_true", help="print the names, what they cost, and what is left out")
    parser.add_argument("--dry-run", action="store_true", help="print the commands in their order")
    return parser.parse_args(words)


def remake(declared: Declarations, workshop: Workshop, asked: argparse.Namespace, runner: Runner) -> int:
    """What `main` does with its arguments read."""
    numbers = declared.chosen([name for name in asked.only.split(",") if name.strip()])
    steps = declared.needed(numbers)
    if asked.list:
        print(listed(declared, workshop, numbers))
        return 0
    if asked.dry_run:
        for step in steps:
            print(f"{'# done: ' if workshop.is_done(step) else ''}{shlex.join(workshop.command(step))}")
        return 0
    workshop.require_data(numbers)
    failed = workshop.run_all(steps, runner, lambda line: print(line, file=sys.stderr, flush=True))
    found = [_compared(number, workshop, failed) for number in numbers]
    text = report(found)
    workshop.out.mkdir(parents=True, exist_ok=True)
    (workshop.out / REPORT).write_text(text, encoding="utf-8")
    print(text, end="")
    return 1 if any(is_bad(one) for one in found) else 0


def _compared(number: Number, workshop: Workshop, failed: dict[str, str]) -> Compared:
    reason = failed.get(number.source.step)
    return compared(number, reason or workshop.numbers(workshop.declared.steps[number.source.step]))


def listed(declared: Declarations, workshop: Workshop, numbers: Sequence[Number]) -> str:
    """The entries with their cost, and what is not made again."""
    rows = []
    for entry in dict.fromkeys(number.entry for number in numbers):
        own = [number for number in numbers if number.entry == entry]
        steps = declared.needed(own)
        left = [step for step in steps if not workshop.is_done(step)]
        where = ", ".join(dict.fromkeys(number.document for number in own))
        data = ", ".join(dict.fromkeys(declared.data[name].variable for step in steps for name in step.data))
        others = sorted({name for number in own for name in number.names} - {entry})
        rows.append((entry, where, f"{len(own)}", f"{len(left)}/{len(steps)}", hours(left), data, ", ".join(others)))
    every = declared.needed(numbers)
    left = [step for step in every if not workshop.is_done(step)]
    rows.append(("all", "", f"{len(numbers)}", f"{len(left)}/{len(every)}", hours(left), "", ""))
    headings = ("name", "document", "numbers", "to run", "about", "data", "other names")
    table = markdown_table(headings, rows, words=True)
    unmade = "\n".join(f"* {what}: {why}" for what, why in dict.fromkeys(declared.unmade))
    return f"{table}\n\nShared commands run once; times are of two busy cores.\n\nNot made again:\n\n{unmade}"


def hours(steps: Sequence[object]) -> str:
    """The time that steps take, as people say it."""
    minutes = sum(getattr(step, "minutes", 0.0) for step in steps)
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


if __name__ == "__main__":
    sys.exit(main())
