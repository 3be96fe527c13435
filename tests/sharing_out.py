"""How files of tests are shared out to processes: what waits or lasts begins first, and one cluster serves all files.

pytest-xdist gives out files with many tests first, so that those with few, which train or start processes, would come
last, one process waiting for the other.
"""

from __future__ import annotations

from collections import Counter

import pytest
from xdist.scheduler import LoadFileScheduling

from tests import one_cluster


class OneCluster(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """A file stays in one process; those that want a Ray cluster stay together, so that it is started once."""

    def _split_scope(self, nodeid: str) -> str:
        return "on a cluster" if one_cluster.wanted_by(nodeid) else super()._split_scope(nodeid)


def slow_files_first(items: list[pytest.Item]) -> None:
    """Sort by files: those with slow tests first, then those with many."""
    slow = {_file(item) for item in items if item.get_closest_marker("slow")}
    count = Counter(map(_file, items))
    items.sort(key=lambda item: (_file(item) not in slow, -count[_file(item)]))


def _file(item: pytest.Item) -> str:
    return item.nodeid.split("::", 1)[0]
