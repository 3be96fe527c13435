"""Deadlines, and clusters in which no worker fits."""

import subprocess
import sys
import time
from dataclasses import replace

import pytest

from crossgraph.distributed import pool as pool_module
from crossgraph.distributed.connection import Connection
from crossgraph.distributed.pool import LOST, Pool
from crossgraph.errors import ClusterError
from crossgraph.progress import Silent
from tests.distributed.countable_jobs import FixedPlace, Squares
from tests.distributed.test_pool import results

pytestmark = pytest.mark.slow


def test_a_job_that_takes_for_ever_is_given_up(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "DEATHS", 1)
    settings = replace(connection.settings, batch_seconds=8.0, workers=1)
    with Pool(replace(connection, settings=settings)) as pool:
        assert results(pool, Squares((-5,)), Squares((2,))) == [[LOST], [4]]


def test_a_run_ends_when_its_time_is_up(connection: Connection) -> None:
    settings = replace(connection.settings, seconds=1.0, workers=1)
    with (
        Pool(replace(connection, settings=settings)) as pool,
        pytest.raises(ClusterError, match="the 1 seconds are over"),
    ):
        results(pool, Squares((-5,)))


def test_a_cluster_that_is_too_small_is_refused_at_once(connection: Connection) -> None:
    for settings in (replace(connection.settings, workers=3), replace(connection.settings, workers=1, threads=5)):
        with pytest.raises(ClusterError, match="do not fit: the cluster has 2 processors"):
            Pool(replace(connection, settings=settings))


def test_a_cluster_that_others_use_is_an_error_and_no_wait_for_ever(connection: Connection) -> None:
    settings = replace(connection.settings, start_seconds=1.0)
    other = connection.ray.remote(FixedPlace).options(num_cpus=2).remote()
    wait_until_free(connection, 0)
    try:
        with (
            Pool(replace(connection, settings=settings)) as pool,
            pytest.raises(
                ClusterError, match="no worker fits into the cluster: it has 2 processors, of which 0 are free"
            ),
        ):
            results(pool, Squares((1,)))
    finally:
        connection.ray.kill(other)


def test_workers_that_are_all_lost_in_the_middle_are_an_error_within_a_minute(connection: Connection) -> None:
    assert connection.settings.start_seconds <= 40  # Ray takes up to 17 to tell that a node is gone
    settings = replace(connection.settings, start_seconds=2.0)
    ray, noted = connection.ray, Noted()
    wait_until_free(connection, connection.total())  # Ray is still taking back what the test before had
    with Pool(replace(connection, settings=settings), progress=noted) as pool:
        stream = pool.stream((number, Squares((number,), seconds=0.1)) for number in range(40))
        assert next(stream) == (0, [[0]])
        others = [ray.remote(FixedPlace).options(num_cpus=1).remote() for _ in range(2)]
        try:
            for seat in pool._seats:
                ray.kill(seat.actor)
            ray.get([other.load.remote(None, None) for other in others])  # they have the processors now
            since = time.monotonic()
            with pytest.raises(ClusterError, match=r"no worker is left, and none could be started.*of which 0 are"):
                list(stream)
            assert time.monotonic() - since < 60
        finally:
            for other in others:
                ray.kill(other)
    assert noted.events.count("worker lost") >= 2


def wait_until_free(connection: Connection, processors: float) -> None:
    """Return once so many processors are free, or after a minute."""
    until = time.monotonic() + 60
    while connection.free() != processors and time.monotonic() < until:
        time.sleep(0.1)


class Noted(Silent):
    """Progress that remembers what it was told."""

    def __init__(self) -> None:
        self.events = list[str]()

    def note(self, event: str, **facts: object) -> None:
        """Remember the event."""
        self.events.append(event)


def test_a_worker_says_that_it_is_there_before_it_loads_pytorch() -> None:
    code = "import sys, crossgraph.distributed.worker; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
