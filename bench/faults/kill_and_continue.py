"""Kill -9 in the middle of feature caching, of training and of indexing; show that the next run continues.

    python bench/faults/kill_and_continue.py [--data scenes:400] [--kills 3] [--work FOLDER]

For each stage the command is killed `--kills` times, each time after some progress, then run to its end, and the
outcome is compared with a run that nobody disturbed: the keys of the feature cache, the training losses and selected
weights, the rows of the gallery. Prints one line a stage and ends with status 1 if anything was lost or doubled.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

CROSSGRAPH = (sys.executable, "-c", "from crossgraph.cli import main; main()")
SETTINGS = ("images.size=128", "images.cells=[3]", "training.epochs=3", "training.batch_size=16", "model.width=64")


def run(words: Sequence[object], *, cache: Path, kill_when: Callable[[dict[str, Any]], bool] | None = None) -> bool:
    """Run a command; kill it when a line of its progress says so. True if it was killed."""
    process = subprocess.Popen(
        [*CROSSGRAPH, *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CROSSGRAPH_CACHE": str(cache)},
    )
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if kill_when is not None and line.startswith("{") and kill_when(json.loads(line)):
            process.send_signal(signal.SIGKILL)
            process.wait()
            return True
    if process.wait() != 0:
        raise SystemExit(f"{' '.join(map(str, words))} failed:\n{''.join(lines[-5:])}")
    return False


def disturbed(words: Sequence[object], again: Sequence[object], *, cache: Path, task: str, kills: int) -> int:
    """Kill `words`, then `again`, each further into the tasks of that name; then let it end."""
    done = 0
    for attempt in range(kills):
        share = (attempt + 1) / (kills + 1)

        def far_enough(line: dict[str, Any], share: float = share) -> bool:
            return str(line.get("task", "")).startswith(task) and line["done"] >= max(1, share * line["total"])

        done += run(again if done else words, cache=cache, kill_when=far_enough)
    run(again if done else words, cache=cache)
    return done


def losses(folder: Path) -> list[object]:
    """Every loss and validation that a run logged, in order."""
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [(row.get("step"), row.get("loss"), row.get("validation")) for row in rows]


def feature_keys(cache: Path) -> list[str]:
    """The key of every cached record, doubled ones twice."""
    from crossgraph.data.feature_cache import _Shard

    return sorted(key for shard in (cache / "features").rglob("*.safetensors") for key in _Shard(shard).keys)


def gallery_rows(gallery: Path) -> list[tuple[str, str]]:
    """Name and digest of every picture, and the key of every set of parts; ids depend on where the pictures lie."""
    import lance

    items = lance.dataset(gallery / "items.lance").to_table(columns=["path", "digest"]).to_pylist()
    parts = lance.dataset(gallery / "parts.lance").to_table(columns=["key"]).to_pylist()
    return sorted([(Path(row["path"]).name, row["digest"]) for row in items] + [("part", row["key"]) for row in parts])


def main() -> None:
    """Run the three stages twice, undisturbed and disturbed, and compare."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", default="scenes:400")
    options.add_argument("--kills", type=int, default=3)
    options.add_argument("--work", type=Path)
    asked = options.parse_args()
    work = asked.work or Path(tempfile.mkdtemp())
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    failed = False
    outcomes: dict[str, dict[str, tuple[int, list[Any]]]] = {}
    for name, kills in (("undisturbed", 0), ("disturbed", asked.kills)):
        cache, dual, fine, gallery = (work / name / part for part in ("cache", "dual", "kidrr", "gallery"))
        first = ["train", "--data", asked.data, "--method", "dual_encoder", "--out", dual, *settings]
        second = ["train", "--data", asked.data, "--method", "kidrr", "--shortlist", dual, "--out", fine, *settings]
        second += ["--set", "model.similarity_width=16", "--set", "training.save_seconds=1"]
        indexing = ["index", asked.data, "--gallery", gallery, "--model", fine]
        caching = disturbed(first, first, cache=cache, task="encoding pictures", kills=kills)
        resume = ["train", "--resume", "--data", asked.data, "--out", fine]
        training = disturbed(second, resume, cache=cache, task="epoch", kills=kills)
        index_kills = disturbed(indexing, indexing, cache=cache, task="indexing", kills=kills)
        outcomes[name] = {
            "caching": (caching, feature_keys(cache)),
            "training": (training, losses(fine)),
            "indexing": (index_kills, gallery_rows(gallery)),
        }
    for stage in ("caching", "training", "indexing"):
        expected, (kills, found) = outcomes["undisturbed"][stage][1], outcomes["disturbed"][stage]
        same = expected == found
        failed |= not same or (asked.kills > 0 and kills == 0)
        print(
            f"{stage}: killed {kills} times, {len(found)} records, {'equal to' if same else 'DIFFERENT from'} "
            "an undisturbed run"
        )
    raise SystemExit(int(failed))


if __name__ == "__main__":
    main()
