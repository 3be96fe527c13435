"""The head of a cluster is looked for, and may be away for a moment."""

import socket
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from crossgraph.distributed import head as head_module
from crossgraph.distributed.connection import Connection
from crossgraph.distributed.head import AWAY, LOOK, HeadWatch
from crossgraph.distributed.settings import ClusterSettings
from crossgraph.errors import ClusterError


class Head:
    """Answers as the head of a cluster does, until it is closed."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.asked = 0
        self.thread = threading.Thread(target=self._answer, daemon=True)
        self.thread.start()

    def _answer(self) -> None:
        while True:
            try:
                one, _ = self.socket.accept()
            except OSError:
                return
            with one:
                one.recv(64)
                self.asked += 1
                one.sendall(b"\0\0\0\4\0\0\0\0\0")

    def connection(self) -> Connection:
        """A connection to it."""
        host, port = self.socket.getsockname()
        context = SimpleNamespace(gcs_address=f"{host}:{port}")
        return Connection(SimpleNamespace(get_runtime_context=lambda: context), ClusterSettings())

    def close(self) -> None:
        """Be gone."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The time, which goes on when it is told to."""
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(head_module, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


def test_a_head_that_answers_is_asked_now_and_then(clock: Any) -> None:
    head = Head()
    watch = HeadWatch(head.connection())
    for _ in range(10):
        clock.seconds += LOOK / 2 + 0.01
        watch.look()
    assert head.asked == 5
    watch.require()
    head.close()


def test_a_head_that_is_away_for_long_is_an_error_and_one_for_a_moment_is_none(clock: Any) -> None:
    head = Head()
    watch, since = HeadWatch(head.connection()), clock.seconds
    head.close()
    with pytest.raises(ClusterError, match=r"the head of the cluster is gone: nothing answers at 127.0.0.1"):
        watch.require()
    while clock.seconds - since < AWAY:
        clock.seconds += 1.0
        watch.look()
    clock.seconds += LOOK
    with pytest.raises(ClusterError, match=r"the head of the cluster is gone"):
        watch.look()


def test_who_did_not_look_for_long_gives_it_time(clock: Any) -> None:
    head = Head()
    watch = HeadWatch(head.connection())
    head.close()
    clock.seconds += 100 * AWAY
    watch.look()
    for _ in range(int(AWAY / LOOK)):
        clock.seconds += LOOK
        watch.look()
    clock.seconds += LOOK
    with pytest.raises(ClusterError):
        watch.look()
