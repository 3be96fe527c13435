from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgraph.errors import GalleryError
from crossgraph.gallery.search.facets import MOST, Facet, FacetChoice, FacetIndex
from crossgraph.gallery.search.filters import rows_where
from crossgraph.gallery.search.folder_names import FolderNames
from crossgraph.gallery.tables.items import Item
from crossgraph.gallery.tables.notes import Value
from crossgraph.gallery.tables.snapshot import Snapshot
from crossgraph.gallery.tables.store import Store

BLANK = Item("", Path(), "0a" * 16, 10, 10, ())
FOLDERS = ["/p/a", "/p/a/in_side", "/p/a/inXside", "/p/a/in_side/deep", "/p/a0", "/p/b'c", "/p", "/elsewhere"]
LABELS = ["Sea", "Pier", "O'Neill", "100%", "a:b", "sea"]
ROOTS = ("/p", "/p/a")


def made_snapshot(folder: Path, count: int = 120) -> Snapshot:
    """Pictures of every folder, date, label, size and note, drawn by chance; some know hardly anything."""
    random = np.random.default_rng(1)
    store = Store(folder, width=2)
    items, notes = list[Item](), dict[str, dict[str, Value | None]]()
    for row in range(count):
        labels = tuple(random.choice(LABELS, random.integers(0, 4)).tolist())  # some twice
        taken = datetime(int(random.integers(2019, 2024)), int(random.integers(1, 13)), 28, 23, 59, tzinfo=UTC)
        items.append(
            replace(
                BLANK,
                id=f"i{row:03}",
                path=Path(random.choice(FOLDERS), f"{row}.jpg"),
                labels=labels,
                width=int(random.choice([10, 1000, 65_000])),
                height=int(random.choice([10, 1000, 65_000])),
                taken=None if row % 7 == 0 else taken,
                source=str(random.choice(["one", "two"])),
            )
        )
        if row % 3:
            notes[f"i{row:03}"] = {
                "who": str(random.choice(["Ann", "O'Neill", ""])),
                "good": bool(random.integers(2)),
                "stars": int(random.integers(1, 5)),
                "mass": float(random.normal()),
                "seen": f"20{random.integers(10, 14)}-0{random.integers(1, 4)}-01",
                "in": "a word that filters read otherwise",
                "size": "a note called as a facet is",
            }
    store.write_items(items, np.eye(count, 2, dtype=np.float32))
    store.notes.write(notes)
    return store.snapshot()


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return made_snapshot(tmp_path_factory.mktemp("facets") / "gallery")


@pytest.fixture(scope="module")
def index(snapshot: Snapshot) -> FacetIndex:
    return FacetIndex(snapshot, ROOTS)


def facet(index: FacetIndex, name: str, *chosen: str, where: str | None = None) -> Facet:
    choices = [FacetChoice.parse(one) for one in chosen]
    (found,) = index.count(chosen=choices, where=where, only=name).facets
    return found


CHOICES = st.lists(
    st.sampled_from(
        [
            *("label:Sea", "label:O'Neill", "label:100%", "label:a:b", "folder:a", "folder:a/in_side", "folder:b'c"),
            *("date:2020", "date:2021-03", "size:small", "size:large", "note.who:O'Neill", "note.good:true"),
            *("note.stars:2", "note.mass:-0.5..0.5", "note.mass:..0", "note.seen:2011", "source:one", "label:Nothing"),
        ]
    ),
    max_size=4,
)


@given(CHOICES, st.sampled_from([None, "height = 10", "label = 'Sea' or label = 'Pier'"]))
def test_every_count_is_what_the_filter_of_the_value_finds_among_what_the_other_facets_leave(
    snapshot: Snapshot, index: FacetIndex, chosen: list[str], where: str | None
) -> None:
    choices = [FacetChoice.parse(one) for one in chosen]
    found = index.count(chosen=choices, where=where, most=3)
    everything = index.where(choices, where)
    assert found.kept == (len(snapshot.items) if everything is None else len(rows_where(snapshot, everything)))
    for one in found.facets:
        others = index.where([choice for choice in choices if choice.facet != one.name], where)
        for value in one.values:
            both = value.where if others is None else f"({others}) and ({value.where})"
            assert value.count == len(rows_where(snapshot, both)), (one.name, value)
            assert value.chosen == (value.choice in choices)
            assert value.count or value.chosen or value.depth < 1, "only what was chosen, or leads there, may be empty"
            assert FacetChoice.parse(str(value.choice)) == value.choice


def test_values_come_by_count_and_those_that_were_chosen_stay_among_the_few(index: FacetIndex) -> None:
    every = facet(index, "label")
    assert [value.count for value in every.values] == sorted((value.count for value in every.values), reverse=True)
    assert (len(every.values), every.more) == (len(LABELS), 0)
    last = every.values[-1]
    (few,) = index.count(chosen=[last.choice], most=2, only="label").facets
    assert [value.label for value in few.values] == [every.values[0].label, last.label]
    assert few.more == len(LABELS) - 2


