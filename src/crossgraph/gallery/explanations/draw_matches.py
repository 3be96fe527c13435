"""Matched nodes of scene graphs over a picture: boxes for objects and attributes, arrows for relations, and a list.

Matches are numbered by what they contribute to the score. The more a match contributes, the thicker its lines; one
that contributes nothing, or less, is grey.
"""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from crossgraph.gallery.explanations.arrows import FINE, Point, Rectangle, arrow_paths, draw_arrow, points_beside
from crossgraph.gallery.explanations.sheet import Sheet, font_of, scaled, shortened, text_width
from crossgraph.gallery.explanations.titles import FAINT, INK, PAPER
from crossgraph.types import NodeMatch

IMAGE = 620  # longer side of the picture
LIST = 464
GAP = 14
ROW = 26
COLOURS = {"object": "#1f78b4", "attribute": "#2e8b57", "relation": "#c2481a"}
_GREY = "#8a93a3"


def draw_matches(image: Image.Image, matches: Sequence[NodeMatch], *, most: int = 10) -> Image.Image:
    """The picture with its `most` highest contributions drawn over it, and beside it the list of all `matches`.

    A relation is an arrow from its subject's box to its object's. A match without boxes is in the list only.
    """
    ranked = sorted(matches, key=lambda match: -match.contribution)
    over = _draw_over(image, ranked, most=most)
    listed = _draw_list(ranked)
    height = max(over.height, listed.height)
    sheet = Image.new("RGB", ((IMAGE + LIST + 3 * GAP) * FINE, height + 2 * GAP * FINE), PAPER)
    sheet.paste(over, (GAP * FINE + (IMAGE * FINE - over.width) // 2, GAP * FINE))
    sheet.paste(listed, ((IMAGE + 2 * GAP) * FINE, GAP * FINE))
    return sheet.reduce(FINE)


def _draw_over(image: Image.Image, ranked: Sequence[NodeMatch], *, most: int) -> Image.Image:
    scale = FINE * IMAGE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    sheet = Sheet(image.convert("RGB").resize(size, Image.Resampling.LANCZOS))
    drawn = [(number, match) for number, match in enumerate(ranked[:most], start=1) if match.boxes]
    widths = {number: _width(match, ranked) for number, match in drawn}
    boxes = {box: scaled(box, size) for _, match in drawn for box in match.boxes}
    for number, match in reversed(drawn):
        for box in match.boxes:
            # only things have thick frames; frames of equal boxes lie inside one another, weaker ones outside
            width = widths[number] if match.kind != "relation" else 1
            inset = 4 * FINE * sum(box in stronger.boxes for other, stronger in drawn if other > number)
            _frame(sheet, boxes[box], _colour(match), width=width, inset=inset)
    places = list(boxes)
    anchors = {place: _dot(boxes[box]) for place, box in enumerate(places)}
    relations = [(number, match) for number, match in drawn if match.kind == "relation"]
    ends = [(places.index(match.boxes[0]), places.index(match.boxes[-1])) for _, match in relations]
    paths = arrow_paths(ends, anchors, height=size[1])
    sheet.taken += [anchors[place] for pair in ends for place in pair]
    words: list[tuple[str, str, Rectangle]] = []
    for (number, match), path in zip(relations, paths, strict=True):
        text = f"{number}  {shortened(match.text, 36)}"
        label = _label_size(text)
        words.append((text, _colour(match), sheet.free(label, points_beside(path, label))))
    for number, match in drawn:
        if match.kind != "relation":
            text = f"{number}  {shortened(match.text)}"
            words.append((text, _colour(match), _place_in(sheet, boxes[match.boxes[0]], text)))
    for (number, match), path in reversed(list(zip(relations, paths, strict=True))):
        draw_arrow(sheet.pen, path, _colour(match), width=widths[number])
    for (_, match), pair in reversed(list(zip(relations, ends, strict=True))):
        for spot in pair:
            sheet.pen.ellipse(anchors[spot], fill=_colour(match), outline=PAPER, width=FINE)
    for text, colour, place in reversed(words):
        sheet.pen.rounded_rectangle(place, 5 * FINE, fill=colour, outline=PAPER, width=FINE)
        middle = ((place[0] + place[2]) / 2, (place[1] + place[3]) / 2)
        sheet.pen.text(middle, text, fill=PAPER, font=font_of(15), anchor="mm")
    return sheet.image


def _frame(sheet: Sheet, box: Rectangle, colour: str, *, width: int, inset: int) -> None:
    """The outline of a box with a bright rim, which shows on any picture; boxes too small for it are drawn as dots."""
    x1, y1, x2, y2 = box[0] + inset, box[1] + inset, box[2] - inset, box[3] - inset
    if min(x2 - x1, y2 - y1) < 8 * FINE:
        sheet.pen.ellipse(_dot(box), fill=colour, outline=PAPER, width=FINE)
        return
    sheet.pen.rectangle((x1, y1, x2, y2), outline=PAPER, width=(width + 2) * FINE)
    sheet.pen.rectangle((x1 + FINE, y1 + FINE, x2 - FINE, y2 - FINE), outline=colour, width=width * FINE)


def _place_in(sheet: Sheet, box: Rectangle, text: str) -> Rectangle:
    """Where a name goes: inside the box along its edges, from the upper left, else wherever it covers least."""
    x1, y1, x2, y2 = box
    width, height = _label_size(text)
    across = (x1 + width / 2 + 6 * FINE, x2 - width / 2 - 6 * FINE, (x1 + x2) / 2)
    down = [y1 + 6 * FINE + (line + 0.5) * (height + 2 * FINE) for line in range(6)]
    down = [y for y in down if y + height / 2 <= y2] or [y1 + height / 2]
    below = [y2 + height / 2, y1 - height / 2]
    return sheet.free((width, height), [(x, y) for y in (*down, *below) for x in across])


def _draw_list(ranked: Sequence[NodeMatch]) -> Image.Image:
    """Every match with its number, words, cosine, and what it contributes as a bar."""
    sheet = Sheet(Image.new("RGB", (LIST * FINE, ROW * (len(ranked) + 2) * FINE), PAPER))
    pen = sheet.pen
    cosine, start, end = (LIST - 172) * FINE, (LIST - 156) * FINE, (LIST - 62) * FINE
    x = 0.0
    for kind, colour in COLOURS.items():
        pen.ellipse((x, 5 * FINE, x + 12 * FINE, 17 * FINE), fill=colour)
        pen.text((x + 17 * FINE, 11 * FINE), kind, fill=INK, font=font_of(15), anchor="lm")
        x += text_width(kind, 15) + 36 * FINE
    for at, text, side in ((cosine, "cosine", "rm"), (LIST * FINE, "adds to the score", "rm")):
        pen.text((at, (ROW + 11) * FINE), text, fill=FAINT, font=font_of(14), anchor=side)
    longest = max((abs(match.contribution) for match in ranked), default=0.0) or 1.0
    for row, match in enumerate(ranked):
        y = (ROW * (row + 2) + 11) * FINE
        pen.ellipse((0, y - 11 * FINE, 22 * FINE, y + 11 * FINE), fill=_colour(match))
        pen.text((11 * FINE, y), str(row + 1), fill=PAPER, font=font_of(13), anchor="mm")
        text = match.text if match.boxes else f"{shortened(match.text, 18)} (nowhere)"
        pen.text((30 * FINE, y), shortened(text, 28), fill=INK, font=font_of(15), anchor="lm")
        pen.text((cosine, y), f"{match.score:.2f}", fill=FAINT, font=font_of(14), anchor="rm")
        length = (end - start) * abs(match.contribution) / longest
        pen.rectangle((start, y - 6 * FINE, start + length, y + 6 * FINE), fill=_colour(match))
        pen.text((LIST * FINE, y), f"{match.contribution:.3f}", fill=INK, font=font_of(14), anchor="rm")
    return sheet.image


def _label_size(text: str) -> Point:
    return text_width(text, 15) + 12 * FINE, 24.0 * FINE


def _dot(box: Rectangle) -> Rectangle:
    x, y, reach = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, 5 * FINE
    return x - reach, y - reach, x + reach, y + reach


def _width(match: NodeMatch, ranked: Sequence[NodeMatch]) -> int:
    """2 to 7 pixels, by share of the highest contribution."""
    strongest = max(ranked[0].contribution, 1e-12)
    return round(2 + 5 * max(0.0, match.contribution) / strongest)


def _colour(match: NodeMatch) -> str:
    return COLOURS[match.kind] if match.contribution > 0 else _GREY
