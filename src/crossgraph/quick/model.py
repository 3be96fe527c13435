"""A cascade that reads sentences without torch, and loads all of itself once more than that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from jaxtyping import Float

from crossgraph.data.image_reader import PLAIN, ImageReader
from crossgraph.encoders.understanding import Understanding
from crossgraph.gallery.stages.cascade_manifest import CascadeManifest, Learned, Planes, planes_of
from crossgraph.gallery.stages.model import Coder, ImageEncodings, SearchModel
from crossgraph.progress import Progress
from crossgraph.quick.reading import QuickReader

if TYPE_CHECKING:
    from crossgraph.methods.contract import Method
    from crossgraph.types import Alignment, Encoded


class QuickModel:
    """The cascade in `folder`, of which `reader` is the text half and `load` gives the whole, once."""

    def __init__(
        self, folder: Path, manifest: CascadeManifest, reader: QuickReader, load: Callable[[], SearchModel]
    ) -> None:
        self._folder, self._manifest, self._reader, self._load = folder, manifest, reader, load

    @cached_property
    def whole(self) -> SearchModel:
        """The whole model."""
        return self._load()

    @property
    def fingerprint(self) -> str:
        """That of the cascade."""
        return self._manifest.fingerprint

    @property
    def blend(self) -> float:
        """The share of the shortlist's score that is added in re-ranking."""
        return self._manifest.blend

    @property
    def calibration(self) -> Mapping[str, Any]:
        """What was fitted to tell good answers from bad, by stage."""
        return self._manifest.calibration

    @cached_property
    def coder(self) -> Coder:
        """The planes of its codes."""
        assert isinstance(self._manifest.codes, Planes | Learned), "a reader is opened of no other cascade"
        return planes_of(self._folder, self._manifest.codes)

    @property
    def shortlist(self) -> SearchModel | None:
        """The run that makes the shortlist, if another re-ranks it."""
        dense = self._manifest.dense
        if self._manifest.rerank is None or dense is None:
            return None
        return cast(SearchModel, _Shortlist(self, dense.fingerprint))

    @property
    def method(self) -> Method:
        """The method of the last stage; loads the whole model."""
        return self.whole.method

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels that the model of the last stage learned from; loads the whole model."""
        return self.whole.label_names

    def text_vectors(self, sentences: Sequence[str]) -> Float[np.ndarray, "n d"]:
        """One shortlist vector per sentence."""
        return np.stack([self._reader.vector(sentence) for sentence in sentences])

    def understanding(self, text: str) -> Understanding:
        """What of a text is read and known."""
        return self._reader.understanding(text)

    def encode_image_files(
        self, paths: Sequence[Path], *, progress: Progress | None = None, reader: ImageReader = PLAIN
    ) -> ImageEncodings:
        """The pictures that could be read, by the whole model."""
        return self.whole.encode_image_files(paths, progress=progress, reader=reader)

    def encode_raw_texts(self, sentences: Sequence[str]) -> Encoded:
        """One row per sentence, by the whole model."""
        return self.whole.encode_raw_texts(sentences)

    def explain(self, sentence: str, path: Path) -> Alignment:
        """Why a picture and a sentence match, by the whole model."""
        return self.whole.explain(sentence, path)


class _Shortlist:
    """The run that makes the shortlist of a `QuickModel`: its fingerprint is known, all else is the whole model's."""

    def __init__(self, owner: QuickModel, fingerprint: str) -> None:
        self.fingerprint, self._owner = fingerprint, owner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._owner.whole.shortlist, name)
