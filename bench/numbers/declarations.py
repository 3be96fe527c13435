"""What is declared of the printed numbers: where each stands, which command makes it again, and how far it may be off.

The files are `declared/*.toml`; CONTRIBUTING.md says what may stand in them.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Literal

from covered import Covered
from printed import Document, Printed, PrintedTable, read_document, read_numbers
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crossgraph.errors import ConfigError, unknown_name

ROOT = Path(__file__).parents[2]
DECLARED = Path(__file__).parent / "declared"
CARD = "src/crossgraph/default_model/README.md"
DIARIES = ("docs/log.md",)
"""They tell what was measured once, with what there was then."""
NOT_REMADE = "-"
"""Stands in the place of a source where a number is not made again."""
OUT, JSON = "out", "json"
"""The placeholders for what a step writes: its folder or file, and its numbers."""
_PLACEHOLDER = re.compile(r"\{([a-z0-9][a-z0-9_.-]*)\}")


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class DataFolder(_Declared):
    """A folder of data that somebody has to have."""

    variable: str
    what: str


class DeclaredStep(_Declared):
    """A command; with `for`, one for every combination of these values."""

    name: str
    command: str
    minutes: float
    version: int = 1
    goes_on: bool = False
    every: dict[str, list[str | int]] = Field(default={}, alias="for")


class DeclaredRow(_Declared):
    """What makes the numbers of one row; `cells` stand in the place of the table's columns."""

    steps: str = ""
    names: tuple[str, ...] = ()
    cells: dict[str, list[str]] = {}
    not_remade: str = ""


class DeclaredTable(_Declared):
    """A table. Without `rows` every row is meant, and `{label}` in a source is its first cell.

    `others` says why the rows that `rows` does not name are not made again, `because` the same of numbers called `-`.
    """

    name: str
    document: str
    heading: str
    number: int = 1
    names: tuple[str, ...] = ()
    allowed: float
    settings: tuple[str, ...] = ()
    columns: dict[str, list[str]] = {}
    rows: dict[str, str | DeclaredRow] = {}
    others: str = ""
    because: str = ""


class DeclaredParagraph(_Declared):
    """Words of a section, with `{}` for every number in them; `of` gives each number a name more."""

    name: str
    document: str
    heading: str
    words: str
    numbers: tuple[str, ...]
    of: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    allowed: float
    because: str = ""


class NotRemade(_Declared):
    """A table, or words in bold, that no command makes again, and why."""

    document: str
    heading: str
    number: int = 1
    words: str = ""
    because: str


class _File(_Declared):
    data: dict[str, DataFolder] = {}
    step: tuple[DeclaredStep, ...] = ()
    table: tuple[DeclaredTable, ...] = ()
    paragraph: tuple[DeclaredParagraph, ...] = ()
    not_remade: tuple[NotRemade, ...] = ()


@dataclass(frozen=True)
class Step:
    """One command with its placeholders; `needs` are the steps whose results it reads, `data` the folders."""

    name: str
    words: tuple[str, ...]
    minutes: float
    version: int
    goes_on: bool
    needs: tuple[str, ...]
    data: tuple[str, ...]

    @property
    def kind(self) -> Literal["crossgraph", "python"]:
        """What runs it."""
        return "crossgraph" if self.words[0] == "crossgraph" else "python"

    @property
    def prints_json(self) -> bool:
        """Whether its numbers come on stdout; otherwise they are in the file that `{json}` stands for, or nowhere."""
        return self.kind == "crossgraph" and "--json" in self.words

    @property
    def has_numbers(self) -> bool:
        """Whether it leaves numbers."""
        return self.prints_json or any(f"{{{JSON}}}" in word for word in self.words)


@dataclass(frozen=True)
class Source:
    """Where a number is made: `path` in the JSON of `step`, times `factor`."""

    step: str
    path: str
    factor: float


@dataclass(frozen=True)
class Number:
    """One printed number: `entry` is what it was declared in, `names` is what it can be asked for by."""

    document: str
    heading: str
    label: str
    printed: Printed
    source: Source
    allowed: float
    entry: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Declarations:
    """All numbers, in the order of the files, and all steps by name."""

    data: Mapping[str, DataFolder]
    steps: Mapping[str, Step]
    numbers: tuple[Number, ...]
    uncovered: tuple[str, ...]
    """Tables, cells and bold words with results that nothing is declared of."""
    unmade: tuple[tuple[str, str], ...]
    """What is not made again, and why."""

    def chosen(self, only: Sequence[str]) -> tuple[Number, ...]:
        """The numbers that are called so or by a name that begins so; all without `only`.

        `rsicd/cca` are those with both names. Raises `ConfigError` for what nothing is called by.
        """
        for wanted in only:
            if not any(_is_called(number, wanted) for number in self.numbers):
                known = sorted({name for number in self.numbers for name in number.names})
                raise ConfigError(
                    f"{unknown_name('name of numbers', wanted, known)} --list shows what belongs to which."
                )
        return tuple(
            number for number in self.numbers if not only or any(_is_called(number, wanted) for wanted in only)
        )

    def needed(self, numbers: Sequence[Number]) -> tuple[Step, ...]:
        """The steps that make these numbers, each after those that it needs."""
        found: dict[str, Step] = {}

        def add(name: str) -> None:
            if name not in found:
                for other in self.steps[name].needs:
                    add(other)
                found[name] = self.steps[name]

        for number in numbers:
            add(number.source.step)
        return tuple(found.values())


