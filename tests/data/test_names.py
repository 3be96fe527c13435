"""Names that differ in how they are written are found; where several fit, or none, that is said."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgraph.data.names import Ambiguous, Match, Missing, NameResolver

NAMES = ("images/Café été.jpg", "images/b.JPG", "train/0001.png", "test/0001.png", "100%.jpg", "c.d.jpeg")


@pytest.mark.parametrize(
    ("asked", "found", "guess"),
    [
        ("images/b.JPG", "images/b.JPG", None),
        ("100%.jpg", "100%.jpg", None),
        ("images\\b.JPG", "images/b.JPG", "slashes"),
        ("./images//b.JPG", "images/b.JPG", "slashes"),
        ("images/b.jpg", "images/b.JPG", "case"),
        ("b.JPG", "images/b.JPG", "the folder before it"),
        ("Images/b.JPG", "images/b.JPG", "case"),
        ("C:\\Users\\me\\images\\b.JPG", "images/b.JPG", "the folder before it"),
        ("/home/me/test/0001.png", "test/0001.png", "the folder before it"),
        ("https://example.org/x/b.JPG?size=3", "images/b.JPG", "the folder before it"),
        ("images/Caf%C3%A9%20%C3%A9t%C3%A9.jpg", "images/Café été.jpg", "URL escapes"),
        (unicodedata.normalize("NFD", "images/Café été.jpg"), "images/Café été.jpg", "composed and decomposed letters"),
        ("images/b", "images/b.JPG", "ending"),
        ("c.d", "c.d.jpeg", "ending"),
    ],
)
def test_a_name_is_found_and_the_difference_said(asked: str, found: str, guess: str | None) -> None:
    assert NameResolver(NAMES).find(asked) == Match(found, guess)


def test_where_two_fit_none_is_taken() -> None:
    assert NameResolver(NAMES).find("0001.png") == Ambiguous(("test/0001.png", "train/0001.png"))
    assert NameResolver(["a.jpg", "a.png"]).find("a") == Ambiguous(("a.jpg", "a.png"))
    assert NameResolver(["A.jpg", "a.JPG"]).find("a.jpg") == Ambiguous(("A.jpg", "a.JPG"))


def test_folders_that_say_something_are_not_ignored() -> None:
    assert isinstance(NameResolver(["test/0001.png"]).find("train/0001.png"), Missing)
    assert isinstance(NameResolver(["a.jpg"]).find("a.png"), Missing)


def test_where_none_fits_the_nearest_is_offered_and_another_number_is_not_near() -> None:
    resolver = NameResolver(["photos/holiday.jpg", "photos/birthday.jpg", "im5.jpg"])
    assert resolver.find("holliday.jpg") == Missing(("photos/holiday.jpg",))
    assert resolver.find("im4.jpg") == resolver.find("holliday.jpg", suggest=False) == Missing()


def test_the_nearest_is_found_among_many_names() -> None:
    resolver = NameResolver(
        f"{word}-{number}.jpg" for word in ("beach", "forest", "mountain") for number in range(3000)
    )
    assert resolver.find("forrest-2999.jpg") == Missing(("forest-2999.jpg",))


names = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), min_size=1, max_size=8)


@given(names=names, asked=st.text())
def test_a_name_that_is_there_is_itself_and_no_name_raises(names: list[str], asked: str) -> None:
    resolver = NameResolver(names)
    assert all(resolver.find(name) == Match(name) for name in names)
    found = resolver.find(asked)
    assert not isinstance(found, Match) or found.name in names
