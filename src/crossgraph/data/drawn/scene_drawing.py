"""Draw a planned scene: background, then each thing at its box, at twice the size and halved for smooth edges."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw

from crossgraph.data.drawn.scene_plans import Scene, Thing
from crossgraph.data.drawn.scene_shapes import SHAPES, Part

Colour = tuple[int, int, int]

PIXELS = 224
COLOUR_VALUES: dict[str, Colour] = {
    "red": (214, 34, 40),
    "green": (30, 150, 60),
    "blue": (40, 84, 214),
    "yellow": (250, 210, 24),
    "purple": (136, 48, 176),
    "orange": (246, 126, 20),
}
INK: Colour = (30, 30, 34)

_SCALE = 2
_STRIPE_PERIOD = 20
# Colour at the top and at the bottom of the picture, or of the part above and the part below the horizon.
_FADES: dict[str, tuple[Colour, Colour]] = {
    "white": ((250, 250, 248), (250, 250, 248)),
    "grey": ((186, 188, 190), (186, 188, 190)),
    "dark": ((52, 54, 62), (52, 54, 62)),
    "mist": ((170, 202, 232), (244, 248, 252)),
    "dusk": ((206, 186, 214), (250, 214, 206)),
    "speckled": ((212, 208, 200), (212, 208, 200)),
}
_HORIZONS: dict[str, tuple[Colour, Colour]] = {
    "meadow": ((204, 226, 244), (190, 214, 160)),
    "beach": ((196, 224, 238), (232, 220, 188)),
}
_HORIZON = 0.55
_GRAIN = {"speckled": 18.0, "meadow": 7.0, "beach": 7.0}


def draw_scene(scene: Scene) -> Image.Image:
    """The scene as a 224 x 224 RGB picture; equal scenes give equal pixels."""
    side = PIXELS * _SCALE
    canvas = _background(scene).resize((side, side), Image.Resampling.NEAREST)
    for thing in scene.things:
        left, top, right, bottom = (round(edge * side) for edge in thing.box)
        tile = _tile(thing, right - left, bottom - top)
        canvas.paste(tile, (left, top), tile)
    return canvas.reduce(_SCALE)


def _background(scene: Scene) -> Image.Image:
    height = np.linspace(0, 1, PIXELS)[:, None]
    if scene.background in _HORIZONS:
        above, below = _HORIZONS[scene.background]
        rows = np.where(height < _HORIZON, above, below).astype(np.float64)
    else:
        above, below = _FADES[scene.background]
        rows = np.asarray(above) * (1 - height) + np.asarray(below) * height
    pixels: NDArray[np.float64] = np.repeat(rows[:, None, :], PIXELS, axis=1)
    if scene.background in _GRAIN:
        noise = np.random.default_rng(scene.grain).standard_normal((PIXELS, PIXELS, 1))
        pixels = pixels + _GRAIN[scene.background] * noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _tile(thing: Thing, width: int, height: int) -> Image.Image:
    """The thing on a transparent ground."""
    shape, tones = SHAPES[thing.kind], _tones(COLOUR_VALUES[thing.colour])
    tile = Image.new("RGBA", (width, height))
    draw = ImageDraw.Draw(tile)
    for part in shape.body:
        _draw_part(draw, part, tones, width, height)
    if thing.texture == "striped":
        stripes = ImageChops.multiply(tile.getchannel("A"), _stripes(width, height))
        tile.paste((*tones["stripe"], 255), (0, 0), stripes)
    for part in shape.details:
        _draw_part(draw, part, tones, width, height)
    return tile


def _tones(colour: Colour) -> dict[str, Colour]:
    red, green, blue = colour
    return {
        "body": colour,
        "dark": (red * 66 // 100, green * 66 // 100, blue * 66 // 100),
        "light": (255 - (255 - red) * 40 // 100, 255 - (255 - green) * 40 // 100, 255 - (255 - blue) * 40 // 100),
        "stripe": (252, 252, 252),
        "ink": INK,
    }


def _stripes(width: int, height: int) -> Image.Image:
    stripes = Image.new("L", (width, height))
    draw = ImageDraw.Draw(stripes)
    for start in range(-height, width, _STRIPE_PERIOD):
        draw.line((start, height, start + height, 0), fill=255, width=_STRIPE_PERIOD // 3)
    return stripes


def _draw_part(draw: ImageDraw.ImageDraw, part: Part, tones: dict[str, Colour], width: int, height: int) -> None:
    # The last pixel of a tile is at width - 1, so that a coordinate of 1 still lies inside.
    xy = [value * (height - 1 if index % 2 else width - 1) for index, value in enumerate(part.points)]
    fill = (*tones[part.tone], 255)
    start, end = part.angles
    if part.figure == "polygon":
        draw.polygon(xy, fill=fill)
    elif part.figure == "ellipse":
        draw.ellipse(xy, fill=fill)
    elif part.figure == "pie":
        draw.pieslice(xy, start, end, fill=fill)
    else:
        draw.arc(xy, start, end, fill=fill, width=math.ceil(0.08 * max(width, height)))
