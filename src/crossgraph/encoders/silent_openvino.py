"""OpenVINO without its telemetry.

By itself it tells Google Analytics of every process that imports it, under an identifier that it writes into the home
folder, from a copy of that process made by fork. Where its telemetry cannot be imported it does without: so it is told
that it cannot.
"""

from __future__ import annotations

import importlib
import sys
import threading
from functools import cache
from types import ModuleType

TELEMETRY = "openvino_telemetry"
_IMPORTING = threading.Lock()


@cache
def import_openvino() -> ModuleType:
    """The module `openvino`, which sends nothing unless something else imported it before.

    Raises `ImportError` where it is not installed.
    """
    with _IMPORTING:
        before = sys.modules.get(TELEMETRY)
        sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # an import of it is refused
        try:
            importlib.import_module("openvino.frontend.pytorch.ts_decoder")
        finally:
            del sys.modules[TELEMETRY]
            if before is not None:
                sys.modules[TELEMETRY] = before
    return sys.modules["openvino"]
