"""A run on disk: weights and state as safetensors, everything else as JSON; no pickle.

    RUN/manifest.json       what the run is: settings, encoders, data fingerprint, seed, metrics, versions, git state
    RUN/weights.safetensors the selected weights (best in validation), with their epoch and metrics
    RUN/last.safetensors    where training stands: weights, optimiser, averages, random state; one file, so that it
                            is whole or absent whatever happens
    RUN/log.jsonl           one line a step and one an epoch
    RUN/shortlist/          the run that finds candidates for a re-ranker, if any
    RUN/languages/          languages besides English that its sentences may be in, if any were taught
    RUN/.lock               held by the one process that trains into the folder

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
from typing import Any, Final, Literal

import torch
from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from crossgraph.config import RunConfig, differing, validated
from crossgraph.data.splits import HeldOut
from crossgraph.encoders.tuned import require_own_weights
from crossgraph.errors import ConfigError, ModelError
from crossgraph.files import content_hash, write_atomically
from crossgraph.methods.contract import InputSizes

FORMAT: Final = 2
HINTS = (
    ("config", "images", "encoder"),
    ("config", "images", "regions"),
    ("config", "texts", "encoder"),
    ("config", "training", "teachers"),
    ("text_encoder", "name"),
    ("text_encoder", "folder"),
)
"""Where in a manifest encoders and runs stand as they were typed: fingerprints beside them say which they are."""

INDIFFERENT = {"format", "places", "started", "environment", "selected", "weights", "blend", "calibration"}
"""What of a manifest does not decide the outcome of its run."""

MANIFEST, WEIGHTS, LAST, LOG = "manifest.json", "weights.safetensors", "last.safetensors", "log.jsonl"


def write_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any], *, sealed: bool = False) -> None:
    """Tensors and JSON facts as one safetensors file; `sealed` with a hash of both, for a file that no other knows."""
    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    told = {**facts, "seal": _seal(ready, facts)} if sealed else facts
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, save(ready, metadata={"facts": json.dumps(told)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `write_tensors` wrote; raises `ModelError` when the file is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            facts: dict[str, Any] = json.loads((file.metadata() or {}).get("facts", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise _missing(path) from error
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path} is damaged ({error}); restore it or train the run again.") from error
    seal = facts.pop("seal", None)
    if seal is not None and (found := _seal(tensors, facts)) != seal:
        raise ModelError(
            f"{path} is damaged (its content has hash {found}, and was written with {seal}); restore it or train the "
            "run again."
        )
    return tensors, facts


def _missing(path: Path) -> ModelError:
    return ModelError(f"{path} is missing; the run was not trained to its first validation. Train it.")


def _seal(tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> str:
    """A hash of contiguous tensors on the processor, and of the facts beside them."""
    digest = hashlib.sha256(json.dumps(facts).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def load_weights(method: nn.Module, tensors: Mapping[str, Tensor], *, run: Path) -> None:
    """Put `tensors` into `method`; raises `ModelError` where names or sizes are not the method's of today."""
    wanted = {name: tensor.shape for name, tensor in method.state_dict().items()}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if found != wanted:
        names = wanted.keys() | found.keys()
        odd = sorted(name for name in names if wanted.get(name) != found.get(name))
        raise ModelError(
            f"the weights in {run} were made by another version of this program: {len(odd)} of {len(names)} do not "
            f"fit the method as it is now, the first is {odd[0]!r}. Train again into another folder."
        )
    method.load_state_dict(dict(tensors))


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")


class DataFacts(_Section):
    """What a run was trained on and selected by."""

    name: str
    fingerprint: str
    train_images: int
    train_captions: int
    validation_split: str
    held_out: HeldOut | None = None
    """The rule by which the validation split was held out, where the source has none."""
    left_out: tuple[str, ...] = ()
    """Names of labels that were kept from training."""
    scripts: dict[str, float] = {}
    """The share of training captions that have letters of each script; empty where they were not counted."""
    skipped: tuple[tuple[str, str], ...] = ()
    """Files that could not be read, with reasons."""


class Blend(_Section):
    """The share of the shortlist's score that is added in re-ranking, and the rSum that each share gave."""

    chosen: float
    validation_rsum: dict[float, float]


class Place(_Section):
    """Where a file or folder of the user's lies: whole, and as seen from the run, which may move with it."""

    path: str
    from_run: str


