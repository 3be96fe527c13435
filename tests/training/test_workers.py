"""Two workers train as one with the whole batch does: the same losses, gradients, steps and buffers."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from crossgraph.layers.shared_rows import share_of
from crossgraph.methods.catalogue import METHODS, method_type
from crossgraph.methods.contract import ClosedForm
from tests.methods.synthetic_items import LOSSES
from tests.training.steps_of_methods import take_steps, take_steps_alone
from tests.training.worker_pair import Pair, worker_pair

TRAINED = [name for name in METHODS if not issubclass(method_type(name), ClosedForm) and name != "pretrained"]
MORE: dict[str, list[dict[str, Any]]] = {
    "dual_encoder": [{"ignore_equal": True}],
    "kidrr": [{"candidates": 3}, {"reasoning": "sgr"}],
    "racg": [{"candidates": 3}, {"cross_graph": False}],
    "sgfns": [{"candidates": 2, "neg_loss": "ce"}, {"neg_loss": "hinge", "visual": "replaced"}, {"fusion": False}],
    "scahn": [{"mode": "released"}, {"supervision": "pairs", "teaching": 1.0}, {"adversary": False}],
    "tsscl": [{"stgcn": "shared", "pair": 1.0}, {"encoder": "mean"}, {"anchored": 0.0}],
    "dcmh": [{"balanced_pairs": False}],
}
"""Settings by which a method computes other losses."""


def cases() -> Iterator[tuple[str, dict[str, Any]]]:
    for name in TRAINED:
        has_loss = "loss" in method_type(name).config_type.model_fields
        for loss in LOSSES.get(name, ("info_nce", "triplet")) if has_loss else ("",):
            yield name, {"loss": loss} if loss else {}
        for settings in MORE.get(name, []):
            yield name, settings


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with worker_pair() as both:
        yield both


def assert_alike(one: dict[str, Any], other: dict[str, Any], *, within: float) -> None:
    assert len(one["losses"]) == len(other["losses"])
    for here, there in zip(one["losses"], other["losses"], strict=True):
        assert here == pytest.approx(there, rel=within, abs=within)
    for what in ("gradients", "state"):
        assert one[what].keys() == other[what].keys()
        for name, value in one[what].items():
            if value is None:
                assert other[what][name] is None, name
            elif value.is_floating_point():
                assert torch.allclose(value, other[what][name], rtol=within, atol=within), (what, name)
            else:
                assert torch.equal(value, other[what][name]), (what, name)


@pytest.mark.parametrize("inputs", ["ids", "states"])
@pytest.mark.parametrize(("name", "settings"), list(cases()), ids=str)
def test_two_workers_step_as_one_does(pair: Pair, name: str, settings: dict[str, Any], inputs: str) -> None:
    without_dropout = {"dropout": 0.0, **settings}
    first, second = pair.do(take_steps, name, inputs, without_dropout, 3)
    alone = take_steps_alone(name, inputs, without_dropout, 3)
    assert any(value is not None and value.abs().max() > 0 for value in alone["gradients"].values())
    assert_alike(first, alone, within=1e-9)
    assert_alike(second, first, within=0.0)
