"""Pretrained Hugging Face models, by local folder or hub name, loaded quietly and with clear errors."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import snapshot_download
from safetensors import SafetensorError
from torch import nn
from transformers.utils import logging as transformers_logging

from crossgraph.errors import ConfigError, ModelError, unknown_name

Loaded = TypeVar("Loaded")

HUB_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]


def pretrained_folder(name: str, *, kind: str, known: Iterable[str]) -> Path:
    """The local folder of a model: `name` itself if it is one, else the hub's model of that name, cached or fetched.

    Raises `ConfigError` for a name that is neither, naming the nearest of `known`; `ModelError` if the hub's model
    is not in the local cache and cannot be fetched.
    """
    if (folder := Path(name).expanduser()).is_dir():
        return folder
    owner, slash, model = name.partition("/")
    if not (slash and model) or "/" in model or owner in ("", ".", "..", "~"):
        raise ConfigError(
            f"{unknown_name(kind, name, known)} Anything else must be an existing local folder or a Hugging Face "
            "name like owner/model."
        )
    try:
        return Path(snapshot_download(name, allow_patterns=HUB_FILES))
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"the model {name!r} is neither a local folder nor in the Hugging Face cache, and fetching it failed "
            f"({reason}). Check the name and the connection, or download it on another machine and pass its folder."
        ) from error


def load_network(auto_class: Any, folder: Path, *, name: str) -> nn.Module:
    """The model in `folder` as a frozen network; a pooler the checkpoint has no weights for is left out.

    transformers fills missing weights at random: harmless for a pooler we then drop, wrong for anything else,
    which raises `ModelError`.
    """
    network, report = load_piece(
        lambda: auto_class.from_pretrained(folder, local_files_only=True, output_loading_info=True), name=name
    )
    missing = sorted(report["missing_keys"])
    if others := [key for key in missing if "pooler." not in key]:
        raise ModelError(
            f"the model {name!r} lacks weights its architecture needs: {', '.join(others[:3])}"
            f"{' ...' if len(others) > 3 else ''}. Save it from the same transformers class or choose another model."
        )
    if missing:
        network.pooler = None
    frozen: nn.Module = network.eval().requires_grad_(False)
    return frozen


def load_piece(load: Callable[[], Loaded], *, name: str) -> Loaded:
    """What `load` reads from a model's folder (network, tokenizer, processor), or a `ModelError` saying why not."""
    try:
        with quiet_transformers():
            return load()
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ModelError(f"the model {name!r} cannot be loaded: {reason} Check that its files are complete.") from error


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """No progress bars, loading reports or warnings about files transformers forgets to close."""
    verbosity = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
