"""`scenes`: pictures drawn on the spot, with true boxes, attributes, relations, labels, captions and twins.

A folder of scenes holds `images/`, `captions.jsonl` as any folder of pictures may, and `scenes.jsonl` with the scene
graphs. `scenes.manifest.json` is written last, so a folder that has it is complete.
"""

from __future__ import annotations

import io
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from crossgraph.data.assembly import malformed, text_lines
from crossgraph.data.corpus import Corpus
from crossgraph.data.drawn.scene_captions import Caption, describe_scene
from crossgraph.data.drawn.scene_drawing import draw_scene
from crossgraph.data.drawn.scene_plans import Scene, plan_pair
from crossgraph.data.feature_cache import CACHE_VARIABLE, cache_root
from crossgraph.data.layouts.jsonl import open_jsonl
from crossgraph.errors import DataError
from crossgraph.files import write_atomically
from crossgraph.progress import Progress, Silent

MANIFEST = "scenes.manifest.json"
SCENES_COUNT = 3000

_DRAWING = 1  # raised whenever the same count and seed give other pictures or captions, so that old ones are redrawn
_SPLIT_OF_PAIR = ("train",) * 8 + ("val", "test")
_SPEC = re.compile(r"scenes(?::([1-9]\d{0,6})(?::(\d{1,9}))?)?")


@dataclass(frozen=True)
class _Drawn:
    """One picture's rows in the two files."""

    caption_row: dict[str, Any]
    scene_row: dict[str, Any]


