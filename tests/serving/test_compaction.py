"""Compaction by the clock: when it is due, once, and by one server of several."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import crossgraph
from crossgraph.errors import ConfigError
from crossgraph.serving.compaction import Compaction
from crossgraph.serving.jobs import Jobs
from crossgraph.serving.settings import ServerSettings
from tests.serving.served import Served, WarmLibrary, wait_for


class Server:
    """One of several: its mirror of the gallery, its jobs, its clock."""

    def __init__(self, own: Served, now: list[datetime]) -> None:
        self.library = WarmLibrary(ServerSettings(own.gallery), crossgraph.open_gallery(own.gallery))
        self.library.start()
        self.jobs = Jobs()
        self.compaction = Compaction(self.library, self.jobs, hours=1.0, now=lambda: now[0])

    def compacts(self) -> bool:
        """Whether it does when it looks; if so it is waited for."""
        begun = self.compaction.look()
        wait_for(lambda: self.jobs.running() is None)
        assert all(job.state == "done" for job in self.jobs.list())
        return begun


@pytest.fixture
def own(served_gallery: Served, tmp_path_factory: pytest.TempPathFactory) -> Served:
    return served_gallery.copy(tmp_path_factory.mktemp("compaction"))


def test_it_is_done_when_it_is_due_by_one_server_and_not_again_while_nothing_was_written(own: Served) -> None:
    now = [datetime.now(UTC)]
    first, second = Server(own, now), Server(own, now)
    assert first.compacts()
    assert not first.compacts()
    assert not second.compacts()  # it was done, says the manifest
    last = second.library.gallery.manifest.optimized
    assert last is not None
    assert now[0] - timedelta(seconds=1) < last.at
    now[0] += timedelta(hours=1, minutes=1)
    assert not first.compacts()  # nothing was written since
    first.library.gallery.annotate({str(first.library.gallery.snapshot().items["id"][0]): {"stars": 1}})
    now[0] += timedelta(seconds=1)
    assert first.compacts()
    again = second.library.gallery.follow().optimized
    assert again is not None
    assert again.at > last.at


def test_it_waits_for_other_jobs_and_for_the_gallery(own: Served) -> None:
    import threading

    server, ends = Server(own, [datetime.now(UTC)]), threading.Event()
    server.jobs.start("verify", lambda _: {"waited": ends.wait(60)})
    assert not server.compaction.look()
    ends.set()
    wait_for(lambda: server.jobs.running() is None)
    assert server.compacts()
    with pytest.raises(ConfigError, match="compact_hours must be above 0"):
        ServerSettings(own.gallery, compact_hours=0.0)
