"""What --cluster takes, and what it says without a cluster or without Ray."""

import socket
import sys
import threading

import pytest

from crossgraph.distributed.connection import require_answer
from crossgraph.distributed.given import on_cluster
from crossgraph.distributed.settings import ClusterSettings
from crossgraph.errors import ClusterError, ConfigError, MissingExtraError


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("local[2]", ClusterSettings(workers=2)),
        ("local[2]?threads=3&seconds=60", ClusterSettings(workers=2, threads=3, seconds=60.0)),
        ("auto", ClusterSettings("auto")),
        ("10.0.0.1:6379?workers=8&batch_seconds=5", ClusterSettings("10.0.0.1:6379", workers=8, batch_seconds=5.0)),
    ],
)
def test_an_address_says_where_and_how_much(text: str, meant: ClusterSettings) -> None:
    assert ClusterSettings.parse(text) == meant
    assert meant.is_local == text.startswith("local")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("local[0]", "is no cluster"),
        ("local", "is no cluster"),
        ("here", "is no cluster"),
        ("ray://head:10001", "is no cluster"),
        ("auto?worker=2", "Did you mean 'workers'"),
        ("auto?workers=two", "is a number"),
        ("auto?workers=0", "above 0"),
        ("local[2]?workers=9", r"9 workers of 2 processes: give local\[9\]"),
    ],
)
def test_what_names_no_cluster_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ClusterSettings.parse(text)


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"crossgraph\[ray\]"), on_cluster("local[1]"):
        pytest.fail("there is no Ray")


def test_an_address_where_nothing_answers_is_an_error_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ClusterError, match="nothing answers at"):
        require_answer(f"127.0.0.1:{port}")


def test_a_server_that_is_no_cluster_is_refused() -> None:
    def answer(listener: socket.socket) -> None:
        other, _ = listener.accept()
        with other:
            other.recv(100)
            other.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = threading.Thread(target=answer, args=(listener,))
        server.start()
        with pytest.raises(ClusterError, match="is no Ray cluster"):
            require_answer(f"127.0.0.1:{listener.getsockname()[1]}")
        server.join()


def test_no_cluster_is_no_cluster() -> None:
    with on_cluster(None) as workers:
        assert workers is None