def slug(text: str) -> str:
    """A name for `--only`: lower case, with hyphens for all else.

    >>> slug("RACG, objects only"), slug("dual_encoder")
    ('racg-objects-only', 'dual-encoder')
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def documents(root: Path = ROOT) -> list[str]:
    """The documents whose numbers are looked after."""
    found = ["README.md", *sorted(str(path.relative_to(root)) for path in (root / "docs").glob("*.md")), CARD]
    return [name for name in found if name not in DIARIES]


def read_declarations(folder: Path = DECLARED, *, root: Path = ROOT) -> Declarations:
    """Everything that is declared, beside what the documents of `root` print now.

    Raises `ConfigError` for a declaration that says something unknown, twice, or of a number that does not stand there.
    """
    files = [_read(path) for path in sorted(folder.glob("*.toml"))]
    data = {name: one for file in files for name, one in file.data.items()}
    steps = _steps([step for file in files for step in file.step], data)
    read = {name: read_document(root, name) for name in documents(root)}
    covered = Covered()
    numbers: list[Number] = []
    for file in files:
        for table in file.table:
            numbers += _of_table(table, _document(read, table.document), covered)
        for paragraph in file.paragraph:
            numbers += _of_paragraph(paragraph, _document(read, paragraph.document), covered)
        for left in file.not_remade:
            _leave(left, _document(read, left.document), covered)
    for number in numbers:
        if number.source.step not in steps or not steps[number.source.step].has_numbers:
            raise ConfigError(f"{number.entry}: there is no step {number.source.step!r} that writes numbers.")
    return Declarations(data, steps, tuple(numbers), covered.missing(read.values()), tuple(covered.unmade))


def _read(path: Path) -> _File:
    try:
        return _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (ValidationError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _document(read: Mapping[str, Document], name: str) -> Document:
    if name not in read:
        raise ConfigError(f"{name} is no document whose numbers are looked after; there are: {', '.join(read)}.")
    return read[name]


def _steps(declared: Sequence[DeclaredStep], data: Mapping[str, DataFolder]) -> dict[str, Step]:
    named: dict[str, tuple[DeclaredStep, str]] = {}
    for one in declared:
        for values in product(*one.every.values()):
            chosen = dict(zip(one.every, map(str, values), strict=True))
            name, command = _filled(one.name, chosen), _filled(one.command, chosen)
            if name in named or name in data or name in (OUT, JSON):
                raise ConfigError(f"two things are called {name!r}; a step needs a name of its own.")
            named[name] = (one, command)
    steps = {}
    for name, (one, command) in named.items():
        words = tuple(shlex.split(command))
        asked = [found for word in words for found in _PLACEHOLDER.findall(word) if found not in (OUT, JSON)]
        unknown = [found for found in asked if found not in data and found not in named]
        if unknown:
            raise ConfigError(f"step {name!r}: {{{unknown[0]}}} is neither a step nor a folder of data.")
        needs = tuple(dict.fromkeys(found for found in asked if found in named))
        folders = tuple(dict.fromkeys(found for found in asked if found in data))
        steps[name] = Step(name, words, one.minutes, one.version, one.goes_on, needs, folders)
    _refuse_circles(steps)
    return steps


def _refuse_circles(steps: Mapping[str, Step]) -> None:
    done: set[str] = set()

    def look(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ConfigError(f"steps need each other in a circle: {' -> '.join((*above, name))}.")
        if name not in done:
            for other in steps[name].needs:
                look(other, (*above, name))
            done.add(name)

    for name in steps:
        look(name, ())


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _leave(left: NotRemade, document: Document, covered: Covered) -> None:
    if left.words:
        span, _ = document.section(left.heading).places_of(left.words)
        covered.words(document.name, left.heading, span)
    else:
        covered.table(document.name, document.table(left.heading, left.number))
    what = f'"{left.words}"' if left.words else f"table {left.number}"
    covered.unmade.append((f"{document.name}, {left.heading}, {what}", left.because))


def _of_table(declared: DeclaredTable, document: Document, covered: Covered) -> list[Number]:
    table = document.table(declared.heading, declared.number)
    where = f"{declared.name} ({document.name}, {declared.heading})"
    rows = declared.rows or {" | ".join(_shortest(table, place)): "" for place in range(len(table.rows))}
    settings = [table.column(name) for name in declared.settings]
    for place in range(len(table.rows)):
        for column in settings:
            covered.cell(document.name, table, place, column)
    if declared.others:
        named = {table.row(name) for name in rows}
        for place in set(range(len(table.rows))) - named:
            covered.row(document.name, table, place)
        covered.unmade.append(
            (f"{document.name}, {declared.heading}, other rows of table {table.number}", declared.others)
        )
    numbers = []
    for name, given in rows.items():
        made = DeclaredRow(steps=given) if isinstance(given, str) else given
        place = table.row(name)
        label = table.rows[place][0]
        if made.not_remade:
            covered.row(document.name, table, place)
            covered.unmade.append((f"{document.name}, {declared.heading}, {label}", made.not_remade))
            continue
        for heading, sources in (declared.columns | made.cells).items():
            column = table.column(heading)
            covered.cell(document.name, table, place, column)
            cell = table.rows[place][column]
            said = f"{label}, {table.columns[column] or heading}"
            called = (declared.name, *declared.names, *made.names, label)
            filled = [_filled(source, {"row": made.steps, "label": label}) for source in sources]
            numbers += _paired(
                declared, read_numbers(cell), filled, f"{where}: {said}", said, tuple(dict.fromkeys(map(slug, called)))
            )
            if NOT_REMADE in filled:
                covered.unmade.append((f"{document.name}, {declared.heading}, {said}", declared.because))
    return numbers


def _shortest(table: PrintedTable, place: int) -> tuple[str, ...]:
    """As many first cells of a row as tell it from the others."""
    row = table.rows[place]
    for count in range(1, len(row)):
        if sum(other[:count] == row[:count] for other in table.rows) == 1:
            return row[:count]
    return row


def _of_paragraph(declared: DeclaredParagraph, document: Document, covered: Covered) -> list[Number]:
    section = document.section(declared.heading)
    span, found = section.places_of(declared.words)
    covered.words(document.name, section.heading, span)
    where = f"{declared.name} ({document.name}, {declared.heading})"
    if len(found) != len(declared.numbers) or (declared.of and len(found) != len(declared.of)):
        raise ConfigError(f"{where}: {len(found)} numbers stand in the words; give as many `numbers`, and of `of`.")
    numbers = []
    for nth, (printed, source) in enumerate(zip(found, declared.numbers, strict=True)):
        said = " ".join(_around(declared.words, nth, printed.text).split())
        called = (declared.name, *declared.names, *declared.of[nth : nth + 1])
        numbers += _paired(
            declared, [printed], [source], f"{where}: {said}", said, tuple(dict.fromkeys(map(slug, called)))
        )
    if NOT_REMADE in declared.numbers:
        covered.unmade.append((f'{document.name}, {declared.heading}, "{declared.words}"', declared.because))
    return numbers


def _around(words: str, nth: int, text: str) -> str:
    """The hole with some words at either side, the number in it."""
    parts = words.split("{}")
    return f"{' '.join(parts[nth].split()[-4:])} [{text}] {' '.join(parts[nth + 1].split()[:3])}"


def _paired(
    declared: DeclaredTable | DeclaredParagraph,
    found: Sequence[Printed],
    sources: Sequence[str],
    where: str,
    said: str,
    names: tuple[str, ...],
) -> list[Number]:
    """The numbers of one cell with their sources; a source that begins with `?` may have no number."""
    least = sum(not source.startswith("?") for source in sources)
    if not least <= len(found) <= len(sources):
        raise ConfigError(f"{where}: {len(found)} numbers stand there, and {least} to {len(sources)} are declared.")
    numbers = []
    last = next((one.deviation for one in reversed(found) if one.deviation is not None), None)
    for printed, source in zip(found, sources, strict=False):
        if source == NOT_REMADE:
            if not declared.because:
                raise ConfigError(f"{where}: a number that is not made again needs `because`.")
            continue
        deviation = printed.deviation
        if deviation is None and printed.signed and last is not None:
            deviation = max(last, declared.allowed)  # a difference is as uncertain as what it is of
        # the number and its deviation are each rounded by up to half a digit when they are printed
        allowed = max(declared.allowed, printed.step / 2) if deviation is None else deviation + printed.step
        numbers.append(
            Number(
                declared.document,
                declared.heading,
                said,
                printed,
                _source(source, where),
                allowed,
                declared.name,
                names,
            )
        )
    if len(numbers) > 1:
        numbers = [replace(one, label=f"{one.label} ({nth})") for nth, one in enumerate(numbers, start=1)]
    return numbers


def _source(text: str, where: str) -> Source:
    found = re.fullmatch(r"\??(?:(\d+) \* )?([a-z0-9][a-z0-9_.-]*): (.+)", text)
    if found is None:
        raise ConfigError(f"{where}: {text!r} is no source; write 'STEP: PATH' or '100 * STEP: PATH'.")
    return Source(found.group(2), found.group(3), float(found.group(1) or 1))


def _is_called(number: Number, wanted: str) -> bool:
    return all(any(name.startswith(slug(part)) for name in number.names) for part in wanted.split("/"))
