"""An engine that is not what its name says is not measured."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "bench" / "backbone_rates.py"
PIXELS = np.ones((2, 3, 8, 8), np.float32)


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("backbone_rates", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def doubled(pixels: np.ndarray) -> np.ndarray:
    return 2 * pixels


@pytest.fixture
def by_torch(bench: ModuleType) -> object:
    return bench.by_torch(torch.nn.Conv2d(3, 4, 3).eval())


@pytest.fixture
def by_compile(bench: ModuleType) -> object:
    return bench.by_torch(torch.compile(torch.nn.Conv2d(3, 4, 3).eval(), backend="eager", dynamic=False))


def test_it_is_seen_what_computes(bench: ModuleType, by_torch: object, by_compile: object) -> None:
    runs = {"channels-last": by_torch, "compile": by_compile, "openvino": doubled}
    bench.require_real(runs, PIXELS)
    assert [bench.computed_by(run, PIXELS) for run in runs.values()] == ["torch", "torch.compile", "neither"]


@pytest.mark.parametrize("engine", ["compile", "onnxruntime", "openvino", "crossgraph"])
def test_torch_under_another_name_is_refused(bench: ModuleType, by_torch: object, engine: str) -> None:
    with pytest.raises(SystemExit, match=f"{engine} was computed by torch"):
        bench.require_real({"channels-last": by_torch, engine: by_torch}, PIXELS)


def test_another_engine_under_the_name_of_torch_is_refused(bench: ModuleType) -> None:
    with pytest.raises(SystemExit, match="channels-last was computed by neither, not by torch"):
        bench.require_real({"channels-last": doubled}, PIXELS)
