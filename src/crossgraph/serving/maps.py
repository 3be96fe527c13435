"""The map of the pictures while it is served: kept in memory, computed in a thread where there is none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from crossgraph.gallery.picture_map import PictureMap, compute_map, kept_map
from crossgraph.gallery.search.state import State
from crossgraph.serving.problems import Problem

AGAIN = 60.0  # seconds after which a map that could not be computed is tried again
MOST_CORNERS = 200


@dataclass(frozen=True)
class _Held:
    state: State
    map: PictureMap


class Maps:
    """The map of one gallery. `get` never waits for it to be computed."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: _Held | None = None
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._failed: float | None = None

    def get(self, state: State) -> PictureMap:
        """The map of the gallery as of `state`; an old one while another is computed.

        Raises `Problem` 503 while the first is computed, 500 if that failed a short time ago.
        """
        held = self._held
        if held is not None and held.state is state:
            return held.map
        found = kept_map(state)
        if found is not None:
            self._held = _Held(state, found)  # before another is begun, which may be there at once
        begun = (found is None or found.old) and self._begin(state)
        if found is None:
            if not begun:
                raise Problem(500, "the map could not be computed; the server's log says why. Try again in a minute.")
            raise Problem(
                503, "the map is computed for the first time. Ask again in a few seconds.", headers={"Retry-After": "3"}
            )
        return found

    def wait(self, seconds: float = 60.0) -> None:
        """Wait for what is computed now."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _begin(self, state: State) -> bool:
        """Compute a map in a thread, if none does; whether one does now: not soon after that failed."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return True
            if self._failed is not None and self._clock() - self._failed < AGAIN:
                return False
            self._failed = None
            self._thread = threading.Thread(target=self._compute, args=(state,), name="map", daemon=True)
            self._thread.start()
            return True

    def _compute(self, state: State) -> None:
        done = False
        try:
            self._held = _Held(state, compute_map(state))
            done = True
        finally:
            self._failed = None if done else self._clock()


def read_region(region: str) -> list[tuple[float, float]]:
    """The corners that a request says: x,y;x,y;x,y, each between 0 and 1. Raises `Problem` 422."""
    corners = []
    for part in region.strip(";").split(";"):
        try:
            x, y = map(float, part.split(","))
        except ValueError:
            raise _unread(region) from None
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise _unread(region)
        corners.append((x, y))
    if not 3 <= len(corners) <= MOST_CORNERS:
        raise _unread(region)
    return corners


def ids_within(region: str, map: PictureMap) -> tuple[str, ...]:
    """The ids of the pictures in a part of the map. Raises `Problem` 422 for a region that is none."""
    return map.inside(read_region(region))


def written_region(corners: list[tuple[float, float]]) -> str:
    """Corners as an address says them."""
    return ";".join(f"{_number(x)},{_number(y)}" for x, y in corners)


def _number(value: float) -> str:
    return f"{min(max(value, 0.0), 1.0):.4f}".rstrip("0").rstrip(".")


def _unread(region: str) -> Problem:
    return Problem(
        422,
        f"the region {region[:60]!r} cannot be read. Write 3 to {MOST_CORNERS} corners, x,y;x,y;x,y, each between 0 "
        "and 1.",
    )
