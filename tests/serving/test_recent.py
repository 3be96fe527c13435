from concurrent.futures import ThreadPoolExecutor

import pytest

from crossgraph.serving.recent import Recent


def test_what_was_made_is_not_made_again_until_more_were_asked_for() -> None:
    kept, made = Recent[int](2), list[int]()

    def make(number: int) -> int:
        made.append(number)
        return number * 10

    def get(number: int) -> int:
        return kept.get(number, lambda: make(number))

    assert [get(number) for number in (1, 2, 1, 3, 1, 2)] == [10, 20, 10, 30, 10, 20]
    assert made == [1, 2, 3, 2]
    assert len(kept) == 2


def test_an_error_is_not_kept() -> None:
    kept = Recent[int](2)
    with pytest.raises(ZeroDivisionError):
        kept.get("a", lambda: 1 // 0)
    assert kept.get("a", lambda: 5) == 5


def test_many_threads_may_ask() -> None:
    kept = Recent[int](3)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: kept.get(number % 7, lambda: number % 7), range(500)))
    assert found == [number % 7 for number in range(500)]
    assert len(kept) == 3
