"""Pretrained Hugging Face models, loaded quietly from a local folder and with clear errors."""

from __future__ import annotations

import math
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
    towers = ("get_image_features", "get_text_features", "vision_model", "text_model")
    if all(hasattr(network, part) for part in towers):
        for other in ("text_model", "text_projection") if side == "vision" else ("vision_model", "visual_projection"):
            if hasattr(network, other):
                setattr(network, other, None)
        return network, True
    if side == "text" and network.config.is_encoder_decoder:
        return network.get_encoder(), False
    return getattr(network, f"{side}_model", network), False


def logits_of(network: Any) -> tuple[float, float]:
    """What a model with a space for pictures and texts makes of their cosines: logit = scale * cosine + bias."""
    known = {name: float(value.detach()) for name, value in network.named_parameters() if value.numel() == 1}
    if "temperature" in known:  # ALIGN
        return 1 / known["temperature"], 0.0
    return math.exp(known.get("logit_scale", 0.0)), known.get("logit_bias", 0.0)


def reads_padding(network: Any) -> bool:
    """Whether a model was trained on lower-case texts padded to full length, padding read like any token (SigLIP).

    Its text tower makes noise of anything else.
    """
    return str(network.config.model_type) in ("siglip", "siglip2")


def load_tokenizer(folder: Path, *, name: str) -> Any:
    """The fast tokenizer in `folder`, which tells where in a text each token stands; `ModelError` if there is none.

    A class that is written in Python or wants a package that is not there (SigLIP's) is passed over for the file
    tokenizer.json, which says all of it.
    """

    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    def load() -> Any:
        if not (folder / "tokenizer.json").is_file():
            return AutoTokenizer.from_pretrained(folder, local_files_only=True)
        try:
            found = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except ImportError:
            found = None
        if found is not None and found.is_fast:
            return found
        return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)

    tokenizer = load_piece(load, name=name)
    if not tokenizer.is_fast:
        raise ModelError(
            f"the tokenizer of {name!r} tells no character offsets; choose a model whose folder has a tokenizer.json."
        )
    return tokenizer


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
