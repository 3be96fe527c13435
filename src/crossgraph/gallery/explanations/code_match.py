"""Which bits of two codes agree, and which labels are near them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from crossgraph.bits import unpack_array
from crossgraph.errors import ImageError
from crossgraph.gallery.stages.code_index import agreement, hamming
from crossgraph.gallery.stages.model import SearchModel, code_bits, encode_images_for_stages, encode_texts_for_stages
from crossgraph.gallery.stages.shortlist import best_first
from crossgraph.types import Alignment, CodeMatch, LabelMatch

LABELS = 5


def explain_pair(model: SearchModel, sentence: str, path: Path) -> Alignment:
    """Why a picture and a sentence match, by the last stage of `model`, with their codes if it has that stage.

    Raises `ImageError` for a picture that cannot be read.
    """
    alignment = model.explain(sentence, path)
    text = encode_texts_for_stages(model, [sentence])
    if text.codes is None:
        return alignment
    image, _, skipped = encode_images_for_stages(model, [path])
    if skipped or image.codes is None:
        raise ImageError(path, skipped[0].reason if skipped else "it has no code")
    names = label_names(model)
    labels = encode_texts_for_stages(model, names).codes if names else None
    bits = code_bits(model, text)
    return replace(alignment, code=code_match(image.codes[0], text.codes[0], bits, names=names, labels=labels))


def code_match(
    image: UInt8[np.ndarray, " bytes"],
    sentence: UInt8[np.ndarray, " bytes"],
    bits: int,
    *,
    names: tuple[str, ...] = (),
    labels: UInt8[np.ndarray, "c bytes"] | None = None,
) -> CodeMatch:
    """How two codes agree; `labels` are the codes of the names of labels, of which the nearest are told."""
    one, other = unpack_array(np.stack([image, sentence]), bits=bits)
    equal = one == other
    near: list[LabelMatch] = []
    if labels is not None:
        images, sentences = (agreement(hamming(labels, code), bits) for code in (image, sentence))
        for row in best_first(images + sentences)[:LABELS].tolist():
            near.append(LabelMatch(names[row], float(images[row]), float(sentences[row])))
    agreeing, differing = (tuple(which.nonzero()[0].tolist()) for which in (equal, ~equal))
    return CodeMatch(bits, agreeing, differing, tuple(near))


def label_names(model: SearchModel) -> tuple[str, ...]:
    """The names of the labels that the model behind the codes learned from; none if it learned from none."""
    return model.label_names if model.coder is None else model.coder.label_names
