"""Names of runs and evaluations that may stand in a URL: they tell what is meant and are never taken for a path."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Protocol, TypeVar, runtime_checkable

from crossgraph.errors import ConfigError, unknown_name

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_OTHER = re.compile(r"[^A-Za-z0-9_]+")
_MARK = re.compile(r"-[0-9a-f]{8}$")


@runtime_checkable
class Identified(Protocol):
    """What has an identifier."""

    @property
    def id(self) -> str:
        """Letters, digits, `-` and `_`."""


Found = TypeVar("Found", bound=Identified)


def identifier(name: str) -> str:
    """`name` if it is made of ASCII letters, digits, `-` and `_` alone, else its letters with a hash of the whole.

    Different names have different identifiers, but for a collision of 32 bits. A plain name that ends as a hash would
    gets a hash too, so that it cannot stand in for another one.

    >>> identifier("dual-0"), identifier("default/dense")
    ('dual-0', 'default-dense-9cebdf32')
    """
    if _PLAIN.fullmatch(name) and not _MARK.search(name):
        return name
    mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{_OTHER.sub('-', name).strip('-')[:48] or 'x'}-{mark}"


def with_identifier(wanted: str, known: Iterable[Found], *, kind: str) -> Found:
    """The one of `known` that has the identifier. Raises `ConfigError`, with the nearest known one, if none has."""
    found = {one.id: one for one in known}
    if wanted not in found:
        if not found:
            raise ConfigError(f"unknown {kind} {wanted!r}: there is none here.")
        raise ConfigError(unknown_name(kind, wanted, found))
    return found[wanted]
