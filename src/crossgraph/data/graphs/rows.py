"""Rows of JSON files as typed values; errors name the file, the place, the field, what was got and expected."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from crossgraph.data.assembly import malformed, text_lines
from crossgraph.errors import DataError

Row = TypeVar("Row", bound=BaseModel)


def json_rows(file: Path) -> Iterator[tuple[str, Any]]:
    """The values of a JSON list, or of JSON lines, each with its place ("line 7", "entry 3") for messages.

    Raises `DataError` for a file that cannot be read or is neither.
    """
    if not _is_list(file):
        for number, line in text_lines(file):
            yield f"line {number}", parsed_json(line, file, f"line {number}")
        return
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: neither a JSON list nor JSON lines ({error}).") from error
    for index, value in enumerate(content):
        yield f"entry {index}", value


def parsed_json(line: str, file: Path, where: str) -> Any:
    """The JSON value of `line`. Raises `DataError`."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise malformed(file, where, line, expected="one JSON object a line") from error


def parsed_row(kind: type[Row], value: Any, file: Path, where: str) -> Row:
    """`value` as a row of `kind`. Raises `DataError` for the first field that does not fit."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise _misfit(error, value, file, where) from error


def _misfit(error: ValidationError, value: Any, file: Path, where: str) -> DataError:
    first = error.errors(include_url=False)[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).removeprefix(".")
    if first["type"] == "missing":
        return malformed(file, where, json.dumps(value), expected=f"it to have the field {place}")
    if first["type"] == "extra_forbidden":
        return malformed(file, f"{where}, {place}", first["input"], expected="no such field")
    if not place:
        return malformed(file, where, value, expected="a JSON object")
    return malformed(
        file, f"{where}, {place}", json.dumps(first["input"], default=repr), expected=_expectation(first["msg"])
    )


def _expectation(message: str) -> str:
    """What pydantic's message asks for, as the end of "expected ..."."""
    asked = message.removeprefix("Input should be ").removeprefix("Value error, ")
    return asked[0].lower() + asked[1:]


def _is_list(file: Path) -> bool:
    """Whether the first character that counts opens a list."""
    return next((line.startswith("[") for _, line in text_lines(file)), False)
