"""A training step of two versions of this package, step after step in turns: milliseconds of the processor, by part.

    python bench/step_versions.py --before OTHER_CHECKOUT --methods racg sgfns scahn --batch 128 --repeats 3

Each version runs in a process of its own and makes the same step (`crossgraph bench steps`), also scored caption by
caption where the version knows how; the sum of the losses of the first step is printed, which must be the same.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

SERVER = """
import json, sys, time, torch
from crossgraph.bench import steps
torch.set_num_threads(1)
name, size = sys.argv[1], int(sys.argv[2])
method, batch = steps._prepared(name, size)
optimisers = {
    phase: torch.optim.AdamW([{"params": group.parameters} for group in method.groups(phase)], lr=1e-4)
    for phase in method.phases()
}
for line in sys.stdin:
    torch.manual_seed(0)
    method.zero_grad(set_to_none=True)
    began, fresh = time.process_time(), batch.to("cpu")
    loss = torch.stack([one for phase in optimisers for one in method.losses(fresh, phase).values()]).sum()
    scored = time.process_time()
    loss.backward()
    backward = time.process_time()
    for optimiser in optimisers.values() if line.strip() == "step" else ():
        optimiser.step()
    spent = [scored - began, backward - scored, time.process_time() - backward]
    print(json.dumps({"loss": loss.item(), "spent": [1e3 * one for one in spent]}), flush=True)
"""


class Version:
    """One version's process, which makes a step when it is told to."""

    def __init__(self, source: Path, method: str, batch: int) -> None:
        environment = {**os.environ, "PYTHONPATH": str(source / "src"), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, method, str(batch)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def step(self, *, changes: bool = True) -> dict[str, Any]:
        """One step: the loss before it, and what was spent on losses, backward pass and optimiser."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("step\n" if changes else "look\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def main() -> None:
    """Print a table of both versions for each method."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--before", type=Path, required=True, help="a checkout of the other version")
    parser.add_argument("--methods", nargs="+", default=["kidrr", "racg", "sgfns", "scahn", "dual_encoder"])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    print(f"batch {given.batch}, load {os.getloadavg()[0]:.1f}; ms of losses, backward pass, optimiser; all; loss")
    for name in given.methods:
        versions = {"before": given.before, "after": Path(__file__).parents[1]}
        running = {said: Version(source.resolve(), name, given.batch) for said, source in versions.items()}
        first = {said: version.step(changes=False)["loss"] for said, version in running.items()}
        spent: dict[str, list[list[float]]] = {said: [] for said in running}
        for _ in range(given.repeats):
            for said, version in running.items():
                spent[said].append(version.step()["spent"])
        total = {}
        for said, version in running.items():
            version.close()
            parts = [median(part) for part in zip(*spent[said], strict=True)]
            total[said] = median(sum(one) for one in spent[said])
            shown = " + ".join(f"{part:,.0f}" for part in parts)
            print(f"{name:13} {said:6} {shown} = {total[said]:,.0f}; loss {first[said]:.6f}")
        print(f"{name:13} {total['before'] / total['after']:.2f} times as fast", flush=True)


if __name__ == "__main__":
    main()
