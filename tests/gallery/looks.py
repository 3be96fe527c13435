"""Drawn pictures that look alike, or do not."""

import io
import random

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WORDS = (
    "stone",
    "moon",
    "bridge",
    "tree",
    "window",
    "paper",
    "letter",
    "music",
    "house",
    "winter",
    "bread",
    "river",
    "salt",
)


def photo(seed: int) -> Image.Image:
    """A random picture of many shades, coarse and fine."""
    drawn = np.random.default_rng(seed)
    total = np.zeros((240, 320, 3))
    for cells, strength in ((6, 0.5), (16, 0.3), (48, 0.2)):
        layer = Image.fromarray(drawn.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += strength * np.asarray(layer.resize((320, 240), Image.Resampling.BICUBIC))
    return Image.fromarray(total.astype(np.uint8))


def compressed(image: Image.Image, *, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


def scaled(image: Image.Image, *, by: float) -> Image.Image:
    return image.resize((round(image.width * by), round(image.height * by)), Image.Resampling.LANCZOS)


def lit(image: Image.Image, *, by: float) -> Image.Image:
    return image.point(lambda value: min(255, round(value * by)))


def frame(image: Image.Image, number: int) -> Image.Image:
    """One of a burst: a hand that is not still, and the noise of the sensor."""
    drawn = np.random.default_rng(number)
    left, top = drawn.integers(0, 3, 2)
    moved = np.asarray(image.crop((left, top, image.width - 2 + left, image.height - 2 + top)), np.float64)
    return Image.fromarray((moved + drawn.normal(0, 4, moved.shape)).clip(0, 255).astype(np.uint8))


def shirt(colour: str) -> Image.Image:
    """One shape in one colour."""
    image = Image.new("RGB", (160, 160), "#eeeeee")
    shape = [(15, 60), (40, 30), (65, 22), (80, 34), (95, 22), (120, 30), (145, 60), (117, 75), (117, 140), (44, 140)]
    ImageDraw.Draw(image).polygon([*shape, (44, 75)], fill=colour)
    return image


def page(seed: int) -> Image.Image:
    """A page full of words, in lines that lie where those of every page lie."""
    drawn, font = random.Random(seed), ImageFont.load_default(15)
    image = Image.new("L", (620, 877), 252)
    pen = ImageDraw.Draw(image)
    for line in range(30):
        text = " ".join(drawn.choice(WORDS) for _ in range(14))
        while pen.textlength(text, font=font) > 500:
            text = text.rpartition(" ")[0]
        pen.text((60, 60 + 25 * line), text, fill=15, font=font)
    return image
