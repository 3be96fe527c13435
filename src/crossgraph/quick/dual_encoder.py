"""The text half of a dual encoder without a GRU, or of several side by side, in arrays: states to one vector.

With a query bank (`layers.query_bank`) the vector is charged with how near it comes to the pictures of the bank.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float16
from safetensors import safe_open

from crossgraph.gallery.stages.unit_length import unit
from crossgraph.layers.charges import LENGTH, REACH, STEP
from crossgraph.quick.bert import layer_norm

METHODS = ("dual_encoder", "encoder_ensemble")
EPSILON = 1e-5  # of torch's layer norm
NAMES = re.compile(r"(?:branches\.\d+\.)?(?:word_encoder\.(?:norm|shortcut)|pool_text\.weigh)\.(?:weight|bias)")
GRU = "word_encoder.gru."


@dataclass(frozen=True)
class TextBranch:
    """The weights of one branch, by their names in it."""

    weights: Mapping[str, Float[np.ndarray, ...]]

    def __call__(self, states: Float[np.ndarray, "w e"]) -> Float[np.ndarray, " d"]:
        """The unit vector of one sentence."""
        weights = self.weights
        words = layer_norm(states, weights["word_encoder.norm.weight"], weights["word_encoder.norm.bias"], EPSILON)
        words = words @ weights["word_encoder.shortcut.weight"].T + weights["word_encoder.shortcut.bias"]
        logits = words @ weights["pool_text.weigh.weight"].T + weights["pool_text.weigh.bias"]
        raised = np.exp(logits - logits.max(axis=0))
        shares = (raised / raised.sum(axis=0))[:, :, None]
        pooled = (shares * words.reshape(len(words), shares.shape[1], -1)).reshape(words.shape).sum(axis=0)
        return unit(pooled + words.mean(axis=0))


@dataclass(frozen=True)
class TextCharge:
    """What `QueryBank.of_texts` does, for one sentence; `usual` is how near sentences come to the bank `images`."""

    images: Float[np.ndarray, "i d"]
    usual: float
    share: float
    sharpness: float

    def __call__(self, vector: Float[np.ndarray, " d"]) -> Float[np.ndarray, " e"]:
        """The unit vector with what it is charged."""
        sharp = self.sharpness * (self.images @ vector)
        top = sharp.max()
        near = (top + np.log(np.exp(sharp - top).sum())) / self.sharpness
        charge = np.clip(self.share * (near - self.usual), -REACH, REACH)
        rest = np.sqrt(max(REACH - (charge / STEP) ** 2, 0.0))
        tail = np.array([STEP, -charge / STEP, 0.0, rest], np.float32)
        found: Float[np.ndarray, " e"] = np.concatenate([vector, tail]) / np.float32(LENGTH)
        return found


class QuickDualEncoder:
    """The text half of a trained run: branches side by side, of unit length together."""

    def __init__(self, branches: tuple[TextBranch, ...], charge: TextCharge | None = None) -> None:
        self._branches, self._charge = branches, charge

    @classmethod
    def open(cls, method: str, settings: Mapping[str, Any], weights: Path) -> QuickDualEncoder | None:
        """That of a run's `weights`, if its `method` is a dual encoder that reads frozen states with no GRU.

        `settings` are the run's own of the method.
        """
        if method not in METHODS:
            return None
        charge = None
        with safe_open(weights, framework="numpy") as tensors:
            names = list(tensors.keys())
            if any(GRU in name for name in names):
                return None
            chosen = {name: tensors.get_tensor(name).astype(np.float32) for name in names if NAMES.fullmatch(name)}
            if settings.get("bank_images"):
                bank, usual = (tensors.get_tensor(f"bank.{name}").astype(np.float32) for name in ("images", "usual"))
                share, sharpness = (float(settings[f"bank_{name}"]) for name in ("share", "sharpness"))
                charge = TextCharge(bank, float(usual[1]), share, sharpness)
        prefixes = sorted({_prefix(name) for name in chosen}, key=lambda prefix: (len(prefix), prefix))
        branches = tuple(
            TextBranch({name.removeprefix(one): value for name, value in chosen.items() if _prefix(name) == one})
            for one in prefixes
        )
        return cls(branches, charge) if branches and all(len(branch.weights) == 6 for branch in branches) else None

    def vector(self, states: Float16[np.ndarray, "w e"]) -> Float[np.ndarray, " d"]:
        """The shortlist vector of a sentence of these states."""
        wide = states.astype(np.float32)
        vector = unit(np.concatenate([branch(wide) for branch in self._branches]))
        return vector if self._charge is None else self._charge(vector)


def _prefix(name: str) -> str:
    """What stands before the name that a weight has in its branch."""
    parts = name.split(".")
    return f"{parts[0]}.{parts[1]}." if parts[0] == "branches" else ""
