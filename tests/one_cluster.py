"""The one private cluster of a process of tests, which all tests that want it share: starting it takes seconds.

It is ended after the last of them, not at the end of the session: Ray's own processes are busy while nothing is asked.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from crossgraph.distributed.connection import Connection

ADDRESS = "local[2]"
FILES = ("tests/distributed/", "tests/cli/test_cluster.py")
_OPEN = ExitStack()


def wanted_by(nodeid: str) -> bool:
    """Whether a test is of a file with tests that want it."""
    return nodeid.startswith(FILES)


def joined() -> Connection:
    """The cluster of two workers on this machine, started where it is not there yet."""
    pytest.importorskip("ray", reason="crossgraph[ray] is not installed")
    from crossgraph.distributed.connection import connected
    from crossgraph.distributed.settings import ClusterSettings

    return _OPEN.enter_context(connected(ClusterSettings.parse(ADDRESS)))


def end() -> None:
    """End the cluster, if there is one."""
    _OPEN.close()
