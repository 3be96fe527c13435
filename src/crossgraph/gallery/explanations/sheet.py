"""A canvas on which writing avoids writing, and sizes of words. Lengths are `FINE` times final pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from PIL import Image, ImageDraw, ImageFont

from crossgraph.gallery.explanations.arrows import FINE, Point, Rectangle, common_area


@dataclass
class Sheet:
    """A canvas and the places on it that are taken by writing."""

    image: Image.Image
    taken: list[Rectangle] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pen = ImageDraw.Draw(self.image, "RGBA")

    def free(self, size: Point, centres: Iterable[Point]) -> Rectangle:
        """The first of the places around `centres` that covers nothing, else the one that covers least; then taken."""
        width, height = size
        best, least = (0.0, 0.0, width, height), math.inf
        for x, y in centres:
            x = min(max(x, width / 2), max(self.image.width - width / 2, width / 2))
            y = min(max(y, height / 2), max(self.image.height - height / 2, height / 2))
            place = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            covered = sum(common_area(place, other) for other in self.taken)
            if covered < least:
                best, least = place, covered
            if covered == 0:
                break
        self.taken.append(best)
        return best


def text_width(text: str, size: int) -> float:
    """How wide the first 40 letters are in letters of that size."""
    return font_of(size).getlength(shortened(text, 40))


def words_size(predicate: str) -> Point:
    """The size of the words on an arrow."""
    return text_width(shortened(predicate), 15) + 10 * FINE, 22.0 * FINE


def font_of(size: int, *, fine: int = FINE) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font whose letters are `size` final pixels high, on a canvas of `fine` times those pixels."""
    return ImageFont.load_default(size * fine)


def shortened(text: str, letters: int = 26) -> str:
    """`text`, or as much of it as fits into so many letters, with an ellipsis."""
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def scaled(box: Rectangle, size: tuple[int, int]) -> Rectangle:
    """A box in [0, 1] in the pixels of a drawing of that size."""
    return box[0] * size[0], box[1] * size[1], box[2] * size[0], box[3] * size[1]
