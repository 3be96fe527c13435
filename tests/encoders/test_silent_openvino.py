"""OpenVINO sends nothing, starts no process and writes nothing into the home folder."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys, time
forks = []
os.register_at_fork(before=lambda: forks.append(1))
import torch
from crossgraph.encoders.efficientnet import EfficientNetBackbone
from crossgraph.encoders.fast_tokens import FastTokens
network = EfficientNetBackbone("efficientnet-lite0", size=64).eval().requires_grad_(False)
network.fuse()
tokens = FastTokens(network, after=1)
with torch.inference_mode():
    for _ in range(2):
        tokens(torch.zeros(1, 3, 64, 64))
assert tokens.compiled
for _ in range(100):  # its telemetry has a thread of its own
    if forks:
        break
    time.sleep(0.01)
print(len(forks), sorted(name for name in sys.modules if name.startswith("openvino_telemetry")))
"""


@pytest.mark.slow
def test_a_network_is_compiled_and_run_without_a_word_to_its_makers(tmp_path: Path) -> None:
    if importlib.util.find_spec("openvino_telemetry") is None:
        pytest.skip("OpenVINO is not installed, or has no telemetry any more")
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "0 []\n"
    assert not list(tmp_path.iterdir())
