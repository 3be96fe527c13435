"""The head of a cluster, looked for: without it Ray answers nothing, and ends the whole process after a minute."""

from __future__ import annotations

import time

from crossgraph.distributed.connection import Connection, require_answer
from crossgraph.errors import ClusterError

LOOK, AWAY = 5.0, 15.0
"""Every so many seconds it is looked for; the run ends when it was away for so many, for it may be starting again."""


class HeadWatch:
    """Looks for the head of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._looked = self._seen = time.monotonic()

    def require(self) -> None:
        """Raise `ClusterError` if nothing answers there now."""
        try:
            require_answer(self._connection.ray.get_runtime_context().gcs_address)
        except ClusterError as error:
            raise ClusterError(
                f"the head of the cluster is gone: {error} What was stored stays; run again to go on."
            ) from None

    def look(self) -> None:
        """Look if it is time to. Raises `ClusterError` if the head was away for long."""
        now = time.monotonic()
        if now - self._looked < LOOK:
            return
        if now - self._looked > AWAY:  # nobody asked meanwhile
            self._seen = now
        try:
            self.require()
            self._seen = time.monotonic()
        except ClusterError:
            if now - self._seen > AWAY:
                raise
        self._looked = time.monotonic()
