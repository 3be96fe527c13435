"""The command as a process: quick to start, quiet when the reader leaves, and able to stop."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import DATA, TINY, call, with_settings

COMMAND = (sys.executable, "-c", "from crossgraph.cli import main; main()")


@pytest.mark.parametrize(
    "verb",
    [
        "demo",
        "data",
        "train",
        "evaluate",
        "ablate",
        "index",
        "sync",
        "gallery",
        "search",
        "explain",
        "graph",
        "methods",
    ],
)
def test_every_verb_has_help(verb: str) -> None:
    assert call(verb, "--help").exit_code == 0


@pytest.mark.slow
def test_a_broken_pipe_is_quiet() -> None:
    process = subprocess.Popen(
        [*COMMAND, "methods", "show", "kidrr"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    process.wait(timeout=60)


@pytest.mark.slow
def test_a_closed_stream_is_no_fault() -> None:
    command = shlex.join([*COMMAND, "methods", "list"])
    for closed in (">&-", "<&- >&-", "2>&-"):
        done = subprocess.run(["sh", "-c", f"{command} {closed}"], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr, bool(done.stdout)) == (0, "", closed == "2>&-")


@pytest.mark.slow
def test_ctrl_c_saves_the_training_and_says_how_to_go_on(cache: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = subprocess.Popen(
        [
            *(*COMMAND, "train", "--data", DATA, "--method", "dual_encoder", "--out", str(run)),
            *with_settings([*TINY, "training.epochs=100000", "model.heads=2"]),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CROSSGRAPH_CACHE": str(cache), "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 120
    while not (run / "weights.safetensors").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"crossgraph train --resume --data {DATA} --out {run}" in said
    assert "Traceback" not in said
    assert (run / "last.safetensors").exists()
