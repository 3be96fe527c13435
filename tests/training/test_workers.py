"""Two workers train as one with the whole batch does: the same losses, gradients, steps and buffers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from crossgraph.layers.shared_rows import by_row, gathered, share_of, shared
from crossgraph.methods.catalogue import METHODS, method_type
from crossgraph.methods.contract import ClosedForm
from crossgraph.training.checkpoint import LOG
from crossgraph.training.workers import ALONE, Workers
from tests.methods.synthetic_items import LOSSES
from tests.training.fake_dataset import fake_trainer
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


SINGLE = ({"supervision": "pairs", "teaching": 1.0},)
"""Settings by which a method computes in single precision, whatever comes in; all of tsscl too."""


@pytest.mark.parametrize(("name", "settings"), list(cases()), ids=str)
def test_two_workers_step_as_one_does(pair: Pair, name: str, settings: dict[str, Any]) -> None:
    single = name == "tsscl" or settings in SINGLE
    inputs = "ids" if settings.get("loss") == "triplet" else "states"
    what = (name, inputs, {"dropout": 0.0, **settings}, 3, torch.float32 if single else torch.float64)
    first, second = pair.do(take_steps, *what)
    alone = take_steps_alone(*what)
    assert any(value is not None and value.abs().max() > 0 for value in alone["gradients"].values())
    assert_alike(first, alone, within=1e-3 if single else 1e-9)
    assert_alike(second, first, within=0.0)


def dropped(workers: Workers) -> list[torch.Tensor]:
    """What a worker's dropout keeps of the same rows in two steps, and what all workers draw in common after it."""
    torch.manual_seed(5)
    found = []
    for step in (0, 1, 0):
        with shared(workers.sharing(precision=torch.float32, device="cpu", seed=0, step=step)):
            found.append(Dropping()(torch.ones(4, 50)))
    return [*found, torch.rand(3)]


class Dropping(torch.nn.Module):
    @by_row
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.dropout(rows, 0.5)


def test_each_worker_drops_what_it_draws_itself_and_all_draw_alike_afterwards(pair: Pair) -> None:
    first, second = pair.do(dropped)
    assert all(torch.equal(here, there) for here, there in zip(first, second, strict=True))
    rows, later, again, common = first
    assert not torch.equal(rows[:2], rows[2:])
    assert not torch.equal(rows, later)
    assert torch.equal(rows, again)
    torch.manual_seed(5)
    assert torch.equal(common, torch.rand(3))


def ragged(workers: Workers) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of other widths by each worker, and what comes back to them."""
    width = 2 + workers.rank
    own = torch.full((workers.rank + 1, width), float(workers.rank + 1), requires_grad=True)
    rows = gathered(own, workers.group)
    (rows * torch.arange(rows.numel()).view_as(rows) * (workers.rank + 1)).sum().backward()
    return rows.detach(), own.grad


def test_rows_of_other_widths_are_padded_and_what_comes_back_is_summed(pair: Pair) -> None:
    (rows, back), (same, other) = pair.do(ragged)
    assert torch.equal(rows, torch.tensor([[1.0, 1.0, 0.0], [2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]))
    assert torch.equal(rows, same)
    assert torch.equal(back, torch.tensor([[0.0, 3.0]]))
    assert torch.equal(other, 3.0 * torch.tensor([[3.0, 4.0, 5.0], [6.0, 7.0, 8.0]]))


def summed(workers: Workers) -> list[torch.Tensor | None]:
    heard, by_one, by_none = (torch.nn.Parameter(torch.zeros(2)) for _ in range(3))
    heard.grad = torch.full((2,), 1.0 + workers.rank)
    by_one.grad = None if workers.rank else torch.tensor([4.0, 5.0])
    workers.sum_gradients([heard, by_one, by_none])
    return [one.grad for one in (heard, by_one, by_none)]


def test_gradients_are_summed_and_what_nobody_hears_of_has_none(pair: Pair) -> None:
    for heard, by_one, by_none in pair.do(summed):
        assert heard.tolist() == [3.0, 3.0]
        assert by_one.tolist() == [4.0, 5.0]
        assert by_none is None


@pytest.mark.parametrize(("rows", "workers"), [(7, 2), (8, 3), (3, 3), (0, 2)])
def test_shares_follow_each_other_and_differ_by_one_at_most(rows: int, workers: int) -> None:
    shares = [share_of(rows, rank=rank, workers=workers) for rank in range(workers)]
    assert [place for share in shares for place in range(rows)[share]] == list(range(rows))
    lengths = [share.stop - share.start for share in shares]
    assert max(lengths) - min(lengths) <= 1


def test_fewer_rows_than_workers_are_made_by_all(pair: Pair) -> None:
    assert [rows.tolist() for rows in pair.do(one_row)] == [[[1.0]], [[1.0]]]


def one_row(workers: Workers) -> torch.Tensor:
    with shared(workers.sharing(precision=torch.float32, device="cpu", seed=0, step=0)):
        made: torch.Tensor = Doubling()(torch.full((1, 1), 0.5))
    return made


class Doubling(torch.nn.Module):
    @by_row
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return 2 * rows


def train_fake(workers: Workers, run: Path, method: str, settings: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Where a whole training of several epochs ends, in a folder of each worker."""
    trainer = fake_trainer(run / str(workers.rank), method=method, workers=workers, **settings)
    trainer.train()
    return trainer.method.state_dict()


@pytest.mark.parametrize("method", ["dual_encoder", "kidrr"])
def test_a_whole_training_by_two_ends_where_that_by_one_does(pair: Pair, tmp_path: Path, method: str) -> None:
    settings = {"model": {"dropout": 0.0}, "mirror": True, "neighbours": True, "average": 0.9}
    first, second = pair.do(train_fake, tmp_path, method, settings)
    train_fake(ALONE, tmp_path / "alone", method, settings)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    log = [json.loads(line) for line in (tmp_path / "0" / LOG).read_text(encoding="utf-8").splitlines()]
    by_one = [json.loads(line) for line in (tmp_path / "alone" / "0" / LOG).read_text(encoding="utf-8").splitlines()]
    assert [one["loss"] for one in log if "loss" in one] == pytest.approx(
        [one["loss"] for one in by_one if "loss" in one], rel=1e-4
    )
    assert not (tmp_path / "1").exists()
