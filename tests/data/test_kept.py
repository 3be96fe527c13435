"""Contents that were fetched for their digest are kept for one reading."""

import pytest

from crossgraph.data import kept
from crossgraph.data.kept import Kept


def test_a_content_is_taken_once_and_only_as_it_was() -> None:
    found = Kept()
    found.keep("a", "1", b"one")
    assert found.take("a", "2") is None
    assert found.take("b", "1") is None
    assert (found.take("a", "1"), found.take("a", "1")) == (b"one", None)


def test_no_more_is_kept_than_there_is_room_for_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(kept, "MOST", 10)
    found = Kept(clock=lambda: now)
    for name in "abc":
        found.keep(name, "1", b"1234")
    assert found.take("c", "1") is None
    assert found.take("a", "1") == b"1234"
    found.keep("c", "1", b"5678")
    found.keep("c", "1", b"4321")  # twice is once
    now = kept.AGE + 1
    found.keep("d", "1", b"1234567890")
    assert [found.take(name, "1") for name in "bcd"] == [None, None, b"1234567890"]