class RunManifest(_Section):
    """What a run is. The first part decides its outcome and is complete before the first step; the rest comes of it."""

    format: Literal[2] = FORMAT
    config: RunConfig
    sizes: InputSizes
    image_encoder: str
    """The fingerprint of the picture encoder."""
    text_encoder: dict[str, Any]
    """What `build_text_encoder` needs."""
    data: DataFacts
    shortlist: str | None = None
    """The fingerprint of the shortlist model, if there is one."""
    teachers: tuple[str, ...] = ()
    """The fingerprints of the runs that taught this one."""
    regions: str | None = None
    """A hash of the file of supplied regions, if there is one."""
    places: dict[str, Place] = {}
    """Where encoders lie (`places`): hints, which decide nothing."""
    given: dict[str, Any] | None = None
    """Kind and widths of given features; None for pictures and sentences."""
    labels: dict[str, Any] | None = None
    """What the labels are that were learned from, if any were."""
    parser: str | None = None
    """The fingerprint of the caption parser, for a method that reads scene graphs."""
    parameters: int

    started: str
    environment: dict[str, Any]
    selected: dict[str, int | float] | None = None
    """The selected epoch and its metrics, once training is done."""
    weights: str | None = None
    blend: Blend | None = None
    calibration: dict[str, Any] = {}
    """What tells good answers from bad, by stage (`gallery.search.score_calibration`)."""

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides the outcome: a run may be resumed only where it is the same."""
        return _hashed(self._decides())

    def former_fingerprint(self, began: RunManifest) -> str:
        """The fingerprint with which the run was saved while the folder of the data counted, which `began` names."""
        decides, theirs = self._decides(), began.data.model_dump(mode="json")
        decides["data"]["name"] = theirs["name"]
        if decides["data"]["skipped"] == began._decides()["data"]["skipped"]:
            decides["data"]["skipped"] = theirs["skipped"]
        return _hashed(decides)

    def differences(self, began: RunManifest) -> list[str]:
        """What decides the outcome and is not as in `began`, each with both values."""
        was, now = began._decides(), self._decides()
        found = differing(was.pop("config"), now.pop("config"))
        if began.weights is not None:  # then it names the networks as the run has trained them
            trained = {"image_encoder": self.config.images.trainable, "text_encoder": self.config.texts.trainable}
            was, now = ({key: value for key, value in one.items() if not trained.get(key)} for one in (was, now))
        return found + differing(was, now)

    def _decides(self) -> dict[str, Any]:
        """What decides the outcome, less what encoders were called and the folder that the data were in."""
        decides = self.model_dump(mode="json", exclude=INDIFFERENT)
        for *sections, name in HINTS:
            section = decides
            for part in sections:
                section = section[part]
            if name in section:
                section[name] = None
        del decides["data"]["name"]
        decides["data"]["skipped"] = [[Path(path).name, reason] for path, reason in decides["data"]["skipped"]]
        return decides


def _hashed(tree: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:16]


def read_manifest(run: Path) -> RunManifest:
    """A run's manifest; raises `ModelError` when `run` is not a run or of another format."""
    path = run / MANIFEST
    try:
        tree: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{run} is not a trained run: it has no {MANIFEST}. {_what_to_give(run)}") from error
    except (json.JSONDecodeError, UnicodeDecodeError, OSError) as error:
        raise ModelError(f"{path} cannot be read: {error}.") from error
    written = tree.get("format") if isinstance(tree, dict) else None
    if written != FORMAT:
        raise ModelError(
            f"{path} has format {written!r}; this version reads format {FORMAT}. Train the run again, into another "
            "folder."
        )
    try:
        return validated(RunManifest, tree)
    except ConfigError as error:
        raise ModelError(f"{path} is not as it was written: {error}") from error


def _what_to_give(folder: Path) -> str:
    if (folder / "config.json").is_file():
        return f"It looks like a pretrained model; make a run of it: crossgraph pretrained {folder} --out RUN."
    return "Give the folder that `crossgraph train --out` wrote."


def write_manifest(run: Path, manifest: RunManifest) -> None:
    """Replace a run's manifest."""
    run.mkdir(parents=True, exist_ok=True)
    write_atomically(run / MANIFEST, manifest.model_dump_json(indent=2).encode())


def weights_fingerprint(run: Path) -> str:
    """A hash of the selected weights: equal weights, equal fingerprint."""
    return content_hash(run / WEIGHTS)


def own_weights(run: Path, manifest: RunManifest) -> str:
    """The hash of the selected weights; raises `ModelError` where there are none, or not those of the manifest."""
    try:
        return require_own_weights(run, manifest.weights)
    except FileNotFoundError as error:
        raise _missing(run / WEIGHTS) from error


def run_fingerprint(run: Path) -> str:
    """What the encodings of a run hang on: the hash of its weights, with that of the languages it was taught, if any.

    Empty where there are no weights yet.
    """
    if not (run / WEIGHTS).exists():
        return ""
    return fingerprint_of(weights_fingerprint(run), read_manifest(run))


def fingerprint_of(weights: str, manifest: RunManifest) -> str:
    """The `run_fingerprint` of a run whose weights have this hash."""
    texts = manifest.text_encoder
    if "languages" not in texts:
        return weights
    return hashlib.sha256(f"{weights} {texts['fingerprint']}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Position:
    """Where training stands: so many steps of so many epochs are done, and the best validation so far."""

    epoch: int = 0
    step: int = 0
    steps_done: int = 0
    best: float | None = None


def forget_after(log: Path, position: Position) -> None:
    """Drop the log lines of steps that were taken after the last save and will be taken again."""
    kept = []
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:  # a line cut short by a kill
            continue
        known = entry.get("step", 0) <= position.steps_done
        if known and entry.get("validation", {}).get("epoch", 0) <= position.epoch:
            kept.append(line)
    write_atomically(log, "".join(f"{line}\n" for line in kept).encode())


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
