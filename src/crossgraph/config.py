"""Settings of a run: typed, commented, read from TOML, changed with `--set a.b=c`. Unknown keys are errors.

method = "kidrr"
[images]    which picture encoder, at what size, how many cells
[texts]     which sentence encoder
[labels]    the corpus's own labels, or concepts derived from captions
[training]  batches, learning rate, schedule, selection
[model]     the method's own settings (see `crossgraph methods show NAME`)
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crossgraph.errors import ConfigError, unknown_name

Settings = TypeVar("Settings", bound=BaseModel)

LONG = 100
"""Characters from which on a value is not told in a message."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ImagesConfig(_Section):
    """How pictures become numbers."""

    encoder: str = Field(
        "efficientnet-lite0", description="efficientnet-lite0|1|2, a model folder, hf:owner/model, or a run"
    )
    size: int | None = Field(None, ge=32, description="pixels a side; none: the encoder's own")
    cells: tuple[int, ...] = Field((5,), description="grid cells a side, one number per scale")
    regions: str | None = Field(
        None, description="graph file with a detector's boxes: parts of the pictures it names; others have cells"
    )
    trainable: bool = Field(
        False, description="train the picture network too, from pixels in the place of cached features"
    )
    rate: float = Field(0.3, gt=0, description="where it is trained: its multiple of training.learning_rate")
    rate_decay: float = Field(1.0, gt=0, le=1, description="each of its layers has this multiple of the rate above it")
    from_block: int = Field(
        0, ge=0, description="train it from this block on; what comes into the block is computed once and cached"
    )
    beside: bool = Field(
        False, description="the features of the network as it came stand beside those of the trained one (from_block)"
    )
    crops: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (), description="train on random squares of so many cells a side of what comes into from_block, one a step"
    )
    uncropped: float = Field(0.15, ge=0, le=1, description="share of the epochs, the last ones, without crops")
    mirror: bool = Field(False, description="also train on mirrored pictures (never where captions say left or right)")
    turned: tuple[str, ...] = Field(
        (), description="names of sources of pictures that have no up (aerial ones): train on them turned by quarters"
    )


class TextsConfig(_Section):
    """How sentences become numbers."""

    encoder: str = Field(
        "words",
        description="words (learned vectors), minilm, a model folder, hf:owner/model, or images: the text side of the "
        "model that images.encoder names",
    )
    min_count: int = Field(2, ge=1, description="rarer words of the training captions become unknown")
    max_words: int = Field(40, ge=1, description="longer captions are cut; a two-tower model has its own limit")
    trainable: bool = Field(False, description="train the upper layers of a BERT (minilm) too")
    from_layer: int = Field(
        4,
        ge=0,
        description="train them from this one on, counted from 0; what comes into it is computed once and cached",
    )
    rate: float = Field(0.05, gt=0, description="where they are trained: their multiple of training.learning_rate")
    rate_decay: float = Field(1.0, gt=0, le=1, description="each of them has this multiple of the rate above it")


class LabelsConfig(_Section):
    """Where labels come from, for methods that learn from labels."""

    source: Literal["given", "concepts"] = Field(
        "given",
        description="the corpus's own, or concepts derived from the training captions (names, and who does what)",
    )
    count: int = Field(64, ge=2, description="so many most frequent concepts")
    least: float = Field(0.005, ge=0, le=1, description="smallest share of training pictures a concept is named for")
    most: float = Field(0.5, gt=0, le=1, description="largest share; what nearly every picture has tells nothing")
    agree: int = Field(1, ge=1, description="so many captions of a picture must name a concept")
    actions: bool = Field(True, description="also nouns with a verb (dog run), beside nouns")
    captions: int = Field(
        0,
        ge=0,
        description="so many sentences made of the labels of a training picture that has labels and no captions",
    )
    leave_out: str | None = Field(
        None, description='JSON file {"labels": [...], "scenes": [...]} of labels that training must not see'
    )


