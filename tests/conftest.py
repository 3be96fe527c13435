"""Shapes in annotations are executed while tests run: jaxtyping hooks every crossgraph module into beartype."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before anything imports torch: see crossgraph.waiting

from typing import TYPE_CHECKING

import pytest
from jaxtyping import install_import_hook

if TYPE_CHECKING:
    from crossgraph.graphs.caption_parser import CaptionParser

hook = install_import_hook("crossgraph", "beartype.beartype")


@pytest.fixture(scope="session")
def parser() -> CaptionParser:
    """One parser for all tests: loading its language model takes seconds."""
    from crossgraph.graphs.caption_parser import CaptionParser

    return CaptionParser()
