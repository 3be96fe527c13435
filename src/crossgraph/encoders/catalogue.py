"""All encoders by name: which there are, and how one is built from a name or from a run's description of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossgraph.device import checked_device
from crossgraph.encoders.image import ImageEncoder
from crossgraph.encoders.names import resolve
from crossgraph.encoders.text import MAX_WORDS, MINILM, TextEncoder
from crossgraph.errors import ConfigError, ModelError, unknown_name

if TYPE_CHECKING:
    from torch import Tensor

    from crossgraph.encoders.backbone import Backbone


def build_image_encoder(
    name: str = "efficientnet-lite0",
    *,
    size: int | None = None,
    cells: Sequence[int] = (5,),
    device: str = "cpu",
    download: bool = True,
) -> ImageEncoder:
    """The frozen encoder called `name`: as `build_backbone` takes it, its features pooled to parts.

    `cells` are the sides of the part grids: (5, 2) gives 25 parts of a 5 x 5 grid, then 4 of a 2 x 2 grid.
    Raises as `build_backbone` does, and `ConfigError` for impossible cells or an unknown device.
    """
    place = str(checked_device(device))
    from crossgraph.encoders.backbone_encoder import BackboneEncoder

    if not cells or min(cells) < 1:
        raise ConfigError(f"cells must be one or more grid sides of at least 1, got {list(cells)}.")
    return BackboneEncoder(build_backbone(name, size=size, download=download), cells=cells, device=place)


def build_backbone(name: str = "efficientnet-lite0", *, size: int | None = None, download: bool = True) -> Backbone:
    """The image network called `name`, as it can be trained: one of `IMAGE_ENCODERS`, a Hugging Face vision model, or
    the network that a run trained, by the run's folder.

    `size` is the side in pixels at which pictures are read (by default the one the network was trained at); what a
    name may be is said in `names`. Raises `ConfigError` for an unknown name, `MissingExtraError` for absent weights,
    `ModelError` for unusable ones.
    """
    if size is not None and size < 32:
        raise ConfigError(f"image size must be at least 32 pixels, got {size}.")
    place = resolve(name, kind="image encoder", download=download)
    # Imported here because torch and transformers take seconds to import.
    if place.folder is None:
        from crossgraph.encoders.efficientnet import EfficientNetBackbone

        return EfficientNetBackbone(place.name, size=size)
    from crossgraph.encoders.tuned import is_run, load_tuned

    if is_run(place.folder):
        return load_tuned(place.folder, size=size)
    from crossgraph.encoders.transformer_image import TransformerBackbone

    return TransformerBackbone(place, size=size)


def build_text_encoder(
    description: Mapping[str, Any],
    *,
    device: str = "cpu",
    download: bool = True,
    tuned: Mapping[str, Tensor] | None = None,
) -> TextEncoder:
    """The encoder that `describe` described, or that a person asks for by `kind`.

    `{"kind": "vocabulary", "words": [...]}` or `{"kind": "transformer", "name": "minilm"}`, both with an optional
    `max_words`, `{"kind": "polyglot", "folder": "run/languages"}` for languages taught beside English (`polyglot`), or
    `{"kind": "given", "of": "I_tr, T_tr", "width": 10}` for given features. Raises `ConfigError` for
    anything else. If a `fingerprint` is given the encoder must have it: a run must not meet other weights than it was
    trained on, so a difference raises `ModelError`. `tuned` are weights of a transformer that a run trained.
    """
    # Imported here because transformers takes seconds to import.
    kind = description.get("kind")
    needed = {"vocabulary": "words", "transformer": "name", "given": "of", "polyglot": "folder"}
    if kind not in needed:
        raise ConfigError(unknown_name("kind of text encoder", str(kind), needed))
    if needed[kind] not in description:
        raise ConfigError(f"a text encoder of kind {kind!r} needs {needed[kind]!r}, got {sorted(description)}.")
    max_words = description.get("max_words", MAX_WORDS)
    if max_words < 1:
        raise ConfigError(f"max_words must be at least 1, got {max_words}.")
    encoder: TextEncoder
    if kind == "vocabulary":
        from crossgraph.encoders.vocabulary_text import VocabularyTextEncoder
        from crossgraph.words import Vocabulary

        encoder = VocabularyTextEncoder(Vocabulary(tuple(description["words"])), max_words=max_words)
    elif kind == "given":
        from crossgraph.encoders.given import GivenTextEncoder

        encoder = GivenTextEncoder(description)
    else:
        from crossgraph.encoders.transformer_text import TransformerTextEncoder

        place, name = str(checked_device(device)), description.get("name", MINILM)
        encoder = TransformerTextEncoder(name, max_words=max_words, device=place, download=download, tuned=tuned)
        if kind == "polyglot":
            from crossgraph.encoders.polyglot import PolyglotTextEncoder

            encoder = PolyglotTextEncoder(encoder, Path(description["folder"]), max_words=max_words, device=place)
    if (wanted := description.get("fingerprint", encoder.fingerprint)) != encoder.fingerprint:
        raise ModelError(
            f"the text encoder {encoder.name!r} is not the one described: its fingerprint is {encoder.fingerprint}, "
            f"expected {wanted}. Restore the weights it was described with, or train again."
        )
    return encoder
