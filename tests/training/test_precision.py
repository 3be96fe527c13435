"""Training in bfloat16: every method takes steps near those of single precision, and devices are told apart."""

import pytest
import torch

from crossgraph.config import RunConfig
from crossgraph.errors import ConfigError
from crossgraph.methods.catalogue import METHODS, method_type
from crossgraph.methods.contract import ClosedForm
from crossgraph.progress import Silent
from crossgraph.training.precision import note_precision
from crossgraph.training.workers import ALONE
from tests.training.steps_of_methods import take_steps

TRAINED = [name for name in METHODS if not issubclass(method_type(name), ClosedForm) and name != "pretrained"]


class Noted(Silent):
    """Keeps what was noted."""

    def __init__(self) -> None:
        object.__setattr__(self, "events", list[str]())

    events: list[str]

    def note(self, event: str, **facts: object) -> None:
        self.events.append(event)


@pytest.mark.parametrize("inputs", ["ids", "states"])
@pytest.mark.parametrize("name", TRAINED)
def test_every_method_takes_steps_in_bfloat16_and_hands_on_single_precision(name: str, inputs: str) -> None:
    settings = {"dropout": 0.0}
    half = take_steps(ALONE, name, inputs, settings, 2, torch.float32, torch.bfloat16)
    whole = take_steps(ALONE, name, inputs, settings, 2, torch.float32)
    for mine, exact in zip(half["losses"], whole["losses"], strict=True):
        assert mine.keys() == exact.keys()
        assert sum(mine.values()) == pytest.approx(sum(exact.values()), rel=0.1, abs=0.1)
    assert half["losses"] != whole["losses"]
    kept = [value for value in half["state"].values() if value.is_floating_point()]
    assert {value.dtype for value in kept} == {torch.float32}
    assert all(value.isfinite().all() for value in kept)


def test_the_default_is_single_precision_and_says_nothing() -> None:
    noted = Noted()
    note_precision(RunConfig().training.precision, "cpu", noted)
    assert noted.events == []


def test_a_processor_without_instructions_for_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for has, events in ((False, ["precision"]), (True, [])):
        noted = Noted()
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: {"avx512_bf16": has})
        note_precision("bfloat16", "cpu", noted)
        assert noted.events == events


def test_a_gpu_without_instructions_for_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    with pytest.raises(ConfigError, match=r"set training\.precision='float32'"):
        note_precision("bfloat16", "cuda:0", Silent())
