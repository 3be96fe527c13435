"""How the threads of tensor arithmetic wait for work: asleep, so that others on the machine can compute meanwhile.

By default they spin, which gains little on an idle machine. Where anything else runs, each thread that spins keeps
from its core the very thread that it waits for. The setting is read once, when torch is loaded, so it must be there
before; programs that are started from here inherit it.
"""

from __future__ import annotations

import functools
import os
import sys

SETTINGS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY")
"""The environment's names for it, of which the last three win over the first where it is read at all."""


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
    os.environ[SETTINGS[0]] = "PASSIVE"
    return f"{SETTINGS[0]}=PASSIVE (set by crossgraph)"
