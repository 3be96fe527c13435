"""Which words and regions a score of whole vectors rests on: each is taken out of what the encoders read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from PIL import Image, ImageStat

from crossgraph.encoders.image import Boxes, ImageEncoder
from crossgraph.encoders.text import TextEncoder
from crossgraph.layers.occlusion import explain_by_occlusion
from crossgraph.methods.contract import Method
from crossgraph.types import Alignment, ImageBatch, TextBatch
from crossgraph.words import WORD, normalise


def explain_by_inputs(
    method: Method,
    images: ImageBatch,
    texts: TextBatch,
    *,
    picture: Image.Image,
    sentence: str,
    image_encoder: ImageEncoder,
    text_encoder: TextEncoder,
) -> Alignment:
    """The alignment of `explain_by_occlusion` for a method that reads whole vectors alone.

    `images` and `texts` are the features of the one picture and sentence. The encoders read the picture once without
    each of its regions, and the sentence once without each of its words.
    """
    device = images.whole.device
    seen = image_encoder.encode([picture, *_without_each_region(picture, images.boxes[0].cpu().numpy())])
    read = text_encoder.encode([sentence, *_without_each_word(sentence, texts.words[0])])
    wholes = torch.stack([torch.from_numpy(one.whole) for one in seen]).float().to(device)
    told = torch.stack([torch.from_numpy(one.whole) for one in read if one.whole is not None]).float().to(device)
    found = explain_by_occlusion(
        images,
        texts,
        encode_images=lambda rows: method.soft_images(replace(rows, whole=wholes)),
        encode_texts=lambda rows: method.soft_texts(replace(rows, whole=told)),
        score=method.score,
    )
    return replace(found, score=float(method.score(method.encode_images(images), method.encode_texts(texts))[0, 0]))


def _without_each_region(picture: Image.Image, boxes: Boxes) -> list[Image.Image]:
    """The picture with each region painted over in its mean colour."""
    picture = picture.convert("RGB")
    mean = tuple(round(value) for value in ImageStat.Stat(picture).mean)
    found = []
    for x1, y1, x2, y2 in boxes.tolist():
        painted = picture.copy()
        corners = (x1 * picture.width, y1 * picture.height, x2 * picture.width, y2 * picture.height)
        left, top, right, bottom = map(round, corners)
        painted.paste(mean, (left, top, max(right, left + 1), max(bottom, top + 1)))
        found.append(painted)
    return found


def _without_each_word(sentence: str, words: Sequence[str]) -> list[str]:
    """The sentence without each of `words`, which come in its order; as it is for one that it does not have."""
    text = normalise(sentence)
    matches = iter(list(WORD.finditer(text)))
    found = []
    for word in words:
        match = next((one for one in matches if one.group().lower() == word), None)
        found.append(text if match is None else text[: match.start()] + text[match.end() :])
    return found
