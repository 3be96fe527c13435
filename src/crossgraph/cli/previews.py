"""Small pictures drawn in a terminal: two pixels a letter, one above the other."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from rich.color import Color
from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style

from crossgraph.errors import ConfigError, ImageError
from crossgraph.gallery.search.listing import items_of
from crossgraph.gallery.thumbnails import SIZES, Thumbnails

if TYPE_CHECKING:
    from crossgraph.gallery.gallery import Gallery

INDENT = 5  # under the answer's score
LINES = 10
COLUMNS = 40
SHADES = " ░▒▓█"  # where there are no colours, from dark to light


def terminal() -> Console:
    """The terminal that stdout is. Raises `ConfigError` where it is none, or one that cannot show pictures."""
    console = Console(highlight=False)
    if not console.is_terminal:
        raise ConfigError("--preview draws in a terminal, and stdout is none. Leave it out; --paths names the files.")
    if console.is_dumb_terminal:
        raise ConfigError(
            "this terminal moves no cursor and has no colours (TERM says so): --preview cannot draw there."
        )
    if not console.encoding.lower().startswith("utf"):
        raise ConfigError(f"--preview draws with letters of Unicode, and this terminal has {console.encoding}.")
    return console


@dataclass(frozen=True)
class Previews:
    """Draws pictures of `gallery` on `console`: in its colours, or, where it has none or NO_COLOR is set, in shades."""

    console: Console
    gallery: Gallery

    def show(self, id: str) -> None:
        """Draw the picture with this id, or say why it cannot be drawn."""
        found = items_of(self.gallery.snapshot(), [id]).get(id)
        if found is None:
            return
        try:
            kept = Thumbnails(self.gallery.folder).get(found, SIZES[0])
        except (ImageError, OSError) as error:
            self.console.print(f"{' ' * INDENT}no preview: {error}", markup=False)
            return
        with Image.open(io.BytesIO(kept.content)) as image:
            self.console.print(drawn(image, self.console), end="")


def drawn(image: Image.Image, console: Console) -> Segments:
    """The picture in lines that fit `console`, its proportions kept (a letter is twice as high as wide)."""
    room = max(1, min(COLUMNS, console.width - INDENT))
    scale = min(room / image.width, 2 * LINES / image.height)
    width, height = max(1, round(image.width * scale)), 2 * max(1, round(image.height * scale / 2))
    pixels = np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))
    plain = console.no_color or console.color_system is None
    line = _shades if plain else _halves
    made: list[Segment] = []
    for upper, lower in zip(pixels[::2].tolist(), pixels[1::2].tolist(), strict=True):
        made += [Segment(" " * INDENT), *line(upper, lower), Segment.line()]
    return Segments(made)


def _halves(upper: list[list[int]], lower: list[list[int]]) -> list[Segment]:
    """Letters whose upper half has one pixel's colour and whose ground has the other's."""
    return [
        Segment("▀", Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below)))
        for above, below in zip(upper, lower, strict=True)
    ]


def _shades(upper: list[list[int]], lower: list[list[int]]) -> list[Segment]:
    """Letters as light as two pixels are together."""
    light = (np.asarray(upper) + np.asarray(lower)) @ (0.299, 0.587, 0.114) / (2 * 256)
    return [Segment("".join(SHADES[int(one * len(SHADES))] for one in light))]
