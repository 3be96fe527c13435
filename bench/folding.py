"""How often copies are missed and different pictures folded: by what a gallery stores, and by brightness alone.

    python bench/folding.py FOLDER [FOLDER ...] [--count 1500] [--copied 300] [--json FILE]

Copies are made of the first pictures of the first folder; different pictures are all pairs of `--count` of each
folder, drawn pages of text that all have the same lines, and drawn shapes in several colours. "Brightness alone" is a
difference hash of 16 x 16 places with a third value for flat ones. Equal pairs of a folder would count as falsely
folded; those folded are printed, so that they can be looked at. The last lines are times.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from crossgraph.data.images import read_image
from crossgraph.data.inventory import take_inventory
from crossgraph.gallery.tables.likeness import APART_AT_FIRST, BYTES, first_words, look_alike, perceptual_hash

WORDS = ("stone", "moon", "bridge", "tree", "window", "paper", "letter", "music", "house", "winter", "bread", "salt")
COLOURS = ("red", "orange", "gold", "green", "teal", "blue", "purple", "pink", "brown", "black", "gray", "white")
Change = Callable[[Image.Image], Image.Image]


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """The picture as a JPEG of that quality."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def scaled(image: Image.Image, by: float) -> Image.Image:
    """The picture in another size."""
    size = (max(1, round(image.width * by)), max(1, round(image.height * by)))
    return image.resize(size, Image.Resampling.LANCZOS)


def lit(image: Image.Image, by: float) -> Image.Image:
    """The picture with every value multiplied."""
    return image.point(lambda value: min(255, round(value * by)))


def moved(image: Image.Image, by: float) -> Image.Image:
    """The next frame of a burst: the hand moved by a share of the picture, and the sensor has noise."""
    across, down = max(1, round(image.width * by)), max(1, round(image.height * by))
    values = np.asarray(image.crop((across, down, image.width, image.height)), np.float64)
    noise = np.random.default_rng(0).normal(0, 3, values.shape)
    return Image.fromarray((values + noise).clip(0, 255).astype(np.uint8))


