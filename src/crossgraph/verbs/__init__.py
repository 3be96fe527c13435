"""What the command line does, as functions: one file an area; `__init__.pyi` says which function is where.

Each takes a model, a corpus or a gallery either loaded or as the place where it lies. The functions are imported when
first used: a search loads nothing of training.
"""

from __future__ import annotations

from typing import Any

from crossgraph.lazy_names import LazyNames

_names = LazyNames(__file__)
__all__ = list(_names.homes)


def __getattr__(name: str) -> Any:
    return _names.get(__name__, name)


def __dir__() -> list[str]:
    return __all__
