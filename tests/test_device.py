"""Devices by name, and clear refusals of those that are not here."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from crossgraph.device import checked_device
from crossgraph.errors import ConfigError


def machine(monkeypatch: pytest.MonkeyPatch, *, built: bool = True, gpus: int = 0, mps: bool = False) -> None:
    """Let torch say that it was built with CUDA, and what it finds."""
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: built)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.backends.mps, "is_built", lambda: mps)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


def test_a_device_that_is_here_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, gpus=2, mps=True)
    assert checked_device("cpu") == torch.device("cpu")
    assert checked_device("cuda") == torch.device("cuda")
    assert checked_device("cuda:1") == torch.device("cuda", 1)
    assert checked_device("mps") == torch.device("mps")
    assert checked_device(" CPU ") == torch.device("cpu")


@pytest.mark.parametrize(("gpus", "mps", "best"), [(1, True, "cuda"), (0, True, "mps"), (0, False, "cpu")])
def test_auto_is_the_best_there_is(gpus: int, mps: bool, best: str, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, gpus=gpus, mps=mps)
    assert checked_device("auto").type == best


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gpu", "Did you mean 'cuda'"),
        ("gpu:1", "Did you mean 'cuda:1'"),
        ("cdua", "Did you mean 'cuda'"),
        ("metal", "Did you mean 'mps'"),
        ("cuda:x", "Only cuda has a number, as in cuda:0; got 'x'"),
        ("cuda:-1", "got '-1'"),
        ("cuda:", "got ''"),
        ("cpu:0", "Only cuda has a number"),
        ("", "unknown device ''"),
        ("meta", "Known: auto, cpu, cuda, mps"),
    ],
)
def test_an_unknown_name_is_refused_with_the_one_that_was_meant(name: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        checked_device(name)
    assert said in str(refused.value)


def test_a_torch_without_cuda_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, built=False)
    with pytest.raises(ConfigError, match=r"built without it.*--device cpu"):
        checked_device("cuda")
    with pytest.raises(ConfigError, match=r"built without it.*--device cpu"):
        checked_device("mps")


def test_a_machine_without_a_gpu_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch)
    with pytest.raises(ConfigError, match="torch finds none"):
        checked_device("cuda:0")


def test_a_gpu_that_is_not_there_is_refused_with_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, gpus=2)
    with pytest.raises(ConfigError, match="'cuda:2': torch finds cuda:0, cuda:1"):
        checked_device("cuda:2")


@pytest.mark.slow
def test_naming_devices_does_not_load_torch() -> None:
    script = "import sys; import crossgraph.device; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)
