"""Why a picture matches a sentence, drawn: where each word looked, and how well it was found."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from crossgraph.gallery.explanations.draw_matches import draw_matches
from crossgraph.gallery.explanations.function_words import FUNCTION_WORDS
from crossgraph.gallery.explanations.sheet import font_of, shortened
from crossgraph.types import Alignment

IMAGE = 384  # longer side of the whole picture, in pixels
PANEL = 224  # longer side of a panel
COLUMNS = 3
GAP = 14
LINE = 24
PAPER, INK, FAINT = "#ffffff", "#1c2330", "#8a93a3"
GLOW = np.array([255.0, 140.0, 26.0])
BAR = "#f08c1a"


def alignment_to_json(alignment: Alignment) -> dict[str, object]:
    """The alignment as plain values: per word its score and its weight on every region; boxes in [0, 1].

    `matches` are those of a method that reads scene graphs, in the order of the caption's graph; else empty.
    `explained` is what the contributions of words or matches add up to, null where the score is no such sum. `code`
    says which bits of the codes agree, and the nearest labels, where the model has codes.
    """
    added = None if alignment.contributions is None else alignment.contributions.tolist()
    words = [
        {"word": word, "score": score, "weights": weights} | ({} if added is None else {"contribution": added[place]})
        for place, (word, score, weights) in enumerate(
            zip(alignment.words, alignment.word_scores.tolist(), alignment.weights.T.tolist(), strict=True)
        )
    ]
    code = alignment.code
    return {
        "score": alignment.score,
        "explained": alignment.explained,
        "boxes": alignment.boxes.tolist(),
        "words": words,
        "matches": [asdict(match) for match in alignment.matches],
        "code": None if code is None else asdict(code) | {"score": code.score},
    }


def draw_alignment(image: Image.Image, alignment: Alignment, *, panels: int = 6) -> Image.Image:
    """The picture, the score of every word as a bar, and one panel for each of the best `panels` words that name
    something; articles and prepositions get one only where nothing else is left.

    A panel is bright where its word looked and dark elsewhere; the frame is the region the word looked at most.
    Brightness is relative to that region, so panels compare places, not words: the bars compare words. On top of all,
    if the alignment has them, the matched nodes of scene graphs are drawn over the picture and listed.
    """
    sheet = _draw_words(image, alignment, panels=panels)
    if not alignment.matches:
        return sheet
    matched = draw_matches(image, alignment.matches)
    both = Image.new("RGB", (max(sheet.width, matched.width), matched.height + sheet.height), PAPER)
    both.paste(matched, (0, 0))
    both.paste(sheet, (0, matched.height))
    return both


def _draw_words(image: Image.Image, alignment: Alignment, *, panels: int) -> Image.Image:
    """What is drawn of words and regions."""
    scores = alignment.word_scores.float().cpu().numpy()
    empty = np.array([word.casefold() in FUNCTION_WORDS for word in alignment.words])
    best = np.sort(np.lexsort((-scores, empty))[:panels]).tolist()
    whole = _fit(image.convert("RGB"), IMAGE)
    small = _fit(whole, PANEL)
    bars = _word_bars(alignment.words, scores, total=alignment.score)
    columns = min(COLUMNS, len(best))
    row_height = small.height + LINE + GAP
    height = max(whole.height + GAP + bars.height, -(-len(best) // COLUMNS) * row_height - GAP)
    sheet = Image.new("RGB", (IMAGE + columns * (PANEL + GAP) + 2 * GAP, height + 2 * GAP), PAPER)
    sheet.paste(whole, (GAP, GAP))
    sheet.paste(bars, (GAP, 2 * GAP + whole.height))
    pen = ImageDraw.Draw(sheet)
    for place, word in enumerate(best):
        x = 2 * GAP + IMAGE + (place % COLUMNS) * (PANEL + GAP)
        y = GAP + (place // COLUMNS) * row_height
        pen.text((x, y), shortened(alignment.words[word], 18), fill=INK, font=font_of(16, fine=1))
        _right_text(pen, (x + PANEL, y + 2), f"{scores[word]:.2f}", FAINT)
        weights = alignment.weights[:, word].float().cpu().numpy()
        sheet.paste(_spotlight(small, alignment.boxes.float().cpu().numpy(), weights), (x, y + LINE))
    return sheet


def _spotlight(image: Image.Image, boxes: NDArray[np.float32], weights: NDArray[np.float32]) -> Image.Image:
    """The picture bright where `weights` are high, dim elsewhere, the heaviest box framed, if any has a weight."""
    size = np.array([image.width, image.height] * 2)
    corners = np.rint(boxes * size).astype(int)
    heat = np.zeros((image.height, image.width), dtype=np.float32)
    for (x1, y1, x2, y2), weight in zip(corners.tolist(), weights.tolist(), strict=True):
        region = heat[y1:y2, x1:x2]
        np.maximum(region, weight, out=region)
    heat /= max(float(heat.max()), 1e-12)
    blurred = Image.fromarray((heat * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(image.width / 40))
    light = np.asarray(blurred, dtype=np.float32)[..., None] / 255
    pixels = np.asarray(image, dtype=np.float32)
    grey = pixels.mean(axis=2, keepdims=True)
    lit = pixels * (1 - 0.3 * light) + GLOW * 0.3 * light
    drawn = Image.fromarray((lit * light + 0.4 * grey * (1 - light)).clip(0, 255).astype(np.uint8))
    if not weights.any():
        return drawn
    x1, y1, x2, y2 = corners[int(weights.argmax())].tolist()
    ImageDraw.Draw(drawn).rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), outline=BAR, width=2)
    return drawn


def _word_bars(words: tuple[str, ...], scores: NDArray[np.float32], *, total: float) -> Image.Image:
    """Every word of the sentence in order with its score as a bar from zero; the score of the pair on top."""
    strip = Image.new("RGB", (IMAGE, LINE * (len(words) + 1)), PAPER)
    pen = ImageDraw.Draw(strip)
    pen.text((0, 0), "score of the pair", fill=INK, font=font_of(16, fine=1))
    _right_text(pen, (IMAGE, 2), f"{total:.3f}", INK)
    longest = float(np.abs(scores).max(initial=1e-12))
    start, end = 138, IMAGE - 52
    for row, (word, score) in enumerate(zip(words, scores.tolist(), strict=True), start=1):
        pen.text((0, row * LINE), shortened(word, 14), fill=INK, font=font_of(15, fine=1))
        length = (end - start) * abs(score) / longest
        colour = BAR if score > 0 else FAINT
        pen.rectangle((start, row * LINE + 4, start + length, row * LINE + LINE - 8), fill=colour)
        _right_text(pen, (IMAGE, row * LINE + 1), f"{score:.2f}", FAINT)
    return strip


def _fit(image: Image.Image, longer: int) -> Image.Image:
    """The picture scaled so that its longer side is `longer` pixels."""
    scale = longer / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _right_text(pen: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, colour: str) -> None:
    """Write `text` so that it ends at `corner`."""
    pen.text(corner, text, fill=colour, font=font_of(14, fine=1), anchor="ra")
