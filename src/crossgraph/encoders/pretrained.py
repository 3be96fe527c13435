"""Pretrained Hugging Face models, loaded quietly from a local folder and with clear errors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from safetensors import SafetensorError
from torch import nn

from crossgraph.errors import ModelError

Loaded = TypeVar("Loaded")

_LOADING = threading.Lock()


def load_network(auto_class: Any, folder: Path, *, name: str) -> nn.Module:
    """The model in `folder` as a network in evaluation mode; a pooler the checkpoint has no weights for is left out.

    transformers fills missing weights at random: harmless for a pooler we then drop, wrong for anything else,
    which raises `ModelError`. Weights stored in half precision are computed with in single precision.
    """
    network, report = load_piece(
        lambda: auto_class.from_pretrained(
            folder, local_files_only=True, output_loading_info=True, dtype=torch.float32
        ),
        name=name,
    )
    missing = sorted(report["missing_keys"])
    if others := [key for key in missing if "pooler." not in key]:
        raise ModelError(
            f"the model {name!r} lacks weights its architecture needs: {', '.join(others[:3])}"
            f"{' ...' if len(others) > 3 else ''}. Save it from the same transformers class or choose another model."
        )
    if missing:
        network.pooler = None
    ready: nn.Module = network.eval()
    return ready


def one_side(network: Any, side: Literal["vision", "text"]) -> tuple[Any, bool]:
    """The half of a model that reads pictures or texts, and whether it ends in a space that both share (CLIP).

    Of such a model the other half is dropped. An encoder-decoder gives its encoder, any other model is all of one kind.
    """
    if hasattr(network, f"get_{'image' if side == 'vision' else 'text'}_features") and hasattr(network, "vision_model"):
        for other in ("text_model", "text_projection") if side == "vision" else ("vision_model", "visual_projection"):
            if hasattr(network, other):
                setattr(network, other, None)
        return network, True
    if side == "text" and network.config.is_encoder_decoder:
        return network.get_encoder(), False
    return getattr(network, f"{side}_model", network), False


def architecture(config: Any) -> dict[str, object]:
    """What of a network's build its weights do not show, in our own few words."""
    named = ("model_type", "hidden_act", "num_attention_heads", "layer_norm_eps")
    return {name: getattr(config, name, None) for name in named}


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
    """No progress bars and no loading reports, and afterwards what the user had.

    Both are switches of the whole process that transformers offers no other way around. One load at a time holds them:
    two at once would each take the other's silence for the user's own setting and leave it behind. Silencing once, at
    import, would cost a user of transformers their messages for good.
    """
    from transformers.utils import logging as transformers_logging

    with _LOADING:
        verbosity = transformers_logging.get_verbosity()
        bars = transformers_logging.is_progress_bar_enabled()
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
        try:
            yield
        finally:
            transformers_logging.set_verbosity(verbosity)
            if bars:
                transformers_logging.enable_progress_bar()
