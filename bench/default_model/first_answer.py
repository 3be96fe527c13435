"""From nothing installed to the first answer: a fresh environment, 200 mixed photos, the commands a newcomer types.

    python bench/default_model/first_answer.py --data photos/images --data flickr8k/images --out answers [--model RUN]

An empty virtual environment is made in a temporary folder, and this tree is installed into it with its constraints,
from the package registry as pip is set up here; that is timed apart. Then 200 pictures, drawn from the folders with
`--seed` and written anew as JPEG, PNG, WebP, TIFF and BMP, in folders and out, with spaces, accents and wrong endings
in their names, are indexed and searched with an empty cache of features. "First answer" is the time from the end of
installing until `crossgraph search` has printed it. Without `--model` none is named, which takes a model that comes
with crossgraph. Last, ten queries are asked, and each one's first five answers are put side by side in `--out`, to be
looked at. `--extras lite2` installs an extra that a model needs; `--python` measures with an environment that is
there.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from command_line import print_table, write_numbers
from PIL import Image, ImageDraw, ImageFont, ImageOps

ROOT = Path(__file__).parents[2]
QUERIES = (
    "a dog running on grass",
    "a kitchen",
    "children playing in water",
    "a man riding a bicycle",
    "a plate of food",
    "a street with cars",
    "a cat",
    "someone jumping in the air",
    "a bedroom with a large bed",
    "a mountain with snow",
)
NAMES = ("IMG_{0:04}", "holiday {0}", "été/plage {0}", "Straße/Bild-{0}", "old/2019/scan.{0}", "{0}", "猫_{0}")
WRITTEN = (
    ("JPEG", ".jpg"),
    ("JPEG", ".JPG"),
    ("PNG", ".png"),
    ("WEBP", ".webp"),
    ("TIFF", ".tif"),
    ("BMP", ".bmp"),
    ("PNG", ".jpg"),  # the ending lies
)
SIDE, STRIP = 224, 34


def copy_mixed(folders: Sequence[Path], to: Path, count: int, *, seed: int) -> None:
    """Write `count` pictures of the folders, as many of each as can be, under mixed names in mixed formats."""
    rng = np.random.default_rng(seed)
    shares = [count // len(folders) + (place < count % len(folders)) for place in range(len(folders))]
    drawn: list[Path] = []
    for folder, share in zip(folders, shares, strict=True):
        files = sorted(path for path in folder.iterdir() if path.is_file())
        drawn += [files[row] for row in rng.choice(len(files), share, replace=False).tolist()]
    for number, path in enumerate(drawn):
        form, ending = WRITTEN[number % len(WRITTEN)]
        file = to / (NAMES[(number // len(WRITTEN)) % len(NAMES)].format(number) + ending)
        file.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as image:
            image.convert("RGB").save(file, form)


def installed(folder: Path, extras: str) -> Path:
    """The interpreter of a new environment in `folder` that has this tree, built from a copy: building leaves files."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python, copy = folder / "bin" / "python", folder / "tree"
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    tree = f"{copy}[{extras}]" if extras else str(copy)
    install = [str(python), "-m", "pip", "install", "--quiet", "--constraint", str(ROOT / "constraints.txt"), tree]
    subprocess.run(install, check=True, env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"})
    return python


@dataclass(frozen=True)
class Answer:
    """What a command printed, and the seconds it took: by the clock, and of the processor."""

    text: str
    clock: float
    processor: float


def answered(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Answer:
    """The answer of a command. Ends the program if it fails."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Answer(done.stdout, time.perf_counter() - started, used)


def contact_sheet(query: str, results: Sequence[Mapping[str, object]], folder: Path) -> Image.Image:
    """The first answers side by side, with the query above and each one's score and name below."""
    sheet = Image.new("RGB", (len(results) * SIDE, SIDE + 2 * STRIP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    pen.text((8, 8), query, fill="black", font=font)
    for place, result in enumerate(results):
        path = folder / str(result["path"])
        with Image.open(path) as image:
            sheet.paste(ImageOps.pad(image.convert("RGB"), (SIDE, SIDE), color="white"), (place * SIDE, STRIP))
        written = f"{result['rank']}  {result['score']:.3f}  {path.name.encode('ascii', 'replace').decode()}"
        pen.text((place * SIDE + 6, SIDE + STRIP + 8), written[:26], fill="black", font=font)
    return sheet


def main() -> None:
    """Install, index, search; print the seconds and write the sheets."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, action="append", required=True, help="a folder of pictures; repeatable")
    options.add_argument("--out", type=Path, required=True, help="where the contact sheets are drawn")
    options.add_argument("--model", help="a trained run or a cascade; by default none is named")
    options.add_argument("--count", type=int, default=200)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--extras", default="")
    options.add_argument("--python", type=Path, help="an interpreter that has crossgraph; installs nothing")
    options.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to this file too")
    asked = options.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        here = Path(temporary)
        copy_mixed(asked.data, here / "photos", asked.count, seed=asked.seed)
        started = time.perf_counter()
        python = asked.python or installed(here / "environment", asked.extras)
        install = time.perf_counter() - started
        environment = os.environ | {"CROSSGRAPH_CACHE": str(here / "cache")}
        if not asked.python:
            environment.pop("PYTHONPATH", None)
        crossgraph = [str(python), "-c", "from crossgraph.cli import main; main()"]
        model = [] if asked.model is None else ["--model", str(Path(asked.model).resolve())]
        index = [*crossgraph, "index", "photos", "--gallery", "gallery", *model, "--json"]
        indexed = answered(index, environment, here)
        search = [*crossgraph, "search", QUERIES[0], "--gallery", "gallery", "-k", "5"]
        first = answered(search, environment, here)
        (here / "queries.txt").write_text("\n".join(QUERIES), encoding="utf-8")
        ask = [*crossgraph, "search", "--queries", "queries.txt", "--gallery", "gallery", "-k", "5", "--json"]
        ten = answered(ask, environment, here)
        for number, line in enumerate(ten.text.splitlines()):
            sheet = contact_sheet(QUERIES[number], json.loads(line)["results"], here)
            sheet.save(asked.out / f"{number:02} {QUERIES[number]}.png")
    print(indexed.text, first.text, sep="")
    headings = [f"{asked.count} pictures, seconds", "index", "search", "first answer", "ten queries more"]
    clock = [indexed.clock, first.clock, indexed.clock + first.clock, ten.clock]
    processor = [indexed.processor, first.processor, indexed.processor + first.processor, ten.processor]
    print_table(headings, [["by the clock", *clock], ["of the processor", *processor]])
    print("" if asked.python else f"installing took {install:.0f} seconds before that")
    seconds = {
        "install": None if asked.python else install,
        "clock": dict(zip(headings[1:], clock, strict=True)),
        "processor": dict(zip(headings[1:], processor, strict=True)),
    }
    write_numbers(asked.json, asked, {"seconds": seconds, "indexed": json.loads(indexed.text)})


if __name__ == "__main__":
    main()
