"""Words above and below a drawing."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

MARGIN = 24
PAPER, INK, FAINT = "#ffffff", "#1c2330", "#5d6778"


def with_lines(drawing: Image.Image, title: str, note: str) -> Image.Image:
    """The drawing with a line above and one below, wrapped to its width; nothing is added for an empty text."""
    if not title and not note:
        return drawing
    font = ImageFont.load_default(17)
    above, below = (_wrapped(text, drawing.width - 2 * MARGIN, font) for text in (title, note))
    top = 24 * len(above) + (MARGIN if above else 0)
    height = top + drawing.height + 24 * len(below) + (MARGIN // 2 if below else 0)
    sheet = Image.new("RGB", (drawing.width, height), PAPER)
    sheet.paste(drawing, (0, top))
    pen = ImageDraw.Draw(sheet)
    for y, lines, colour in ((MARGIN // 2, above, INK), (top + drawing.height + 4, below, FAINT)):
        for number, line in enumerate(lines):
            pen.text((MARGIN, y + 24 * number), line, fill=colour, font=font)
    return sheet


def _wrapped(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