COPIES: dict[str, Change] = {
    "JPEG 30": lambda image: jpeg(image, 30),
    "JPEG 50": lambda image: jpeg(image, 50),
    "JPEG 95": lambda image: jpeg(image, 95),
    "x 0.25": lambda image: scaled(image, 0.25),
    "x 0.25, JPEG 50": lambda image: jpeg(scaled(image, 0.25), 50),
    "x 0.5, JPEG 70": lambda image: jpeg(scaled(image, 0.5), 70),
    "x 4": lambda image: scaled(image, 4),
    "brightness x 0.9": lambda image: lit(image, 0.9),
    "brightness x 1.1": lambda image: lit(image, 1.1),
    "brightness x 1.2": lambda image: lit(image, 1.2),
    "burst, moved by 1 %": lambda image: moved(image, 0.01),
    "burst, moved by 2 %": lambda image: moved(image, 0.02),
    "cropped by 3 % a side": lambda image: image.crop(
        (image.width * 3 // 100, image.height * 3 // 100, image.width * 97 // 100, image.height * 97 // 100)
    ),
}


def page(seed: int, scale: int = 1) -> Image.Image:
    """A page of words, in lines that lie where those of every page lie; with `scale`, of more and smaller words."""
    drawn, font = random.Random(seed), ImageFont.load_default(15)
    image = Image.new("RGB", (620 * scale, 877 * scale), (252, 252, 252))
    pen = ImageDraw.Draw(image)
    for top in range(60, image.height - 80, 25):
        text = ""
        while pen.textlength(text, font=font) < image.width - 160:
            text += f"{drawn.choice(WORDS)} "
        pen.text((60, top), text, fill=(15, 15, 15), font=font)
    return image


def shape(seed: int, colour: str) -> Image.Image:
    """A random outline filled with one colour."""
    drawn = random.Random(seed)
    image = Image.new("RGB", (224, 224), "#eeeeee")
    corners = [(drawn.randint(40, 184), drawn.randint(40, 184)) for _ in range(8)]
    ImageDraw.Draw(image).polygon(corners, fill=colour)
    return image


def brightness_hash(image: Image.Image) -> bytes:
    """Where a picture gets clearly brighter to the right, and where darker: 16 x 16 places, 64 bytes."""
    values = np.asarray(image.convert("L").resize((17, 16), Image.Resampling.BOX), np.int16)
    steps = values[:, 1:] - values[:, :-1]
    return np.packbits(np.stack([steps > 4, steps < -4])).tobytes()


def alike_by_brightness(many: np.ndarray, one: np.ndarray) -> np.ndarray:
    """Which hashes differ from `one` in at most a fifth of the places where either is not flat."""
    apart, either = np.bitwise_count(many ^ one).sum(1), many | one
    found: np.ndarray = apart <= 0.2 * np.maximum(np.bitwise_count(either[:, :32] | either[:, 32:]).sum(1), 1)
    return found


RULES = {"brightness alone": (brightness_hash, alike_by_brightness), "stored": (perceptual_hash, look_alike)}


def hashes(images: Sequence[Image.Image], rule: str) -> np.ndarray:
    """The hashes of pictures, as rows."""
    return np.stack([np.frombuffer(RULES[rule][0](image), np.uint8) for image in images])


def missed(before: np.ndarray, after: np.ndarray, rule: str) -> float:
    """The share of copies that are not alike with what they were made of."""
    alike = [RULES[rule][1](copy[None], one)[0] for copy, one in zip(after, before, strict=True)]
    return 1 - float(np.mean(alike))


def folded_pairs(rows: np.ndarray, rule: str) -> list[tuple[int, int]]:
    """All pairs that are alike."""
    alike = RULES[rule][1]
    return [(row, int(other)) for row in range(1, len(rows)) for other in np.flatnonzero(alike(rows[:row], rows[row]))]


def report_times() -> None:
    """Print what a hash and a look at a million pictures cost."""
    large = Image.effect_noise((4000, 3000), 50).convert("RGB")
    file = io.BytesIO()
    large.save(file, "JPEG", quality=90)
    for name, action in (
        ("decoding 12 megapixels", lambda: Image.open(file).convert("RGB")),
        ("hash of 12 megapixels", lambda: perceptual_hash(large)),
    ):
        print(f"{name}: {1000 * seconds(action):.1f} ms")
    rows = np.random.default_rng(0).integers(0, 256, (1_000_000, BYTES), np.uint8)
    words = first_words(rows)
    print(f"first words of a million: {1000 * seconds(lambda: first_words(rows)):.1f} ms")

    def look() -> None:
        near = np.flatnonzero(np.bitwise_count(words ^ words[7]) <= APART_AT_FIRST)
        look_alike(rows[near], rows[7])

    print(f"what of a million looks like one: {1000 * seconds(look):.1f} ms")


def seconds(action: Callable[[], object], times: int = 5) -> float:
    """The least processor time of several runs."""
    found = []
    for _ in range(times):
        started = time.process_time()
        action()
        found.append(time.process_time() - started)
    return min(found)


def main() -> None:
    """Print two tables, the pairs that were folded, and times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=1500)
    parser.add_argument("--copied", type=int, default=300)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers of both tables to this file too")
    options = parser.parse_args()

    sets: dict[str, list[Image.Image]] = {}
    named: dict[str, list[str]] = {}
    for folder in options.folders:
        paths = list(take_inventory(folder).images)
        paths = random.Random(0).sample(paths, min(options.count, len(paths)))
        sets[str(folder)], named[str(folder)] = [read_image(path) for path in paths], [path.name for path in paths]
    photos = sets[str(options.folders[0])][: options.copied]
    pages = {
        f"pages of {30 * scale} lines": [page(seed, scale) for seed in range(60 // scale)] for scale in (1, 2, 3, 4)
    }

    print(f"| copies missed, % | {len(photos)} photos: brightness | stored | 60 pages: brightness | stored |")
    print("|---|--:|--:|--:|--:|")
    numbers: dict[str, list[dict[str, str | float]]] = {"copies": [], "different": []}
    for name, change in COPIES.items():
        cells = []
        for originals in (photos, pages["pages of 30 lines"]):
            copies = [change(image) for image in originals]
            cells += [100 * missed(hashes(originals, rule), hashes(copies, rule), rule) for rule in RULES]
        print(f"| {name} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")
        kinds = ("photos, brightness", "photos, stored", "pages, brightness", "pages, stored")
        numbers["copies"].append({"name": name, **dict(zip(kinds, cells, strict=True))})
    sets |= pages | {f"shape {seed}": [shape(seed, colour) for colour in COLOURS] for seed in range(3)}
    print("\n| different pictures | pairs | folded by brightness | by what is stored |\n|---|--:|--:|--:|")
    folded: list[str] = []
    for name, images in sets.items():
        found = {rule: folded_pairs(hashes(images, rule), rule) for rule in RULES}
        counts = [len(images) * (len(images) - 1) // 2, *map(len, found.values())]
        print(f"| {name} | " + " | ".join(f"{count:,}" for count in counts) + " |")
        numbers["different"].append({"name": name, **dict(zip(("pairs", "brightness", "stored"), counts, strict=True))})
        for rule, pairs in found.items():
            if name in named:
                folded += [f"{rule}: {named[name][one]} {named[name][other]}" for one, other in pairs]
    print("\n".join(["", *folded, ""]))
    if options.json is not None:
        options.json.write_text(json.dumps(numbers, indent=1), encoding="utf-8")
    report_times()


if __name__ == "__main__":
    main()
