"""Jobs on workers that die: in order, each once, in halves."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crossgraph.distributed.connection import Connection
from crossgraph.distributed.pool import AHEAD, HELD, LOST, Pool
from crossgraph.errors import GalleryError
from tests.distributed.countable_jobs import Squares

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pool(connection: Connection) -> Iterator[Pool]:
    """Two workers that all tests use one after the other."""
    with Pool(connection) as opened:
        yield opened


def results(pool: Pool, *jobs: Squares | None) -> list[Any]:
    """The results of each job, its pieces put together."""
    return [[one for piece in pieces for one in piece] for _, pieces in pool.stream((None, job) for job in jobs)]


def test_results_come_in_the_order_of_the_jobs(pool: Pool) -> None:
    jobs = [Squares((number,), seconds=0.3 if number == 0 else 0) for number in range(12)]
    assert results(pool, *jobs[:6], None, *jobs[6:]) == [
        *([n**2] for n in range(6)),
        [],
        *([n**2] for n in range(6, 12)),
    ]


def test_no_more_jobs_are_taken_than_the_memory_is_for(pool: Pool) -> None:
    taken = []

    def jobs() -> Iterator[tuple[int, Squares]]:
        for number in range(40):
            taken.append(number)
            yield number, Squares((number,))

    most = 0
    for number, _ in pool.stream(jobs()):
        most = max(most, len(taken) - number)
    assert most <= 2 * (HELD + AHEAD) + 1


def test_a_worker_that_dies_once_costs_nothing(pool: Pool, tmp_path: Path) -> None:
    jobs = [Squares((number, 10 + number)) for number in range(8)]
    jobs[3] = replace(jobs[3], once=str(tmp_path / "once"))
    assert results(pool, *jobs) == [[n**2, (10 + n) ** 2] for n in range(8)]
    assert (tmp_path / "once").exists()


@pytest.mark.parametrize("poison", [-1, -2], ids=["exit", "segfault"])
def test_a_poisoned_item_costs_that_item(pool: Pool, poison: int) -> None:
    found = results(pool, Squares((1, 2, poison, 3)), Squares((4, 5)))
    assert found == [[1, 4, LOST, 9], [16, 25]]


def test_an_item_that_raises_is_given_up_with_the_reason(pool: Pool) -> None:
    (found,) = results(pool, Squares((1, -3, 2)))
    assert (found[0], found[2]) == (1, 4)
    assert "ZeroDivisionError: by nothing" in found[1]


def test_an_error_that_the_user_can_mend_ends_the_run(pool: Pool) -> None:
    with pytest.raises(GalleryError, match="refused"):
        results(pool, Squares((1, -4)))
    assert results(pool, Squares((3,))) == [[9]]
