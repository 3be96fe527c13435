"""Train on features of COCO's size and say how much memory that took.

    python bench/large_features.py --out /tmp/large --json large.json [--images 123287] [--workers 1] [--steps 0]

Writes a folder of the `precomp` layout whose training features are 36 regions of 2,048 numbers an image: 36 gigabytes
(34 GiB) for 123,287 images. The file is sparse: one image in fifty has numbers of its own, the holes between read as
zeros and take no space on disk; reading them is reading 36 gigabytes all the same. Then a dual encoder is trained on
it, and the peak of resident memory is printed, of this process and of its workers; and
beside it that of reading 20,000 of these images through a memory map, as a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

REGIONS, WIDTH, EACH = 36, 2048, 5
READ_BY_MAP = """
import resource, sys
import numpy as np
rows = np.load(sys.argv[1], mmap_mode="r")
order = np.random.default_rng(0).permutation(len(rows))[:20000]
total = 0.0
for row in order:
    total += float(rows[row].sum())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def write_features(folder: Path, split: str, images: int, *, seed: int) -> None:
    """A sparse file of features with sentences, five an image, that name numbers of the image."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = np.lib.format.open_memmap(
        folder / f"{split}_ims.npy", mode="w+", dtype=np.float32, shape=(images, REGIONS, WIDTH)
    )
    rng = np.random.default_rng(seed)
    for image in range(0, images, 50):
        rows[image] = rng.normal(size=(REGIONS, WIDTH)).astype(np.float32)
    rows.flush()
    del rows
    os.sync()
    words = [f"thing{number}" for number in range(200)]
    sentences = (" ".join(rng.choice(words, 6)) for _ in range(images * EACH))
    (folder / f"{split}_caps.txt").write_text("\n".join(sentences) + "\n", encoding="utf-8")


def peak_gigabytes(who: int) -> float:
    """The largest resident memory so far of this process, or of the largest of those it started."""
    return resource.getrusage(who).ru_maxrss * 1024 / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a folder that is made, and removed at the end")
    parser.add_argument("--images", type=int, default=123_287)
    parser.add_argument("--steps", type=int, default=0, help="so many steps of 128 images; 0: a pass over all of them")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    data, run = asked.out / "data", asked.out / "run"
    shutil.rmtree(run, ignore_errors=True)
    write_features(data, "train", asked.images, seed=0)
    write_features(data, "dev", 500, seed=1)
    logical = (data / "train_ims.npy").stat().st_size
    on_disk = (data / "train_ims.npy").stat().st_blocks * 512
    mapped = subprocess.run(
        [sys.executable, "-c", READ_BY_MAP, str(data / "train_ims.npy")], capture_output=True, text=True, check=True
    )

    import crossgraph
    from crossgraph.progress_bars import choose_progress

    started = time.monotonic()
    corpus = crossgraph.open_corpus(f"precomp:{data}")
    opened = time.monotonic() - started
    changes = ["training.epochs=1", f"training.captions_per_image={EACH}", "training.batch_size=128"]
    changes.append(f"training.steps_per_epoch={asked.steps}")
    config = crossgraph.read_config(None, changes=[*changes, "model.width=64", "model.heads=4", "texts.min_count=1"])
    crossgraph.train(corpus, config, run, progress=choose_progress(), workers=asked.workers)
    found = {
        "images": asked.images,
        "logical_gigabytes": round(logical / 1e9, 1),
        "gigabytes_on_disk": round(on_disk / 1e9, 2),
        "workers": asked.workers,
        "steps": sum("step" in json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()),
        "seconds_to_open": round(opened),
        "seconds": round(time.monotonic() - started),
        "peak_gigabytes_of_this_process": round(peak_gigabytes(resource.RUSAGE_SELF), 2),
        "peak_gigabytes_of_a_worker": round(peak_gigabytes(resource.RUSAGE_CHILDREN), 2) if asked.workers > 1 else None,
        "peak_gigabytes_of_reading_20000_by_a_map": round(int(mapped.stdout) * 1024 / 1e9, 2),
    }
    print(json.dumps(found, indent=2))
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(asked.out)


if __name__ == "__main__":
    main()