def test_folders_are_a_tree_below_the_roots_that_opens_where_one_was_chosen(index: FacetIndex) -> None:
    tree = facet(index, "folder")
    assert [(value.value, value.depth) for value in tree.values] == [("a", 0), ("a0", 0), ("b'c", 0)]
    opened = facet(index, "folder", "folder:a/in_side")
    shown = [(value.value, value.label, value.depth, value.chosen) for value in opened.values]
    assert shown == [
        ("a", "a", 0, False),
        ("a/in_side", "in_side", 1, True),
        ("a/in_side/deep", "deep", 2, False),
    ]


def test_a_folder_s_filter_keeps_nothing_of_folders_that_only_look_like_it(snapshot: Snapshot) -> None:
    names = FolderNames.of(ROOTS, snapshot.items["path"])
    paths = snapshot.items["path"].to_pylist()
    kept = [paths[row] for row in rows_where(snapshot, names.where("a/in_side"))]
    assert sorted(kept) == sorted(path for path in paths if path.startswith("/p/a/in_side/"))
    kept = [paths[row] for row in rows_where(snapshot, names.where("a"))]
    assert sorted(kept) == sorted(path for path in paths if path.startswith("/p/a/"))


def test_no_name_says_where_the_folders_lie(index: FacetIndex) -> None:
    for one in index.count(chosen=[FacetChoice("folder", "a")]).facets:
        for value in one.values:
            assert "/p" not in f"{value.choice} {value.label}"
            assert "elsewhere" not in f"{value.choice} {value.label}"


def test_several_roots_are_named_and_those_of_one_name_told_apart(snapshot: Snapshot) -> None:
    names = FolderNames.of(("/p/a", "/elsewhere", "/other/a", "/p/a/in_side"), snapshot.items["path"])
    assert names.roots == {"a": "/p/a", "elsewhere": "/elsewhere", "a (2)": "/other/a"}
    for folder in ("/p/a", "/p/a/in_side/deep", "/other/a/x"):
        assert names.folder(names.name(folder)) == folder
    assert names.name("/p/a0") is None
    with pytest.raises(GalleryError, match="no folder of the gallery is called 'b'"):
        names.folder("b")


def test_without_roots_names_begin_at_the_folder_that_holds_all(snapshot: Snapshot, tmp_path: Path) -> None:
    assert FolderNames.of((), snapshot.items["path"]).roots == {"": "/"}
    below = snapshot.items.filter(np.array(["/p/a/in" in path for path in snapshot.items["path"].to_pylist()]))
    assert FolderNames.of((), below["path"]).roots == {"": "/p/a"}
    assert FolderNames.of((), snapshot.items["path"].slice(0, 0)).roots == {}


def test_dates_open_into_months(index: FacetIndex) -> None:
    years = facet(index, "date")
    assert [value.value for value in years.values] == ["2023", "2022", "2021", "2020", "2019"]
    opened = facet(index, "date", "date:2021-03")
    assert ("2021-03", "March 2021", 1, True) in [
        (value.value, value.label, value.depth, value.chosen) for value in opened.values
    ]
    months = [value for value in opened.values if value.depth]
    assert sum(value.count for value in months) == next(value.count for value in opened.values if value.value == "2021")


def test_many_numbers_come_in_bands_that_leave_none_out(snapshot: Snapshot, index: FacetIndex) -> None:
    bands = facet(index, "note.mass").values
    assert len(bands) == 5
    assert sum(value.count for value in bands) == len(rows_where(snapshot, "mass is not null"))
    assert [value.label for value in facet(index, "note.stars").values] == ["1", "2", "3", "4"]


def test_a_note_may_be_called_as_a_facet_is_and_one_that_no_filter_can_name_is_none(index: FacetIndex) -> None:
    assert [value.label for value in facet(index, "note.size").values] == ["a note called as a facet is"]
    assert "note.in" not in index.names


@pytest.mark.parametrize(
    "text",
    [
        *("label", "label:", ":x", "colour:red", "size:huge", "date:2020-13", "date:0000", "date:20x0", "note.mass:x"),
        *("note.mass:1;2", "note.good:yes", "note.stars:nan", "note.stars:1..2..3", "note.stars:' or 1"),
        f"label:{'x' * 5000}",
    ],
)
def test_a_choice_that_is_none_is_refused(index: FacetIndex, text: str) -> None:
    with pytest.raises(GalleryError):
        index.count(chosen=[FacetChoice.parse(text)])


@given(st.sampled_from(["label", "source", "note.who", "folder"]), st.text(min_size=1, max_size=30))
def test_no_text_is_more_than_a_value(index: FacetIndex, snapshot: Snapshot, name: str, text: str) -> None:
    expression = index.expression(FacetChoice(name, text))
    rows_where(snapshot, expression)
    texts = {label for row in snapshot.items["labels"].to_pylist() for label in row}
    if name == "label" and text not in texts:
        assert not len(rows_where(snapshot, expression))


def test_a_filter_cannot_end_the_brackets_it_is_put_in(index: FacetIndex) -> None:
    with pytest.raises(GalleryError):
        index.where([FacetChoice("label", "Sea")], "width > 1) or (width > 0")


def test_an_empty_gallery_has_no_facets(tmp_path: Path) -> None:
    empty = FacetIndex(Store(tmp_path / "gallery", width=2).snapshot(), ())
    assert empty.count() == replace(empty.count(), among=0, kept=0, facets=())
    assert empty.where([]) is None
    assert MOST > 3
