"""How time and memory grow with the number of pictures: index, sync, search, train and evaluate at 1, 4 and 16 times.

Each step at each size is a process of its own, whose peak is what it held beyond its imports. Index, sync and search
are of tiny pictures and a model that sees nothing in them, so that no network hides what the rest costs; training is of
a small dual encoder on drawn scenes whose features are cached. A power of the number, beside what is spent
whatever it is, goes through three points: `c + a n^b`.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from crossgraph.bench.drawn_gallery import DrawnModel, draw_files
from crossgraph.bench.timing import Machine, Outcome
from crossgraph.config import read_config
from crossgraph.data.drawn.scenes import draw_scenes
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.gallery.gallery import Gallery
from crossgraph.verbs import evaluate, train

FACTORS = (1, 4, 16)
PICTURES, SCENES = 2000, 100
QUERIES = 20
SHARE_OF_FIXED = 0.1
"""A growth smaller than this share of what is spent anyway says nothing of a power."""
SMALL = (
    *("images.size=64", "images.cells=[3]", "texts.min_count=1", "training.epochs=2", "training.batch_size=32"),
    *("model.width=256", "model.word_width=128", "model.gru_width=128"),
)
ONCE = "train, features not cached"


def run(*, pictures: int = PICTURES, scenes: int = SCENES, repeats: int = 3, work: Path | None = None) -> Outcome:
    """Seconds of the processor and MiB of each step at each size, medians, with the powers that they grow with."""
    measured: dict[str, list[dict[str, float]]] = {step: [] for step in STEPS}
    with tempfile.TemporaryDirectory(dir=work) as folder:
        for factor in FACTORS:
            draw_files(Path(folder) / f"pictures-{factor}", factor * pictures)
            draw_scenes(Path(folder) / f"scenes-{factor}", factor * scenes)
            for step in STEPS:
                times = 1 if step == ONCE else repeats  # the next time they are cached
                found = [_in_a_process(step, Path(folder), factor) for _ in range(times)]
                measured[step].append({key: median(one[key] for one in found) for key in found[0]})
    rows = [
        {"step": step, "1x is": f"{scenes:,} scenes" if step in OF_SCENES else f"{pictures:,} pictures"}
        | {f"s, {factor}x": one["seconds"] for factor, one in zip(FACTORS, points, strict=True)}
        | {"power of time": power([one["seconds"] for one in points])}
        | {f"MiB, {factor}x": one["mib"] for factor, one in zip(FACTORS, points, strict=True)}
        | {"power of memory": power([one["mib"] for one in points])}
        for step, points in measured.items()
    ]
    return Outcome(
        "growth", Machine.now(), rows, [f"medians of {repeats}, one of the step with features; peaks beyond imports"]
    )


def power(values: Sequence[float]) -> float | str:
    """b of c + a n^b through three values, at numbers of one ratio; "none" where what grows is nothing beside c."""
    first, second, third = values
    ratio = FACTORS[1] / FACTORS[0]
    if third - first < SHARE_OF_FIXED * first:
        return "none"
    if not 0 < second - first < third - second:  # grows ever less, or by chance
        return "below 1" if third - second < (ratio - 1) * (second - first) else "none"
    return math.log((third - second) / (second - first)) / math.log(ratio)


def _in_a_process(step: str, folder: Path, factor: int) -> dict[str, float]:
    alone = os.environ | {"CROSSGRAPH_CACHE": str(folder / f"features-{factor}")}
    words = [sys.executable, "-m", "crossgraph.bench.growth", step, str(folder), str(factor)]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True, env=alone, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _index(folder: Path, factor: int) -> object:
    made = Gallery.create(folder / f"gallery-{factor}-{time.time_ns()}", DrawnModel())
    return made.index(folder / f"pictures-{factor}")


def _gallery(folder: Path, factor: int) -> Gallery:
    return Gallery.open(max(folder.glob(f"gallery-{factor}-*")), DrawnModel())


def _sync(folder: Path, factor: int) -> object:
    return _gallery(folder, factor).sync()


def _search(folder: Path, factor: int) -> object:
    gallery = _gallery(folder, factor)
    return [gallery.search(f"what picture {number} shows") for number in range(QUERIES)]


def _train(folder: Path, factor: int) -> object:
    config = read_config(None, changes=SMALL)
    out = folder / f"run-{factor}-{time.time_ns()}"
    return train(folder / f"scenes-{factor}", config, out, cache=FeatureCache(folder / f"features-{factor}"))


def _evaluate(folder: Path, factor: int) -> object:
    return evaluate(max(folder.glob(f"run-{factor}-*")), folder / f"scenes-{factor}", split="train")


OF_SCENES = (ONCE, "train", "evaluate")
STEPS: dict[str, Callable[[Path, int], object]] = {
    "index": _index,
    "sync, nothing changed": _sync,
    "search": _search,
    ONCE: _train,
    "train": _train,
    "evaluate": _evaluate,
}


def main(step: str, folder: str, factor: str) -> None:
    """One step in this process: seconds of the processor, and MiB beyond what was held before."""
    held, began = _most_mib(), time.process_time()
    STEPS[step](Path(folder), int(factor))
    found = {"seconds": time.process_time() - began, "mib": _most_mib() - held}
    sys.stdout.write(f"{json.dumps(found)}\n")


def _most_mib() -> float:
    """The most memory this process has held; `ru_maxrss` counts what its parent held too."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
