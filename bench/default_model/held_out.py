"""What a default model is not trained on, so that it can be judged by it: a fifth of the labelled photos, some words.

    python bench/default_model/held_out.py --data photos   # prints what configs/default/held_out_words.json holds

A photo is held out if the first 8 hex digits of the SHA-256 of its file's name, as a number, are divisible by 5: no
list is kept, and every source of photos is divided alike. Words are held out by a list. Of the 80 object labels of
COCO, 20 are drawn ("person" is not among those drawn from, since most photos of people would have to go with it), and
100 names of scenes, among those of which a held-out photo shows one. Both draws are of sorted names by
`numpy.random.default_rng(0)`, labels first, over all photos, those that `photos.py` leaves out too: they were found to
be wrong when the words were already drawn. No held-out word may be a label, an object or the name of a scene in
training, whatever source it comes from; as a word of a caption it may.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from photos import NO_SCENE, Photo, read_photos

WORDS = Path(__file__).parents[2] / "configs" / "default" / "held_out_words.json"
LABELS, SCENES = 20, 100


def is_held_out(name: str) -> bool:
    """Whether the photo of that file name is in the held-out fifth; folders are no part of the name."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % 5 == 0


@dataclass(frozen=True)
class HeldOutWords:
    """Names of objects and of scenes, as the sources write them, that no training may take for labels."""

    labels: tuple[str, ...]
    scenes: tuple[str, ...]


def held_out_words(file: Path = WORDS) -> HeldOutWords:
    """The words in `file`, by default the committed ones."""
    said = json.loads(file.read_text(encoding="utf-8"))
    return HeldOutWords(tuple(said["labels"]), tuple(said["scenes"]))


def drawn_words(photos: list[Photo]) -> HeldOutWords:
    """The draw that the committed file holds."""
    rng = np.random.default_rng(0)
    labels = sorted({label for photo in photos if photo.source == "coco" for label in photo.labels} - {"person"})
    shown = {photo.scene for photo in photos if is_held_out(photo.path.name) and photo.scene}
    scenes = sorted(shown - {NO_SCENE})
    return HeldOutWords(
        tuple(sorted(rng.choice(labels, LABELS, replace=False).tolist())),
        tuple(sorted(rng.choice(scenes, SCENES, replace=False).tolist())),
    )


def main() -> None:
    """Print the words."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True, help="the folder with photos.jsonl and images/")
    print(json.dumps(asdict(drawn_words(read_photos(options.parse_args().data, with_wrong=True))), indent=1))


if __name__ == "__main__":
    main()
