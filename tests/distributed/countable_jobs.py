"""Jobs that square numbers, and what goes wrong with some of them."""

import ctypes
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crossgraph.data.feature_cache import FeatureCache
from crossgraph.distributed.jobs import halves
from crossgraph.errors import ClusterError, GalleryError


@dataclass(frozen=True)
class FixedPlace:
    """Gives what it holds as the model."""

    model: Any = None
    fingerprint: str = "fixed"

    def load(self, cache: FeatureCache, scratch: Path) -> Any:
        return self.model


@dataclass(frozen=True)
class Squares:
    """Squares of `numbers`. -1 ends the process, -2 crashes it, -3 raises, -4 is refused, -5 takes for ever.

    A job whose `once` file is not there yet makes it and ends its process.
    """

    numbers: tuple[int, ...]
    seconds: float = 0.0
    once: str = ""
    place: FixedPlace = FixedPlace()

    def run(self, model: Any) -> list[int | str]:
        time.sleep(self.seconds)
        if self.once and not os.path.exists(self.once):
            Path(self.once).touch()
            os._exit(1)
        if -1 in self.numbers:
            os._exit(1)
        if -2 in self.numbers:
            ctypes.string_at(0)
        if -3 in self.numbers:
            raise ZeroDivisionError("by nothing")
        if -4 in self.numbers:
            raise GalleryError("refused")
        if -5 in self.numbers:
            time.sleep(600)
        return [number**2 for number in self.numbers]

    def received(self, result: Any) -> Any:
        return result

    def split(self) -> tuple["Squares", ...]:
        return tuple(replace(self, numbers=half) for half in halves(self.numbers)) if len(self.numbers) > 1 else ()

    def given_up(self, reason: str) -> list[int | str]:
        if not self.numbers:
            raise ClusterError(reason)
        return [reason]
