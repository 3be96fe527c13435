"""What a source can be told in the text that names a corpus: `nuswide:PATH?concepts=21&seed=1`.

Every source's options are one frozen model; unknown names and values are refused with the known ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import unquote_plus

from pydantic import BaseModel, ConfigDict, ValidationError

from crossgraph.errors import DataError, unknown_name

Options = TypeVar("Options", bound="SourceOptions")


class SourceOptions(BaseModel):
    """Base of the options of every source: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoOptions(SourceOptions):
    """For sources that need to be told nothing."""


def options_of(kind: type[Options], text: str, *, spec: str) -> Options:
    """The options in `a=1&b.c=2`, where b is a section; empty for the defaults. Raises `DataError` naming `spec`."""
    tree: dict[str, Any] = {}
    for piece in filter(None, text.split("&")):
        key, sign, value = piece.partition("=")
        *sections, last = key.split(".")
        place = tree
        for section in sections:
            below = place.setdefault(section, {})
            place = below if isinstance(below, dict) else {last: None}
        if not sign or not last or last in place:
            raise DataError(f"{spec}: {piece!r} must be name=value, each name once, parted by &; got ?{text}.")
        place[last] = unquote_plus(value)
    return valid_options(kind, tree, spec=spec)


def valid_options(kind: type[Options], tree: Mapping[str, object], *, spec: str) -> Options:
    """`tree` as options of `kind`. Raises `DataError` with the first problem."""
    try:
        return kind.model_validate(dict(tree))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            raise DataError(f"{spec}: {_unknown(name, kind)}") from error
        raise DataError(f"{spec}: {name}: {first['msg']} (got {first['input']!r}).") from error


def _unknown(name: str, kind: type[SourceOptions]) -> str:
    if not kind.model_fields:
        return f"unknown option {name!r}; this source takes none."
    return unknown_name("option", name, kind.model_fields)
