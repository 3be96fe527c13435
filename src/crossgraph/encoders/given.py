"""Stand-ins for encoders where a run was trained on given features: they know widths, and refuse to read anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from PIL import Image

from crossgraph.encoders.fingerprint import encoder_fingerprint
from crossgraph.encoders.image import ImageEncoder, ImageFeatures
from crossgraph.encoders.text import TextEncoder, TextFeatures
from crossgraph.errors import ConfigError, ModelError


class GivenImageEncoder(ImageEncoder):
    """Images are rows of a matrix of this kind and width already."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        self.name = "given"
        self.part_width = self.whole_width = int(description["image_width"])
        self.kind = str(description["kind"])
        settings = {"kind": self.kind, "width": self.part_width, "side": "images"}
        self.fingerprint = f"given-{encoder_fingerprint(self.name, settings)}"

    def encode(self, images: Sequence[Image.Image]) -> list[ImageFeatures]:
        """Never: raises `ModelError`."""
        _refuse("a picture", self.kind, self.part_width)


class GivenTextEncoder(TextEncoder):
    """Texts are rows of a matrix of this kind and width already."""

    reads_sentences = False

    def __init__(self, description: Mapping[str, Any]) -> None:
        if not {"of", "width"} <= set(description):
            raise ConfigError(f"a text encoder of kind 'given' needs 'of' and 'width', got {sorted(description)}.")
        self.name = "given"
        self.kind = str(description["of"])
        self.vocabulary_size, self.state_width = 0, int(description["width"])
        self.whole_width = self.state_width
        self.max_words = 1
        settings = {"kind": self.kind, "width": self.state_width, "side": "texts"}
        self.fingerprint = f"given-{encoder_fingerprint(self.name, settings)}"

    def encode(self, captions: Sequence[str]) -> list[TextFeatures]:
        """Never: raises `ModelError`."""
        _refuse("a sentence", self.kind, self.state_width)

    def describe(self) -> dict[str, object]:
        """What the rows are and how wide."""
        return {"kind": "given", "of": self.kind, "width": self.state_width, "fingerprint": self.fingerprint}


def _refuse(what: str, kind: str, width: int) -> NoReturn:
    raise ModelError(
        f"this model was trained on given features ({kind}, {width} numbers each) and cannot read {what}. It can be "
        "evaluated on a corpus with such features; to index and search folders, train on pictures and captions."
    )
