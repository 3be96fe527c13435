"""The text half of dual encoders in arrays gives the vectors of the method itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from crossgraph.layers.query_bank import QueryBank
from crossgraph.methods.catalogue import build_method
from crossgraph.methods.contract import InputSizes, Method
from crossgraph.quick.dual_encoder import QuickDualEncoder
from crossgraph.types import TextBatch

SIZES = InputSizes(part_width=6, whole_width=6, vocabulary=0, state_width=12)


def made(name: str, **settings: object) -> Method:
    torch.manual_seed(3)
    method = build_method(name, {"width": 16, "heads": 4, "gru_width": 0, **settings}, SIZES).eval()
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.normal_(0.1)
    return method


def saved(method: Method, folder: Path) -> Path:
    file = folder / "weights.safetensors"
    save_file({name: value.contiguous() for name, value in method.state_dict().items()}, file)
    return file


BANK = {"bank_images": 12, "bank_texts": 10, "bank_share": 0.75, "bank_sharpness": 20.0}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("dual_encoder", {}),
        ("encoder_ensemble", {"branches": 3, "blocks": 1}),
        ("dual_encoder", BANK),
        ("encoder_ensemble", {"branches": 2, "blocks": 1, **BANK}),
    ],
)
@torch.inference_mode()
def test_vectors_are_those_of_the_method(name: str, settings: dict[str, object], tmp_path: Path) -> None:
    method = made(name, **settings)
    if isinstance(bank := getattr(method, "bank", None), QueryBank):
        bank.fill(*(F.normalize(torch.randn(len(side), side.shape[1]), dim=1) for side in (bank.images, bank.texts)))
    quick = QuickDualEncoder.open(name, settings, saved(method, tmp_path))
    assert quick is not None
    for words in (1, 2, 7):
        states = torch.randn(words, 12).half()
        texts = TextBatch(
            words=(tuple("w" * words),), mask=torch.ones(1, words, dtype=torch.bool), states=states[None].float()
        )
        expected = method.encode_texts(texts).embedding[0].numpy()
        assert np.abs(quick.vector(states.numpy()) - expected).max() <= 2e-6


def test_what_reads_by_a_gru_is_left_to_torch(tmp_path: Path) -> None:
    assert QuickDualEncoder.open("dual_encoder", {}, saved(made("dual_encoder", gru_width=8), tmp_path)) is None


def test_other_methods_are_left_to_torch(tmp_path: Path) -> None:
    assert QuickDualEncoder.open("racg", {}, saved(made("dual_encoder"), tmp_path)) is None
