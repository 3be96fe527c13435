"""Cross-modal image-text retrieval with semantic graphs: train, compare, and search your own pictures.

The public names are the verbs of the command line and what they take and give; `__init__.pyi` lists them. They are
imported when first used, so that `import crossgraph` costs nothing. Importing it before torch also lets torch's
threads sleep while they wait (`crossgraph.waiting`).

>>> import crossgraph
>>> corpus = crossgraph.open_corpus("scenes:24")  # drawn on the spot; a folder of pictures with captions does as well
>>> len(corpus)
24
>>> crossgraph.read_config(None, changes=["method=kidrr", "training.epochs=5"]).training.epochs
5
"""

from __future__ import annotations

from typing import Any

from crossgraph.lazy_names import LazyNames
from crossgraph.waiting import wait_passively

wait_passively()
_names = LazyNames(__file__)
__all__ = list(_names.homes)


def __getattr__(name: str) -> Any:
    return _names.get(__name__, name)


def __dir__() -> list[str]:
    return __all__
