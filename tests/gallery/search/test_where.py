import contextlib
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossgraph.errors import GalleryError
from crossgraph.gallery.search.where import Bare, Compare, Every, Flag, Matches, Missing, Not, OneOf, Some, parse_filter


def test_a_filter_is_read_with_and_before_or() -> None:
    found = parse_filter("a = 1 or b = 2 and c = 3")
    assert found == Some((Compare("a", "=", 1.0), Every((Compare("b", "=", 2.0), Compare("c", "=", 3.0)))))


def test_parentheses_and_not_bind_as_written() -> None:
    assert parse_filter("not (a = 1 or b)") == Not(Some((Compare("a", "=", 1.0), Flag("b"))))
    assert parse_filter("not a and b") == Every((Not(Flag("a")), Flag("b")))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("date > '2024-01-01'", Compare("date", ">", "2024-01-01")),
        ("date >= 2024-01-01", Compare("date", ">=", Bare("2024-01-01"))),
        ("Label == 'It''s'", Compare("label", "=", "It's")),
        ('name <> "a ""b"""', Compare("name", "!=", 'a "b"')),
        ("width < -1.5e3", Compare("width", "<", -1500.0)),
        ("ok = TRUE", Compare("ok", "=", True)),
        ("label in ('a', 'b')", OneOf("label", ("a", "b"))),
        ("label not in ('a')", Not(OneOf("label", ("a",)))),
        ("name like '%.jpg'", Matches("name", "%.jpg", True)),
        ("caption NOT CONTAINS 'dog'", Not(Matches("caption", "dog", False))),
        ("taken is null", Missing("taken")),
        ("taken is not null", Not(Missing("taken"))),
        ("width between 1 and 2", Every((Compare("width", ">=", 1.0), Compare("width", "<=", 2.0)))),
    ],
)
def test_every_test_has_its_tree(text: str, tree: object) -> None:
    assert parse_filter(text) == tree


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("label =", "letter 8: the filter ends where a value"),
        ("label = Airport", "put text in quotes: 'Airport'"),
        ("label = null", "use 'is null'"),
        ("label = 'Airport", "letter 9: a quote is not closed"),
        ("label = 'a'; drop table items", "letter 12"),
        ("label = 'a' label = 'b'", "'and', 'or' or the end"),
        ("and = 3", "name of a column"),
        ("(a = 1", "'\\)'"),
        ("a not = 1", "'in', 'like', 'contains' or 'between'"),
        ("a in ()", "a value"),
        ("not " * 50 + "a", "nests more than"),
        ("(" * 50 + "a" + ")" * 50, "nests more than"),
        ("a" * 30_000, "at most"),
        ("a = '\ud800'", "not valid Unicode"),
    ],
)
def test_what_is_no_filter_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(GalleryError, match=message):
        parse_filter(text)


WORDS = [
    "and",
    "or",
    "not",
    "in",
    "like",
    "is",
    "null",
    "between",
    "(",
    ")",
    ",",
    "=",
    "<",
    "'x'",
    '"y"',
    "3",
    "a",
    "b",
]


@settings(max_examples=200)
@given(st.text() | st.text(string.printable) | st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_any_text_is_a_filter_or_a_gallery_error(text: str) -> None:
    with contextlib.suppress(GalleryError):
        assert parse_filter(text) is not None
