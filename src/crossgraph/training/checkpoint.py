"""A run on disk: weights and state as safetensors, everything else as JSON; no pickle.

    RUN/manifest.json       what the run is: settings, encoders, data fingerprint, seed, metrics, versions, git state
    RUN/weights.safetensors the selected weights (best in validation), with their epoch and metrics
    RUN/last.safetensors    where training stands: weights, optimiser, averages, random state; one file, so that it
                            is whole or absent whatever happens
    RUN/log.jsonl           one line a step and one an epoch
    RUN/shortlist/          the run that finds candidates for a re-ranker, if any

Every file is written under another name and renamed, so a kill leaves the old or the new one.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from crossgraph.errors import ModelError
from crossgraph.files import write_atomically

FORMAT = 1
MANIFEST, WEIGHTS, LAST, LOG = "manifest.json", "weights.safetensors", "last.safetensors", "log.jsonl"


def write_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Tensors and JSON facts as one safetensors file."""
    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, save(ready, metadata={"facts": json.dumps(facts)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `write_tensors` wrote; raises `ModelError` when the file is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get("facts", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118
    except FileNotFoundError as error:
        raise ModelError(f"{path} is missing; the run was not trained to its first validation. Train it.") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path} is damaged ({error}); restore it or train the run again.") from error


def load_weights(method: nn.Module, tensors: Mapping[str, Tensor], *, run: Path) -> None:
    """Put `tensors` into `method`; raises `ModelError` where names or sizes are not the method's of today."""
    wanted = {name: tensor.shape for name, tensor in method.state_dict().items()}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if found != wanted:
        odd = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise ModelError(
            f"the weights in {run} were made by another version of this program: {len(odd)} of {len(wanted)} do not "
            f"fit the method as it is now, the first is {odd[0]!r}. Train again into another folder."
        )
    method.load_state_dict(dict(tensors))


def read_manifest(run: Path) -> dict[str, Any]:
    """A run's manifest; raises `ModelError` when `run` is not a run or of another format."""
    path = run / MANIFEST
    try:
        manifest: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(
            f"{run} is not a trained run: it has no {MANIFEST}. Give the folder that `crossgraph train --out` wrote."
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError, OSError) as error:
        raise ModelError(f"{path} cannot be read: {error}.") from error
    written = manifest.get("format") if isinstance(manifest, dict) else None
    if written != FORMAT:
        raise ModelError(f"{path} has format {written!r}; this version reads format {FORMAT}.")
    return dict(manifest)


def write_manifest(run: Path, manifest: Mapping[str, Any]) -> None:
    """Replace a run's manifest."""
    run.mkdir(parents=True, exist_ok=True)
    write_atomically(run / MANIFEST, json.dumps({"format": FORMAT, **manifest}, indent=2).encode())


def weights_fingerprint(run: Path) -> str:
    """A hash of the selected weights: equal weights, equal fingerprint."""
    digest = hashlib.sha256()
    with (run / WEIGHTS).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Position:
    """Where training stands: so many steps of so many epochs are done, and the best validation so far."""

    epoch: int = 0
    step: int = 0
    steps_done: int = 0
    best: float | None = None


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's per-parameter state as flat named tensors."""
    return {
        f"optimiser.{index}.{name}": torch.as_tensor(value)
        for index, state in optimiser.state_dict()["state"].items()
        for name, value in state.items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimiser_tensors` took; the parameter groups stay as they are."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, index, name = key.split(".", 2)
            state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def environment() -> dict[str, Any]:
    """Versions, threads and the state of the source, for the manifest."""
    return {
        "crossgraph": importlib.metadata.version("crossgraph"),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "git": _git_state(),
    }


def _git_state() -> dict[str, Any] | None:
    """The commit of the source tree and whether it was changed; none for an installed package."""
    here = Path(__file__).resolve().parent
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
        status = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "changed": bool(status)}
