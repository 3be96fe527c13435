"""Shapes in annotations are executed while tests run: jaxtyping hooks every crossgraph module into beartype."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before anything imports torch: see crossgraph.waiting

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

if TYPE_CHECKING:
    from crossgraph.graphs.caption_parser import CaptionParser

hook = install_import_hook("crossgraph", "beartype.beartype")

# A busy machine is slow, not wrong; in continuous integration the same examples are drawn every time.
settings.register_profile("crossgraph", deadline=None, print_blob=True, derandomize="CI" in os.environ)
settings.load_profile("crossgraph")


@pytest.fixture(scope="session")
def parser() -> CaptionParser:
    """One parser for all tests: loading its language model takes seconds."""
    from crossgraph.graphs.caption_parser import CaptionParser

    return CaptionParser()
