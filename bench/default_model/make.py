"""Makes the default model again, from the data to the folder that the package carries. `make default-model` calls it.

    python bench/default_model/make.py --flickr8k flickr8k --rsicd rsicd --photos photos --out runs/default

Every step is one command of the command line, printed before it runs, and is left out where its result is there
already, the packed one too: remove it to replace it. A training that was stopped is resumed. Seconds of each step are
added to OUT/seconds.json, for the model card.

    tuned      a dual encoder over three sources, its image network trained         configs/default/dense.toml
    frozen     one on the image network as it came                                  configs/default/frozen.toml
    pair       the two side by side, as one run
    dense      the same with a query bank
    rerank     SGFNS on the image network as it came                                configs/default/rerank.toml
    cascade    codes, dense and rerank as one model
    taught     the same, which reads German and Chinese too
    packed     calibrated on Flickr8k's val, in half precision: src/crossgraph/default_model/cascade
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from photos import read_photos

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs" / "default"
PACKED = ROOT / "src" / "crossgraph" / "default_model" / "cascade"
CROSSGRAPH = Path(sys.executable).with_name("crossgraph")


def main() -> None:
    """Run the steps that are not done yet."""
    arguments = read_arguments()
    out: Path = arguments.out
    sources = [f"--data={arguments.flickr8k}", f"--data={arguments.rsicd}"]
    sources.append(f"--data=jsonl:{right_lines(arguments.photos, out)}?images={arguments.photos / 'images'}&val=5")
    names = ("tuned", "frozen", "pair", "dense", "rerank", "cascade", "taught")
    tuned, frozen, pair, dense, rerank, cascade, taught = (out / name for name in names)
    seed = f"--set=training.seed={arguments.seed}"
    words = f"--set=labels.leave_out={CONFIGS / 'held_out_words.json'}"
    train_tuned = ["train", *sources, f"--config={CONFIGS / 'dense.toml'}", seed, words, f"--out={tuned}"]
    train_frozen = ["train", *sources, f"--config={CONFIGS / 'frozen.toml'}", seed, words, f"--out={frozen}"]
    train_rerank = ["train", *sources, f"--config={CONFIGS / 'rerank.toml'}", seed, words]
    train_rerank += [f"--shortlist={dense}", f"--out={rerank}"]
    captions = arguments.flickr8k / "captions_de_zh.jsonl"
    build = ["cascade", "build", f"--codes={arguments.codes}", "--at-most=6000", *sources, f"--dense={dense}", f"--rerank={rerank}"]
    # Flickr8k alone is as good with less; aerial pictures, which the re-ranker knows less of, lose less with this much.
    build += ["--blend=4.5", "--explain=dense"]
    # A share of .75 ranks Flickr8k better by 2 points, and single words worse by 1.
    bank = ["query-bank", str(pair), *sources, "--share=.5", "--sharpness=20", f"--out={dense}"]
    steps: list[tuple[str, Callable[[], bool], list[str]]] = [
        ("tuned", lambda: is_trained(tuned), train_tuned),
        ("frozen", lambda: is_trained(frozen), train_frozen),
        (
            "pair",
            lambda: (pair / "manifest.json").exists(),
            ["ensemble", str(tuned), str(frozen), f"--out={pair}"],
        ),
        ("dense", lambda: (dense / "manifest.json").exists(), bank),
        ("rerank", lambda: is_trained(rerank), train_rerank),
        ("cascade", lambda: (cascade / "cascade.json").exists(), [*build, f"--out={cascade}"]),
        (
            "taught",
            lambda: (taught / "cascade.json").exists(),
            ["teach", str(cascade), f"--captions={captions}", f"--data={arguments.flickr8k}", f"--out={taught}"],
        ),
        (
            "calibrated",
            lambda: is_calibrated(taught),
            ["calibrate", str(taught), f"--data={arguments.flickr8k}", "--split=val"],
        ),
        ("packed", lambda: arguments.packed.exists(), ["cascade", "pack", str(taught), f"--out={arguments.packed}"]),
    ]
    for name, done, command in steps:
        if done():
            print(f"{name}: done already", flush=True)
            continue
        started = time.monotonic()
        run(command, resume=command[0] == "train" and (out / name / "manifest.json").exists())
        note_seconds(out / "seconds.json", name, time.monotonic() - started)


def read_arguments() -> argparse.Namespace:
    """The data, and where all goes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("flickr8k", "rsicd", "photos"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/default"))
    parser.add_argument("--packed", type=Path, default=PACKED)
    parser.add_argument("--codes", default="itq:256", help="learned of the same sources")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def run(command: list[str], *, resume: bool) -> None:
    """One command of the command line; ends the program where it fails."""
    told = [*command, "--resume"] if resume else command
    print("crossgraph", *told, flush=True)
    found = subprocess.run([CROSSGRAPH, *told], check=False)
    if found.returncode:
        sys.exit(f"that ended with {found.returncode}; run the same again to go on from there.")


def right_lines(photos: Path, out: Path) -> Path:
    """A copy of `photos.jsonl` without the lines that are of other pictures than their files hold (`photos.py`)."""
    right = {photo.path.name for photo in read_photos(photos)}
    lines = (photos / "photos.jsonl").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if json.loads(line)["image"] in right]
    file = out / "photos.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    return file


def is_trained(folder: Path) -> bool:
    """Whether a run was trained to its end."""
    manifest = folder / "manifest.json"
    return manifest.exists() and json.loads(manifest.read_text(encoding="utf-8"))["selected"] is not None


def is_calibrated(folder: Path) -> bool:
    """Whether a cascade knows good answers from bad."""
    return bool(json.loads((folder / "cascade.json").read_text(encoding="utf-8"))["calibration"])


def note_seconds(file: Path, step: str, seconds: float) -> None:
    """Add what a step took to what it took before it was stopped."""
    known: dict[str, float] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    known[step] = round(known.get(step, 0.0) + seconds, 1)
    file.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
