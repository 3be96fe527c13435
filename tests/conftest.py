"""Annotations are executed while tests run, those of shapes too (`tests/executed_annotations.py`)."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before anything imports torch: see crossgraph.waiting

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests import executed_annotations

if TYPE_CHECKING:
    from crossgraph.graphs.caption_parser import CaptionParser

executed_annotations.install("crossgraph")

# A busy machine is slow, not wrong; in continuous integration the same examples are drawn every time.
settings.register_profile("crossgraph", deadline=None, print_blob=True, derandomize="CI" in os.environ)
settings.load_profile("crossgraph")


@pytest.fixture(scope="session")
def parser() -> CaptionParser:
    """One parser for all tests: loading its language model takes seconds."""
    from crossgraph.graphs.caption_parser import CaptionParser

    return CaptionParser()
