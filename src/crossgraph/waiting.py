"""How the threads of tensor arithmetic wait for work: asleep, so that others on the machine can compute meanwhile.

By default they spin for long. Where anything else runs, each thread that spins keeps from its core the very thread that
it waits for. Threads that sleep at once lose two fifths of the speed of short steps on an idle machine; those that spin
for a moment first lose next to nothing there, and sleep in time elsewhere (`bench/waiting.py`). The settings are read
once, when torch is loaded, so they must be there before; programs that are started from here inherit them.
"""

from __future__ import annotations

import functools
import os
import sys

SETTINGS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY")
"""The environment's names for it, of which the last three win over the first where they are read at all."""

PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}
"""What is set: sleep, and, for GNU's threads, which torch comes with, after so many rounds of looking for work."""


@functools.cache
def wait_passively() -> str:
    """Let waiting threads sleep, unless the environment says how they wait; returns what holds now and who said so.

    The first call decides. Where torch is loaded already, nothing can be changed any more, and nothing is.
    """
    given = [f"{name}={os.environ[name]}" for name in SETTINGS if name in os.environ]
    if given:
        return f"{', '.join(given)} (from the environment)"
    if "torch" in sys.modules:
        return "as torch does by default: it was imported before crossgraph"
    os.environ.update(PASSIVE)
    return f"{', '.join(f'{name}={value}' for name, value in PASSIVE.items())} (set by crossgraph)"
