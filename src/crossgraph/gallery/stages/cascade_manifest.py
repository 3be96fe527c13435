"""What a cascade says of itself: which part plays which role, blend and calibration."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crossgraph.errors import ModelError
from crossgraph.files import write_atomically
from crossgraph.gallery.stages.codes import LearnedPlanes, RandomPlanes

FILE = "cascade.json"
FORMAT = 1
RANDOM, LEARNED = "random:", "itq:"
Role: TypeAlias = Literal["codes", "dense", "rerank"]
ROLES: tuple[Role, ...] = ("codes", "dense", "rerank")


class Part(BaseModel):
    """A trained run in a role: its method, the fingerprint of its weights, and where it was copied from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    fingerprint: str
    source: str


class Planes(BaseModel):
    """Random planes in the role of codes (`gallery.stages.codes.RandomPlanes`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bits: int
    width: int
    seed: int
    fingerprint: str


class Learned(BaseModel):
    """Planes in the role of codes, learned of the vectors of a split (`gallery.stages.codes.LearnedPlanes`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bits: int
    width: int
    data: str
    split: str
    images: int
    captions: int
    fingerprint: str


CodePart: TypeAlias = Part | Planes | Learned
Explaining: TypeAlias = Literal["dense", "rerank"]


class CascadeManifest(BaseModel):
    """What a cascade is made of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    codes: CodePart | None = None
    dense: Part | None = None
    rerank: Part | None = None
    blend: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    explains: Explaining | None = None
    """The stage that says why a picture and a sentence match; none: the last."""
    calibration: dict[str, Any] = {}

    @property
    def fingerprint(self) -> str:
        """Changes with any part, not with blend or calibration, which change no encoding."""
        parts = {role: None if part is None else part.fingerprint for role, part in self.parts().items()}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def parts(self) -> dict[Role, CodePart | None]:
        """The part in each role."""
        return {"codes": self.codes, "dense": self.dense, "rerank": self.rerank}

    @classmethod
    def read(cls, folder: Path) -> CascadeManifest:
        """The manifest of the cascade in `folder`. Raises `ModelError` if there is none, or a damaged one."""
        try:
            found = cls.model_validate_json((folder / FILE).read_bytes())
        except FileNotFoundError:
            raise ModelError(
                f"{folder} is not a cascade: it has no {FILE}. Make one with "
                f"`crossgraph cascade build --out {folder} --dense RUN`."
            ) from None
        except (OSError, ValidationError) as error:
            raise ModelError(f"{folder / FILE} cannot be read: {error}. Build the cascade again.") from error
        if found.format != FORMAT:
            raise ModelError(f"{folder} has cascade format {found.format}, this version reads {FORMAT}. Build it anew.")
        return found

    def write(self, folder: Path) -> None:
        """Replace the manifest in `folder` at once."""
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / FILE, self.model_dump_json(indent=2).encode())


def is_cascade(folder: Path) -> bool:
    """Whether `folder` holds a cascade."""
    return (folder / FILE).is_file()


def planes_of(folder: Path, part: Planes | Learned) -> RandomPlanes | LearnedPlanes:
    """The planes of the cascade in `folder`. Raises `ModelError` for others than it was built with."""
    if isinstance(part, Planes):
        return RandomPlanes(part.bits, part.width, part.seed)
    planes = LearnedPlanes.read(folder / "codes")
    if planes.fingerprint != part.fingerprint:
        raise ModelError(
            f"{folder / 'codes'} has planes {planes.fingerprint}, but the cascade was built with {part.fingerprint}. "
            "Build it again."
        )
    return planes
