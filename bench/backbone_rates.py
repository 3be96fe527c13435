"""How many pictures a second an image network reads by each engine, and how far each is from torch as it is used here.

    python bench/backbone_rates.py [--encoder efficientnet-lite2] [--batches 1 8 16 32] [--threads 1 2]
        [--seconds 3] [--rounds 3] [--out rates.json]

    channels-last   torch with batch normalisation folded in and channels last: how crossgraph reads the first ones
    plain           the same with channels first
    compile         the same as the first by torch.compile
    onnxruntime     ONNX Runtime, exported by torch.onnx
    openvino        OpenVINO, of the same file, all pictures of a batch at once
    crossgraph      how crossgraph reads pictures after the first 64: OpenVINO, converted from torch, one at a time

That each computes by what its name says is looked at, or nothing is measured. Engines that are not installed are left
out (export wants onnx and onnxscript). Rates are medians over rounds, in which all take turns; those by CPU seconds
hold on a busy machine, too. The difference is the largest of any output beside the largest output.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from crossgraph.encoders.backbone import Backbone
from crossgraph.encoders.catalogue import build_backbone
from crossgraph.encoders.fast_tokens import FastTokens
from crossgraph.encoders.silent_openvino import import_openvino

Run: TypeAlias = Callable[[np.ndarray], np.ndarray]

BY = {"channels-last": "torch", "plain": "torch", "compile": "torch.compile"}
"""What computes, by the name of the engine; of all others it is neither."""


class Grid(torch.nn.Module):
    """The feature map of a network, channels first or last."""

    def __init__(self, backbone: Backbone, *, last: bool) -> None:
        super().__init__()
        self.network: Any = backbone.network
        self.last = last

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """The map of these pictures."""
        layout = torch.channels_last if self.last else torch.contiguous_format
        found: torch.Tensor = self.network.extract_features(pixels.contiguous(memory_format=layout))
        return found


def frozen(name: str, *, last: bool) -> Grid:
    """The network as features are extracted with it."""
    backbone = build_backbone(name).eval().requires_grad_(False)
    backbone.fuse()
    layout = torch.channels_last if last else torch.contiguous_format
    network: torch.nn.Module = backbone
    network.to(memory_format=layout)  # type: ignore[call-overload]
    return Grid(backbone, last=last).eval()


def by_torch(module: Callable[[torch.Tensor], torch.Tensor]) -> Run:
    """A module as a function of arrays."""

    def run(pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return module(torch.from_numpy(pixels)).contiguous().numpy()

    return run


def exported(name: str, size: int, folder: Path) -> Path:
    """The network as an ONNX file for batches of any length."""
    path = folder / "network.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            frozen(name, last=False),
            (torch.zeros(2, 3, size, size),),
            path,
            input_names=["pixels"],
            output_names=["grid"],
            dynamic_shapes={"pixels": {0: torch.export.Dim("n", min=1, max=64)}},
            dynamo=True,
            verbose=False,
        )
    return path


def by_onnxruntime(path: Path, threads: int) -> Run:
    """ONNX Runtime, its threads asleep while they wait."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda pixels: session.run(None, {"pixels": pixels})[0]


def by_openvino(path: Path, threads: int) -> Run:
    """OpenVINO in single precision."""
    openvino = import_openvino()
    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino.Core().compile_model(openvino.Core().read_model(path), "CPU", settings)
    return lambda pixels: compiled(pixels)[0]


def as_used(name: str) -> Run:
    """`FastTokens`, once it has compiled."""
    backbone = build_backbone(name).eval().requires_grad_(False)
    backbone.fuse()
    tokens, size = FastTokens(backbone, after=1), backbone.preparation.size
    with torch.inference_mode():
        tokens(torch.zeros(1, 3, size, size))

    def run(pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return tokens(torch.from_numpy(pixels))[0].numpy()

    return run


def computed_by(run: Run, pixels: np.ndarray) -> str:
    """What the convolutions of a run are computed by: torch, torch.compile, or neither."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        run(pixels)
    names = {str(event.name) for event in profile.events() or ()}
    if any(name.startswith("Torch-Compiled Region") for name in names):
        return "torch.compile"
    return "torch" if any("convolution" in name for name in names) else "neither"


def require_real(runs: dict[str, Run], pixels: np.ndarray) -> None:
    """Raise `SystemExit` if an engine is not what its name says."""
    for engine, run in runs.items():
        run(pixels)  # compiles what is to be compiled
        if (by := computed_by(run, pixels)) != BY.get(engine, "neither"):
            raise SystemExit(f"{engine} was computed by {by}, not by {BY.get(engine, 'itself')}: nothing is measured.")


def engines(name: str, size: int, threads: int, folder: Path) -> dict[str, Run]:
    """Those that are there; why another is not is printed."""
    torch.set_num_threads(threads)
    last = frozen(name, last=True)
    found = {"channels-last": by_torch(last), "plain": by_torch(frozen(name, last=False))}
    found["compile"] = by_torch(torch.compile(last, dynamic=False))
    if importlib.util.find_spec("openvino"):
        found["crossgraph"] = as_used(name)
    try:
        path = exported(name, size, folder)
    except ImportError as error:
        print(f"no export: {error}")
        return found
    for engine, make in {"onnxruntime": by_onnxruntime, "openvino": by_openvino}.items():
        try:
            found[engine] = make(path, threads)
        except ImportError as error:
            print(f"no {engine}: {error}")
    return found


def rate(run: Run, pixels: np.ndarray, seconds: float) -> tuple[float, float]:
    """Pictures a second, and a CPU second, once so many CPU seconds are spent."""
    started, began, done = time.perf_counter(), time.process_time(), 0
    while (spent := time.process_time() - began) < seconds:
        run(pixels)
        done += len(pixels)
    return done / (time.perf_counter() - started), done / spent


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--encoder", default="efficientnet-lite2")
    options.add_argument("--batches", type=int, nargs="+", default=[1, 8, 16, 32])
    options.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options.add_argument("--seconds", type=float, default=3)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--out", type=Path)
    asked = options.parse_args()
    size = build_backbone(asked.encoder).preparation.size
    told = []
    for threads in asked.threads:
        with tempfile.TemporaryDirectory(prefix="crossgraph-") as folder:
            runs = engines(asked.encoder, size, threads, Path(folder))
            for batch in asked.batches:
                pixels = np.random.default_rng(0).normal(size=(batch, 3, size, size)).astype(np.float32)
                require_real(runs, pixels)
                outputs = {engine: run(pixels) for engine, run in runs.items()}
                expected = outputs["channels-last"]
                apart = {one: float(abs(got - expected).max() / abs(expected).max()) for one, got in outputs.items()}
                rates: dict[str, list[tuple[float, float]]] = {engine: [] for engine in runs}
                for _ in range(asked.rounds):
                    for engine, run in runs.items():
                        rates[engine].append(rate(run, pixels, asked.seconds))
                for engine, found in rates.items():
                    wall, cpu = (statistics.median(one) for one in zip(*found, strict=True))
                    at = f"threads {threads} batch {batch:2} {engine:14}"
                    print(f"{at} {wall:7.1f} a second, {cpu:7.1f} a CPU second, apart {apart[engine]:.1e}", flush=True)
                    told.append(
                        {"threads": threads, "batch": batch, "engine": engine, "rates": found, "apart": apart[engine]}
                    )
    print(f"{size} pixels, {os.cpu_count()} cores, load {os.getloadavg()}")
    if asked.out is not None:
        asked.out.write_text(json.dumps(told, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
