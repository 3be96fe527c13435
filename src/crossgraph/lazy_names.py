"""Names of a package that are imported when first used, from where the stub beside it (`__init__.pyi`) says.

The stub is the one list: type checkers read it as it is, and at run time it is read here.
"""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import Any


class LazyNames:
    """The public names of the package whose `__init__.py` is `file`."""

    def __init__(self, file: str) -> None:
        stub = ast.parse(Path(file).with_suffix(".pyi").read_text(encoding="utf-8"))
        imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
        self.homes = {name.name: str(node.module) for node in imports for name in node.names}

    def get(self, package: str, name: str) -> Any:
        """What `name` stands for. Raises `AttributeError` for a name that the stub does not list."""
        if name not in self.homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(self.homes[name]), name)
