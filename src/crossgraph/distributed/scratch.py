"""Features on the disk of a worker, for as long as a job takes."""

from __future__ import annotations

import shutil

from crossgraph.data.feature_cache import FeatureCache


class ScratchCache(FeatureCache):
    """Features on disk that are forgotten after each job: a worker's disk and memory do not grow with what it did."""

    def clear(self) -> None:
        """Forget everything."""
        self._stores.clear()
        shutil.rmtree(self.folder, ignore_errors=True)
