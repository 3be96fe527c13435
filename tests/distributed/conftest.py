"""One private cluster of two workers for all tests here: starting it takes seconds."""

from collections.abc import Iterator

import pytest

from crossgraph.distributed.connection import Connection, connected
from crossgraph.distributed.settings import ClusterSettings


@pytest.fixture(scope="session")
def connection() -> Iterator[Connection]:
    """A cluster of two workers on this machine."""
    pytest.importorskip("ray", reason="crossgraph[ray] is not installed")
    with connected(ClusterSettings.parse("local[2]")) as opened:
        yield opened