class TrainingConfig(_Section):
    """How a method is trained."""

    epochs: int = Field(20, ge=1, description="an epoch shows every caption once, but for a last lone picture")
    steps_per_epoch: int = Field(
        0, ge=0, description="an epoch is so many steps, and the next goes on from there; 0: every caption once"
    )
    shares: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict,
        description="of several sources, the weight of each by name in an epoch's steps; none: by their captions",
    )
    batch_size: int = Field(128, ge=2, description="different pictures a step")
    drop_tail: bool = Field(False, description="leave out an epoch's steps of fewer pictures than batch_size")
    captions_per_image: int = Field(2, ge=1, description="captions of a picture in one step")
    learning_rate: float = Field(1e-3, gt=0, le=1e6)
    weight_decay: float = Field(1e-4, ge=0)
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    step_at: float = Field(0.6, gt=0, le=1, description="share of the run after which `step` divides the rate by 10")
    warmup_steps: int = Field(200, ge=0, description="steps over which the rate rises from 0")
    clip: float = Field(2.0, gt=0, description="largest gradient norm")
    hardness_epochs: float = Field(1.0, ge=0, description="epochs from the mean over negatives to the hardest one")
    average: float = Field(0.0, ge=0, lt=1, description="decay of the running average of weights that is kept; 0: off")
    teachers: tuple[str, ...] = Field(
        (), description="finished runs whose cosines are soft targets (model.teacher_share says how much they count)"
    )
    teacher_candidates: int = Field(
        0,
        ge=0,
        description="teachers that re-rank score each caption with its own picture and so many others of the batch, "
        "the nearest by their embeddings; 0: they give cosines",
    )
    neighbours: int = Field(0, ge=0, description="batches of look-alikes: pick among so many neighbours; 0: random")
    validation_split: str = Field(
        "val", description="split to select epochs by; a tenth of the training pictures where a source has none"
    )
    validation_slice: float = Field(
        0.0, ge=0, lt=1, description="share of the training pictures held out to select by; 0: select by the split"
    )
    select_by: Literal["rsum", "map"] = Field(
        "rsum", description="what selects the epoch: recall of captions, or mAP by labels"
    )
    select_source: str = Field("", description="of several sources, the one to select epochs by; none: all")
    validation_shortlist: int = Field(50, ge=1, description="candidates a query when a re-ranker is validated")
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="of what encodes and scores in training; bfloat16 pays on devices that compute in it"
    )
    seed: int = Field(0, ge=0, lt=2**63)
    save_seconds: float = Field(120.0, ge=0, description="seconds between saves inside an epoch")


class RunConfig(_Section):
    """Everything a training run is made from, besides the data."""

    method: str = "dual_encoder"
    images: ImagesConfig = ImagesConfig()
    texts: TextsConfig = TextsConfig()
    labels: LabelsConfig = LabelsConfig()
    training: TrainingConfig = TrainingConfig()
    model: dict[str, Any] = Field(default_factory=dict)


def read_config(
    path: Path | None, *, changes: Sequence[str] = (), defaults: Mapping[str, Any] | None = None
) -> RunConfig:
    """A run's settings: `defaults`, then the TOML file, then each `a.b=value` of `changes`, in order."""
    tree: dict[str, Any] = merged({}, defaults or {})
    if path is not None:
        tree = merged(tree, read_toml(path))
    for change in changes:
        tree = merged(tree, parse_change(change))
    return validated(RunConfig, tree)


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as a tree; errors name the file, the line and the problem."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"no config file {path}; give an existing TOML file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path} cannot be read as TOML: {error}.") from error


def parse_change(change: str) -> dict[str, Any]:
    """`a.b=value` as a tree; the value is read as TOML, and as plain text where it is not TOML."""
    key, sign, text = change.partition("=")
    names = [name.strip() for name in key.split(".")]
    if not sign or not all(names):
        raise ConfigError(f"--set {change!r} is not of the form section.key=value, for example training.epochs=5.")
    try:
        value: Any = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    for name in reversed(names):
        value = {name: value}
    tree: dict[str, Any] = value
    return tree


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `over` laid on top, section by section; neither is changed."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result


def differing(was: Mapping[str, Any], now: Mapping[str, Any], *, section: str = "") -> list[str]:
    """What differs in two trees of JSON, with both values: `training.epochs 20, now 5`; long ones are only named."""
    found: list[str] = []
    for key in dict.fromkeys([*was, *now]):
        one, other, name = was.get(key), now.get(key), f"{section}{key}"
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found += differing(one, other, section=f"{name}.")
        elif one != other:
            texts = ["none" if value is None else json.dumps(value, ensure_ascii=False) for value in (one, other)]
            long = max(map(len, texts)) > LONG
            found.append(f"{name} differs" if long else f"{name} {texts[0]}, now {texts[1]}")
    return found


def validated(kind: type[Settings], tree: Mapping[str, Any], *, section: str = "") -> Settings:
    """`tree` as settings of `kind`; raises `ConfigError` with every problem, and the nearest known key."""
    try:
        return kind.model_validate(dict(tree))
    except ValidationError as error:
        problems = [_problem(kind, item, section) for item in error.errors()]
        raise ConfigError("the settings do not fit:\n" + "\n".join(f"  {problem}" for problem in problems)) from error


def _problem(kind: type[BaseModel], item: Any, section: str) -> str:
    path = [*([section] if section else []), *(str(part) for part in item["loc"])]
    where = ".".join(path)
    if item["type"] == "extra_forbidden":
        return unknown_name("setting", where, _known_keys(kind, item["loc"][:-1], section))
    return f"{where}: {item['msg']} (got {item['input']!r})"


def _known_keys(kind: type[BaseModel], path: Sequence[Any], section: str) -> list[str]:
    prefix = [section] if section else []
    for name in path:
        annotation = kind.model_fields[str(name)].annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            kind = annotation
            prefix.append(str(name))
    return [".".join([*prefix, field]) for field in kind.model_fields]
