from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossgraph.errors import GalleryError
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.filters import BUILT_IN, captions_where, rows_where
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.search.query import ItemQuery
from crossgraph.gallery.tables.items import Item
from crossgraph.gallery.tables.snapshot import Snapshot
from crossgraph.gallery.tables.store import Store
from tests.gallery.fake_model import FakeModel

BLANK = Item("", Path(), "0a" * 16, 10, 10, ())


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Three pictures, a to c by id: a pier of 2023, an airport of 2024 with a note, and one hardly known."""
    store = Store(tmp_path_factory.mktemp("filters") / "gallery", width=2)
    items = [
        replace(
            BLANK,
            id="a",
            path=Path("/p/x/pier.jpg"),
            captions=("a grey pier", "shared"),
            labels=("Pier", "Sea"),
            bytes=5,
            modified=day("2025-05-05"),
            taken=day("2023-03-03"),
        ),
        replace(
            BLANK,
            id="b",
            path=Path("/p/y/100%_air.png"),
            captions=("shared",),
            labels=("Airport",),
            width=30,
            modified=day("2024-06-01T12:00"),
        ),
        replace(BLANK, id="c", path=Path("/p/y/c.png")),
    ]
    store.write_captions(["a grey pier", "shared"], np.eye(2, dtype=np.float32))
    store.write_items(items, np.eye(3, 2, dtype=np.float32))
    store.notes.write(
        {
            "a": {"year": 1999, "good": True, "who": "Ann", "when": "2020-01-01", "stars": 5, "shot": "2020-01-01"},
            "b": {"year": 2001.5, "good": False, "who": "O'Neill", "when": "2021-01-01T10:00", "stars": 3},
            "c": {"stars": "abc", "shot": "soon"},
        }
    )
    return store.snapshot()


def kept(snapshot: Snapshot, text: str) -> str:
    return "".join(snapshot.items["id"].take(rows_where(snapshot, text)).to_pylist())


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("date > '2024-01-01' and label = 'Airport'", "b"),
        ("date < 2024-01-01", "a"),  # when it was taken, not when its file was written
        ("modified > '2025-01-01'", "a"),
        ("taken is null", "bc"),
        ("label = 'Sea'", "a"),
        ("label != 'Sea'", "bc"),
        ("not label = 'Sea'", "bc"),  # of c no label is so
        ("label not like 'air%'", "ac"),
        ("label is null", "c"),
        ("label in ('Sea', 'Airport')", "ab"),
        ("label like 'air%'", "b"),
        ("caption contains 'PIER'", "a"),
        ("folder = '/p/y'", "bc"),
        ("name = 'pier.jpg'", "a"),
        ("name like '%\\%%'", ""),  # a backslash is a letter like any other
        ("name contains '100%'", "b"),
        ("name like '____.jpg'", "a"),
        ("width between 20 and 40", "b"),
        ("not width > 20", "ac"),
        ("year > 1999", "b"),
        ("not year > 1999", "a"),  # of c it is not known
        ("year is null", "c"),
        ("good", "a"),
        ("not good", "b"),
        ("good = false or id = 'c'", "bc"),
        ("who = 'O''Neill'", "b"),
        ("when >= '2021-01-01T10:00'", "b"),
        ("modified = 2024-06-01", "b"),  # at noon: a day is the whole of it
        ("modified != 2024-06-01", "a"),
        ("not modified = '2024-06-01'", "a"),
        ("modified in (2024-06-01, 2025-05-05)", "ab"),
        ("modified between 2024-06-01 and 2024-06-01", "b"),
        ("modified not between 2024-06-01 and 2024-06-01", "a"),
        ("modified between 2024-06-02 and '2025-05-05'", "a"),
        ("modified < 2024-06-01", ""),
        ("modified <= '2024-06-01'", "b"),
        ("modified > 2024-06-01", "a"),
        ("modified >= 2024-06-01", "ab"),
        ("modified <= 2024-05-31", ""),
        ("modified <= 9999-12-31", "ab"),
        ("modified = '2024-06-01T12:00'", "b"),
        ("modified > '2024-06-01T00:00'", "ab"),  # a moment is one
        ("when = 2020-01-01", "a"),
        ("when = 2021-01-01", "b"),
        ("id in ('a', 'c') and (width = 10 or year = 3)", "ac"),
    ],
)
def test_a_filter_keeps_the_pictures_it_says(snapshot: Snapshot, text: str, ids: str) -> None:
    assert kept(snapshot, text) == ids


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("yaer > 3", "Did you mean 'year'"),
        ("width > 'wide'", "width holds a number, got 'wide'"),
        ("label > 'a'", "a list of texts, which '>' cannot compare"),
        ("name = 3", "put text in quotes"),
        ("who = 3", r"who holds text, got 3; put text in quotes\.$"),
        ("stars >= 3", r"stars holds text because 1 of its 3 values are no number: 'abc' of c\.png\.$"),
        ("shot < 2024-01-01", r"shot holds text because 1 of its 2 values are no date: 'soon' of c\.png\.$"),
        ("date > '2024-13-01'", "'2024-13-01' is none"),
        ("date > 3", r"date holds a date, got 3; write it like 2024-01-01\.$"),
        ("date > 2020", r"date holds a date, got 2020; write it like 2020-01-01\.$"),
        ("width like '3%'", "'like' and 'contains' are for text"),
        ("width", "compare it with something"),
        ("good < true", "true or false, which '<' cannot compare"),
    ],
)
def test_a_filter_that_does_not_fit_the_columns_is_refused(snapshot: Snapshot, text: str, message: str) -> None:
    with pytest.raises(GalleryError, match=message):
        rows_where(snapshot, text)


VALUES = st.text(max_size=8).map(lambda text: "'" + text.replace("'", "''") + "'") | st.sampled_from(
    ["3", "-1e300", "true", "2024-01-01", "''", "'\\'", "'%_\\'"]
)
TESTS = st.sampled_from(["=", "!=", "<", ">=", "like", "not like", "contains"])


@settings(max_examples=100)
@given(st.sampled_from([*BUILT_IN, "year", "good", "who", "when"]), TESTS, VALUES)
def test_any_value_is_compared_or_refused(snapshot: Snapshot, column: str, test: str, value: str) -> None:
    try:
        rows = rows_where(snapshot, f"{column} {test} {value}")
    except GalleryError:
        return
    assert set(rows.tolist()) <= {0, 1, 2}


def test_captions_are_those_of_the_pictures_kept_and_name_the_first_of_them(snapshot: Snapshot) -> None:
    texts = snapshot.captions["text"].to_pylist()
    found = captions_where(snapshot, np.array([1, 2]))
    assert {texts[row]: bearer for row, bearer in found.items()} == {"shared": 1}
    assert list(captions_where(snapshot, np.arange(3))) == [0, 1]


def test_a_search_ranks_only_what_the_filter_keeps(tmp_path: Path, model: FakeModel, captioned: Path) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model)
    gallery.index(captioned)
    names = ["001.png", "004.png"]
    everything = gallery.search("shape of kind 2", SearchOptions(k=6, shortlist=6))
    for k, shortlist in ((6, 6), (1, 1)):  # also with a shortlist that would hold neither without the filter
        found = gallery.search(
            "shape of kind 2", SearchOptions(k=k, shortlist=shortlist, where="name in ('001.png', '004.png')")
        )
        expected = [one.path for one in everything.results if one.path.name in names]
        assert found.searched == 2
        assert len(found.results) == min(k, 2)
        if k == 6:
            assert [one.path for one in found.results] == expected
        assert {one.path.name for one in found.results} <= set(names)
    captions = gallery.search(captioned / "000.png", SearchOptions(k=9, target="captions", where="name = '004.png'"))
    assert {one.caption for one in captions.results} == {"thing number 4", "shape of kind 2"}
    assert {one.path.name for one in captions.results} == {"004.png"}
    item = gallery.item(captioned / "001.png")
    like_item = gallery.search(ItemQuery(item.id), SearchOptions(where="name in ('001.png', '004.png')"))
    assert [one.path.name for one in like_item.results] == ["004.png"]
    assert gallery.search("a thing", SearchOptions(where="width > 9999")).results == ()
