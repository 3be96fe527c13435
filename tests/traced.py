"""Which tests show the lines that are run: tracing makes Python 3.11 half as slow again, whatever it traces.

What runs on the pretended GPU runs lines that other tests run too, and so does the seventh case of a test. So the share
of lines that is printed is a little less than it would be, never more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

CASES = 6
"""So many cases of one test are traced."""

UNTRACED = ("tests/devices/",)


def leave_untraced(items: Sequence[pytest.Item]) -> None:
    """Mark the tests that are run without tracing (`no_cover` is a mark of pytest-cov)."""
    cases: Counter[str] = Counter()
    for item in items:
        test = item.nodeid.split("[", 1)[0]
        cases[test] += 1
        if cases[test] > CASES or test.startswith(UNTRACED):
            item.add_marker("no_cover")
