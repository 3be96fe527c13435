from hypothesis import given
from hypothesis import strategies as st

from crossgraph.gallery.changes.endings import Endings

paths = st.lists(st.text("ab/", min_size=1, max_size=8), min_size=1, max_size=12)


def same_end(one: str, other: str) -> int:
    return max(length for length in range(len(one) + 1) if other.endswith(one[len(one) - length :]))


@given(paths, st.text("ab/", max_size=8))
def test_none_ends_more_alike_than_the_one_that_is_taken(there: list[str], asked: str) -> None:
    ends = Endings()
    for path in there:
        ends.add(path)
    left = list(there)
    while left:
        taken = ends.take(asked)
        assert same_end(taken, asked) == max(same_end(one, asked) for one in left)
        left.remove(taken)
    assert len(ends) == 0


def test_one_that_is_added_later_is_found() -> None:
    ends = Endings()
    ends.add("/old/a/1.jpg")
    assert ends.take("/new/a/1.jpg") == "/old/a/1.jpg"
    ends.add("/old/b/1.jpg")
    ends.add("/old/a/1.jpg")
    assert ends.take("/new/a/1.jpg") == "/old/a/1.jpg"
