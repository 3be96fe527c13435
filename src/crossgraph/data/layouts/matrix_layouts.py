"""Which variable of a matrix file is what: known releases, and what a person says of any other.

A person says it beside the file, in NAME.toml for NAME.mat or matrices.toml in a folder, or in the corpus text:

    label_names = ["cat", "dog"]      matrices:my.npz?train.images=A&train.texts=B&train.labels=C
    [train]
    images = "A"
    texts = "B"
    labels = "C"
    [test]
    ...

Without sections (`images`, `texts`, `labels` at the top) all items are in one set and splits are drawn by shares.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from crossgraph.config import merged
from crossgraph.data.assembly import NO_SPLIT
from crossgraph.data.layouts.matrix_files import Variable, described
from crossgraph.data.options import SourceOptions, valid_options
from crossgraph.data.shares import Shares
from crossgraph.errors import DataError


class Part(SourceOptions):
    """The variables of one split; `links` gives the row of its image for every text, where they are not in pairs."""

    images: str
    texts: str
    labels: str | None = None
    links: str | None = None


class MatrixOptions(Shares):
    """Which variables to read; nothing said: those of a known release."""

    val_share: float = Field(0.1, ge=0, lt=1, description="share of the training items kept for val, if there is none")
    images: str | None = Field(None, description="one row an image, of all items")
    texts: str | None = Field(None, description="one row a text, of all items")
    labels: str | None = Field(None, description="items x labels of 0 and 1, or a class number an item")
    links: str | None = Field(None, description="the image's row of each text, from 0; none: row by row")
    train: Part | None = None
    val: Part | None = None
    test: Part | None = None
    database: Part | None = None
    label_names: str | tuple[str, ...] | None = Field(None, description="names, or the variable that holds them")
    transposed: bool = Field(False, description="whether items are columns")
    kind: str | None = Field(None, description="what the features are called in a run; none: the variables' names")

    @field_validator("label_names", mode="before")
    @classmethod
    def _names_in_text(cls, value: Any) -> Any:
        return tuple(value.split(",")) if isinstance(value, str) and "," in value else value

    @property
    def parts(self) -> dict[str, Part]:
        """The variables by split; all items under `NO_SPLIT` where no split is named."""
        named = {"train": self.train, "val": self.val, "test": self.test, "database": self.database}
        found = {split: part for split, part in named.items() if part is not None}
        if self.images and self.texts:
            whole = Part(images=self.images, texts=self.texts, labels=self.labels, links=self.links)
            found = {NO_SPLIT: whole, **found}
        return found


KNOWN: Mapping[str, Mapping[str, Any]] = {
    "I_tr, T_tr, L_tr, I_te, T_te, L_te": {
        "train": {"images": "I_tr", "texts": "T_tr", "labels": "L_tr"},
        "test": {"images": "I_te", "texts": "T_te", "labels": "L_te"},
    },
    "Wikipedia (raw_features.mat with its lists)": {
        "train": {"images": "I_tr", "texts": "T_tr", "labels": "trainset_txt_img_cat.list"},
        "test": {"images": "I_te", "texts": "T_te", "labels": "testset_txt_img_cat.list"},
    },
    "DSCMR (train_img, train_txt, train_img_lab, test_...)": {
        "train": {"images": "train_img", "texts": "train_txt", "labels": "train_img_lab"},
        "test": {"images": "test_img", "texts": "test_txt", "labels": "test_img_lab"},
    },
    "DCMH (XAll, YAll, LAll)": {"images": "XAll", "texts": "YAll", "labels": "LAll"},
    "DCMH (FAll, YAll, LAll)": {"images": "FAll", "texts": "YAll", "labels": "LAll"},
    "DCMH (IAll, YAll, LAll)": {"images": "IAll", "texts": "YAll", "labels": "LAll"},
    "images, texts, labels": {"images": "images", "texts": "texts", "labels": "labels"},
    "train_images, train_texts, train_labels, test_...": {
        "train": {"images": "train_images", "texts": "train_texts", "labels": "train_labels"},
        "test": {"images": "test_images", "texts": "test_texts", "labels": "test_labels"},
    },
}
"""Release -> its variables; the first of which a file has all, and whose images are a matrix of numbers, is meant."""

OPTIONAL_NAMES = ("categories.list", "label_names")
"""Where label names are looked for when nothing says."""


def find_layout(path: Path, variables: Mapping[str, Variable], options: MatrixOptions) -> MatrixOptions:
    """The options with their parts filled in: as told, else as the TOML file beside says, else a known release's.

    Raises `DataError` with what there is, when none of these says it.
    """
    told = merged(_beside(path), options.model_dump(exclude_unset=True, mode="json"))
    if valid_options(MatrixOptions, told, spec=str(path)).parts:
        return valid_options(MatrixOptions, told, spec=str(path))
    for layout in KNOWN.values():
        candidate = valid_options(MatrixOptions, merged(layout, told), spec=str(path))
        if all(_is_there(part, variables) for part in candidate.parts.values()):
            names = candidate.label_names or next((name for name in OPTIONAL_NAMES if name in variables), None)
            return candidate.model_copy(update={"label_names": names})
    raise DataError(_unknown(path, variables))


def toml_beside(path: Path) -> Path:
    """Where a person says which variable of `path` is what."""
    return path / "matrices.toml" if path.is_dir() else path.with_suffix(".toml")


def _beside(path: Path) -> dict[str, Any]:
    file = toml_beside(path)
    try:
        return tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise DataError(f"{file}: cannot be read as TOML: {error}.") from error


def _is_there(part: Part, variables: Mapping[str, Variable]) -> bool:
    """Whether the variables are there and images are a matrix: IAll may be pixels, FAll is names in some releases."""
    needed = [part.images, part.texts, part.labels]
    if not all(name in variables for name in needed if name is not None):
        return False
    shape = variables[part.images].shape
    return shape is None or (len(shape) == 2 and min(shape) > 1)


def _unusable(variables: Mapping[str, Variable]) -> str:
    """Why no naming of variables can help, and what can; empty where it may."""
    shapes = {name: one.shape for name, one in variables.items() if ":" not in name and one.shape is not None}
    numbers = [name for name, shape in shapes.items() if len(shape) == 2 and min(shape) > 1]
    if len(numbers) > 1 or len(shapes) < len([name for name in variables if ":" not in name]):
        return ""
    regions = [name for name, shape in shapes.items() if len(shape) == 3]
    if regions:
        return (
            f"{', '.join(regions)} hold several rows an image. They are read as regions where each NAME_ims.npy has "
            "its sentences beside it in NAME_caps.txt, a line each (precomp); or save their mean over the second axis."
        )
    return (
        "fewer than two matrices of numbers, one for images and one for texts. Texts as text are read from index.mat "
        "with caption.mat (dchmt), or from a table of captions beside the pictures (captions.csv: image,caption)."
    )


def _unknown(path: Path, variables: Mapping[str, Variable]) -> str:
    unusable = _unusable(variables)
    if unusable:
        return f"{path} holds {described(variables)}: {unusable}"
    pixels = [name for name, one in variables.items() if one.shape and len(one.shape) == 4 and ":" not in name]
    if pixels:
        return (
            f"{path} holds {described(variables)}: {', '.join(pixels)} holds pixels; features are needed, one row an "
            "image. Compute them first, or save the pixels as files and give their folder. If another variable holds "
            f"features, name it: matrices:{path}?images=NAME&texts=NAME&labels=NAME."
        )
    return (
        f"{path} holds {described(variables)}: no known release's matrices. Known are {'; '.join(KNOWN)}. "
        f'Say which is which in {toml_beside(path)} (images = "A", texts = "B", labels = "C", or the same in '
        "sections [train] and [test]), or in the corpus text: matrices:PATH?images=A&texts=B&labels=C."
    )
