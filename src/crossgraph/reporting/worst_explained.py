"""Why a query went wrong: how a model sees it with its right answer, and with the wrong one that came first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from crossgraph.data.images import read_image
from crossgraph.encoders.names import model_folder
from crossgraph.errors import ConfigError, CrossgraphError, ModelError
from crossgraph.evaluation.worst import Item
from crossgraph.gallery.explanations.code_match import explain_pair
from crossgraph.gallery.explanations.explain import alignment_to_json, draw_alignment
from crossgraph.gallery.stages.cascade_manifest import CascadeManifest, is_cascade
from crossgraph.gallery.stages.model import SearchModel
from crossgraph.reporting.evaluations import FOLDER, StoredEvaluation, WorstCase
from crossgraph.reporting.runs import RunSummary
from crossgraph.training.checkpoint import run_fingerprint
from crossgraph.types import Alignment


@dataclass(frozen=True)
class PairExplained:
    """A sentence and a picture with their alignment. `path` is the picture's file."""

    sentence: str
    image: str
    path: Path
    alignment: Alignment

    @property
    def name(self) -> str:
        """The picture's id without the folders it lies in."""
        return self.image.rsplit("/", 1)[-1]

    def drawing(self) -> Image.Image:
        """The picture with the alignment drawn over. Raises `ImageError` where it cannot be read."""
        return draw_alignment(read_image(self.path), self.alignment)

    def to_json(self, *, show_paths: bool = False) -> dict[str, Any]:
        """As plain values; where the picture lies only with `show_paths`."""
        told: dict[str, Any] = {"sentence": self.sentence, "image": self.image if show_paths else self.name}
        if show_paths:
            told["path"] = str(self.path)
        return {**told, "alignment": alignment_to_json(self.alignment)}


@dataclass(frozen=True)
class WorstExplained:
    """One of the worst queries with both explanations; `wrong` is None where nothing wrong came before."""

    case: WorstCase
    right: PairExplained
    wrong: PairExplained | None

    def to_json(self, *, show_paths: bool = False) -> dict[str, Any]:
        """As plain values."""
        return {
            "number": self.case.number,
            "direction": self.case.direction,
            "right": self.right.to_json(show_paths=show_paths),
            "wrong": None if self.wrong is None else self.wrong.to_json(show_paths=show_paths),
        }


def worst_case(evaluation: StoredEvaluation, number: int) -> WorstCase:
    """The worst query of that number. Raises `ConfigError` where there is none."""
    cases = evaluation.cases
    if not 0 <= number < len(cases):
        known = f"0 to {len(cases) - 1}" if cases else "none: it was made without worst queries"
        raise ConfigError(f"unknown worst query {number} of evaluation {evaluation.id}. Known: {known}.")
    return cases[number]


def model_of_case(evaluation: StoredEvaluation, case: WorstCase, runs: Iterable[RunSummary] = ()) -> Path:
    """The folder of the run or cascade that answered: beside the file, where it was, or among `runs`.

    It counts by its fingerprint alone. Raises `ModelError` where it is nowhere.
    """
    wanted = evaluation.record.models[case.model]
    places = [evaluation.file.parent.parent] if evaluation.file.parent.name == FOLDER else []
    try:
        places.append(model_folder(wanted.run))
    except CrossgraphError:
        places.append(Path(wanted.run))
    for place in (*places, *(run.folder for run in runs)):
        if _fingerprint(place) == wanted.fingerprint:
            return place
    raise ModelError(
        f"the run that answered ({wanted.method}, seed {wanted.seed}, fingerprint {wanted.fingerprint}) is neither "
        f"where it was nor among the runs here; evaluate again, or put it back."
    )


def picture_of_case(case: WorstCase, answer: int | None = None) -> Path:
    """The picture of the query (of a caption that asks: the right one), or of its answer of that place, from 0.

    Raises `ConfigError` where there is no such answer, `ModelError` where there is no picture file.
    """
    query = case.query
    if answer is None:
        item = query.right.item if case.direction == "text_to_image" else query.query
    elif 0 <= answer < len(query.answers):
        item = query.answers[answer].item
    else:
        raise ConfigError(
            f"unknown answer {answer} of worst query {case.number}. Known: 0 to {len(query.answers) - 1}."
        )
    return _file(item)


def explain_worst(case: WorstCase, model: SearchModel) -> WorstExplained:
    """How `model` (that of `model_of_case`, loaded) sees the query with its right answer and with the first wrong one.

    Raises `ModelError` where the pictures are not files or are gone, `ImageError` where one cannot be read.
    """
    right = _explained(case, "right", model)
    assert right is not None  # every case has a right answer
    return WorstExplained(case, right, _explained(case, "wrong", model))


def _explained(case: WorstCase, which: Any, model: SearchModel) -> PairExplained | None:
    pair = case.pair(which)
    if pair is None:
        return None
    sentence, picture = pair
    if not sentence.strip():
        raise ModelError(f"picture {picture.name} has no sentence to explain.")
    path = _file(picture)
    return PairExplained(sentence, picture.image, path, explain_pair(model, sentence, path))


def _file(item: Item) -> Path:
    if not item.path:
        raise ModelError(f"{item.name} stands for given features; there is no picture to look at.")
    if not (path := Path(item.path)).is_file():
        raise ModelError(f"the file of picture {item.name} is gone; put it back where it was, or evaluate again.")
    return path


def _fingerprint(folder: Path) -> str:
    """What a run or cascade in `folder` is known by; empty where there is none that can be read."""
    try:
        return CascadeManifest.read(folder).fingerprint if is_cascade(folder) else run_fingerprint(folder)
    except (CrossgraphError, OSError):
        return ""
