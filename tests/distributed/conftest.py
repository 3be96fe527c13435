"""The cluster of all tests here."""

import pytest

from crossgraph.distributed.connection import Connection
from tests.one_cluster import joined


@pytest.fixture(scope="module")
def connection() -> Connection:
    """A cluster of two workers on this machine."""
    return joined()
