"""Cross-modal image-text retrieval with semantic graphs: train, compare, and search your own pictures.

The public names are the verbs of the command line and what they take and give. They are imported when first used, so
that `import crossgraph` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossgraph.ablation import run_ablation
    from crossgraph.config import RunConfig, read_config
    from crossgraph.data.check import check_corpus
    from crossgraph.data.corpus import Corpus
    from crossgraph.data.sources import open_corpus
    from crossgraph.demo import run_demo
    from crossgraph.errors import CrossgraphError
    from crossgraph.gallery.gallery import Gallery
    from crossgraph.gallery.search.options import SearchOptions
    from crossgraph.methods.catalogue import METHODS
    from crossgraph.training.model import TrainedModel
    from crossgraph.verbs import (
        evaluate,
        evaluate_by_labels,
        evaluate_seeds,
        explain,
        index,
        load_model,
        migrate,
        open_gallery,
        probe,
        search,
        sync,
        train,
    )

__all__ = [
    # the verbs
    "check_corpus",
    "train",
    "evaluate",
    "evaluate_seeds",
    "evaluate_by_labels",
    "probe",
    "run_ablation",
    "index",
    "sync",
    "migrate",
    "search",
    "explain",
    "run_demo",
    # what they take and give
    "open_corpus",
    "open_gallery",
    "load_model",
    "read_config",
    "Corpus",
    "Gallery",
    "RunConfig",
    "SearchOptions",
    "TrainedModel",
    "METHODS",
    "CrossgraphError",
]

_HOMES = {
    "crossgraph.ablation": ("run_ablation",),
    "crossgraph.config": ("RunConfig", "read_config"),
    "crossgraph.data.check": ("check_corpus",),
    "crossgraph.data.corpus": ("Corpus",),
    "crossgraph.data.sources": ("open_corpus",),
    "crossgraph.demo": ("run_demo",),
    "crossgraph.errors": ("CrossgraphError",),
    "crossgraph.gallery.gallery": ("Gallery",),
    "crossgraph.gallery.search.options": ("SearchOptions",),
    "crossgraph.methods.catalogue": ("METHODS",),
    "crossgraph.training.model": ("TrainedModel",),
    "crossgraph.verbs": (
        "evaluate",
        "evaluate_by_labels",
        "evaluate_seeds",
        "explain",
        "index",
        "load_model",
        "migrate",
        "open_gallery",
        "probe",
        "search",
        "sync",
        "train",
    ),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
