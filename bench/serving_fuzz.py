"""Requests made from the OpenAPI description against a real server: which answers are not as described.

    python bench/serving_fuzz.py [--cases 5000] [--seed 0] [--only PART] [--shown 3]

Serves a gallery of sixty drawn pictures, whose model was trained for seconds, on 127.0.0.1 with --manage and --runs,
and makes so many cases by schemathesis over all operations: half of them right by the description, with ids that are
there put in, half of them wrong. Prints the cases of each operation, their answers by status, and what was wrong: an
answer of 500 or above, a status, content type, header or body that is not described, a wrong request that was taken,
or a right one that was not understood. The exit code is 1 where there is any.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the tests' gallery

import crossgraph
from crossgraph.gallery.picture_map import picture_map
from crossgraph.serving.settings import ServerSettings
from tests.serving.fuzzing import Found, fuzz, known_of
from tests.serving.served import draw_pictures, live, make_gallery, train_model


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=5_000, help="over all operations together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="operations whose name has this in it")
    parser.add_argument("--shown", type=int, default=3, help="so many failures of each kind are printed")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["CROSSGRAPH_CACHE"] = str(root / "cache")
        served = make_gallery(root / "gallery", draw_pictures(root / "pictures"), train_model(root))
        opened = crossgraph.open_gallery(served.gallery)
        opened.warm()
        picture_map(opened.current())
        settings = ServerSettings(served.gallery, rate=0, manage=True, runs=root)
        server = live(settings, opened).start()
        try:
            known = known_of(server.url)
            found = fuzz(server.url, known, cases=asked.cases, seed=asked.seed, only=asked.only)
        finally:
            server.stop()
    return told(found, asked.shown)


def told(found: dict[str, Found], shown: int) -> int:
    """Print it; 1 where anything is wrong."""
    print("| operation | cases | answers | 500 or above | violations |\n|---|---|---|---|---|")
    for name, one in sorted(found.items()):
        statuses = ", ".join(f"{status}: {count}" for status, count in sorted(one.statuses.items()))
        print(f"| {name} | {one.cases} | {statuses} | {one.server_errors} | {one.violations} |")
    cases, errors, wrong = (
        sum(getattr(one, name) for one in found.values()) for name in ("cases", "server_errors", "violations")
    )
    print(f"| all {len(found)} | {cases} | | {errors} | {wrong} |")
    for name, one in sorted(found.items()):
        for kind, texts in one.failures.items():
            print(f"\n{name}: {kind} ({len(texts)})")
            for text in texts[:shown]:
                print("    " + text.replace("\n", "\n    "))
    return int(bool(errors or wrong))


if __name__ == "__main__":
    sys.exit(main())