def draw_scenes(
    folder: Path,
    count: int = SCENES_COUNT,
    *,
    seed: int = 0,
    progress: Progress = Silent(),
) -> Corpus:
    """`count` scenes in `folder`, drawn now unless the same ones are complete there already.

    Picture i depends on `seed` and i alone, except that an odd last picture has no twin. Splits are 80/10/10 by pair,
    so twins stay together. Raises `DataError` for a folder with other contents.
    """
    if count < 1 or seed < 0:
        raise DataError(f"scenes need a count of at least 1 and a seed of at least 0; got {count} and {seed}.")
    wanted = {"count": count, "seed": seed, "drawing": _DRAWING}
    if _manifest(folder) == wanted:
        return open_scenes(folder)
    _claim(folder)
    drawn: list[_Drawn] = []
    with progress.task("drawing scenes", count) as task:
        for pair in range((count + 1) // 2):
            rows = _draw_pair(folder, pair, count, seed)
            task.advance(len(rows))
            drawn += rows
    _remove_others(folder / "images", {one.caption_row["image"] for one in drawn})
    _write_rows(folder / "captions.jsonl", [one.caption_row for one in drawn])
    _write_rows(folder / "scenes.jsonl", [one.scene_row for one in drawn])
    write_atomically(folder / MANIFEST, json.dumps(wanted).encode())
    return _corpus(folder, "scenes")


def open_scenes(folder: Path, *, name: str | None = None) -> Corpus:
    """The scenes drawn in `folder` before, with twin groups and telling captions. Raises `DataError` if incomplete."""
    if _manifest(folder) is None:
        raise DataError(f"{folder}: no complete scenes in it. Draw them with draw_scenes, or ask for the data scenes.")
    return _corpus(folder, name or "scenes")


def open_named_scenes(spec: str, *, name: str | None = None, progress: Progress = Silent()) -> Corpus:
    """The scenes that "scenes", "scenes:COUNT" or "scenes:COUNT:SEED" asks for, drawn in the cache at first use."""
    asked = _SPEC.fullmatch(spec)
    if asked is None:
        raise DataError(
            f"cannot understand {spec!r}: write scenes, scenes:COUNT or scenes:COUNT:SEED with whole numbers, "
            f"for example scenes:600:7."
        )
    count, seed = int(asked[1] or SCENES_COUNT), int(asked[2] or 0)
    corpus = draw_scenes(scenes_folder(count, seed), count, seed=seed, progress=progress)
    return corpus if name is None else replace(corpus, name=name)


def scenes_folder(count: int, seed: int) -> Path:
    """Where named scenes are kept: under $CROSSGRAPH_CACHE, by default ~/.cache/crossgraph."""
    return cache_root() / f"scenes-{count}-{seed}"


def _corpus(folder: Path, name: str) -> Corpus:
    corpus = open_jsonl(folder / "captions.jsonl", name=name)
    rows = _scene_rows(folder / "scenes.jsonl")
    missing = [image for image in corpus.image_ids if image not in rows]
    if missing:
        raise DataError(f"{folder}: scenes.jsonl lacks {missing[0]!r}. Delete {MANIFEST} to have the scenes redrawn.")
    telling = [flag for image in corpus.image_ids for flag in rows[image]["telling"]]
    return replace(
        corpus,
        twin_group=np.asarray([rows[image]["twin_group"] for image in corpus.image_ids], dtype=np.int64),
        telling=np.asarray(telling, dtype=np.bool_),
    )


def _draw_pair(folder: Path, pair: int, count: int, seed: int) -> list[_Drawn]:
    first, second, twins = plan_pair(seed, pair)
    indices = [index for index in (2 * pair, 2 * pair + 1) if index < count]
    twins = twins and len(indices) == 2
    drawn = []
    for index, scene, other in zip(indices, (first, second), (second, first), strict=False):
        twin = other if twins else None
        captions = describe_scene(scene, random.Random(f"{seed}/{index}/captions"), twin=twin)
        image = f"{index:05d}.jpg"
        encoded = io.BytesIO()
        # No chroma subsampling: colours are what the captions are about.
        draw_scene(scene).save(encoded, "JPEG", quality=90, subsampling=0)
        # not synced one by one: a picture that a power cut took can be drawn again
        write_atomically(folder / "images" / image, encoded.getvalue(), durable=False)
        drawn.append(_rows(image, scene, captions, pair=pair, twin=twin))
    return drawn


def _rows(image: str, scene: Scene, captions: Sequence[Caption], *, pair: int, twin: Scene | None) -> _Drawn:
    caption_row = {
        "image": image,
        "split": _SPLIT_OF_PAIR[pair % len(_SPLIT_OF_PAIR)],
        "captions": [caption.text for caption in captions],
        "labels": sorted({thing.kind for thing in scene.things}),
    }
    scene_row = {
        "image": image,
        "background": scene.background,
        "objects": [
            {key: value for key, value in asdict(thing).items() if key != "spot"}
            | {"box": [round(edge, 6) for edge in thing.box]}
            for thing in scene.things
        ],
        "relations": [list(relation) for relation in scene.relations],
        "twin_group": -1 if twin is None else pair,
        "telling": [twin is not None and not caption.holds(twin) for caption in captions],
    }
    return _Drawn(caption_row, scene_row)


def _manifest(folder: Path) -> Any:
    """What the manifest says; None without one, or when it is damaged."""
    try:
        return json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None


def _claim(folder: Path) -> None:
    """Make `folder` ready to be drawn into. Only a folder that is empty or was begun by this module will do."""
    begun = folder / "scenes.begun"
    try:
        if folder.exists() and any(folder.iterdir()) and not begun.exists():
            raise DataError(f"{folder}: not empty, and not a folder of scenes. Choose a new folder to draw scenes in.")
        (folder / "images").mkdir(parents=True, exist_ok=True)
        begun.touch()
        (folder / MANIFEST).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"{folder}: scenes cannot be drawn there ({error.strerror}). Choose another folder; {CACHE_VARIABLE} says "
            "where named scenes are kept."
        ) from error


def _remove_others(images: Path, drawn: set[str]) -> None:
    """Delete pictures of earlier drawings; last, so that two processes drawing the same scenes do not disturb."""
    for file in images.iterdir():
        if re.fullmatch(r"\d{5,}\.jpg", file.name) and file.name not in drawn:
            file.unlink()


def _scene_rows(file: Path) -> dict[str, Mapping[str, Any]]:
    rows: dict[str, Mapping[str, Any]] = {}
    for number, line in text_lines(file):
        try:
            row = json.loads(line)
            rows[row["image"]] = {"twin_group": int(row["twin_group"]), "telling": [bool(t) for t in row["telling"]]}
        except (ValueError, KeyError, TypeError) as error:
            raise malformed(file, f"line {number}", line, expected="a scene as draw_scenes writes it") from error
    return rows


def _write_rows(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    write_atomically(file, "".join(json.dumps(row) + "\n" for row in rows).encode())
