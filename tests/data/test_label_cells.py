"""Labels as people and tools write them into one field of a row."""

from __future__ import annotations

import logging

import pytest

from crossgraph.data.label_cells import Cell, read_labels


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("dog", ["dog"]),
        (" dog | red ball ;cat;", ["dog", "red ball", "cat"]),
        ('["dog", "red, blue"]', ["dog", "red, blue"]),
        ("['dog', 'grass']", ["dog", "grass"]),
        ("['dog', \"dog's ball\"]", ["dog", "dog's ball"]),
        ("('dog',)", ["dog"]),
        ("{'dog'}", ["dog"]),
        ("['dog' 'red ball'\n 'grass']", ["dog", "red ball", "grass"]),
        ("['dog', nan]", ["['dog', nan]"]),
        ("[dog, grass]", ["dog", "grass"]),
        ("[3, 14]", ["3", "14"]),
        ("[]", []),
        ("", []),
        ("(unknown)", ["(unknown)"]),
        ("{'a': 1}", ["{'a': 1}"]),
        ("[__import__('os').getcwd()]", ["[__import__('os').getcwd()]"]),
        ("[" * 5_000 + "]" * 5_000, ["[" * 5_000 + "]" * 5_000]),
        (["dog", "red, blue"], ["dog", "red, blue"]),
    ],
)
def test_a_cell_is_a_list_as_tools_write_it_or_names_between_separators(cell: Cell, labels: list[str]) -> None:
    assert read_labels([cell])[0] == [labels]


def test_commas_part_labels_where_names_come_together_in_many_ways(caplog: pytest.LogCaptureFixture) -> None:
    cells = ["dog, water", "water,grass", "grass", "dog, grass, ball", "ball"]
    found, notes = read_labels(cells)
    assert found == [["dog", "water"], ["water", "grass"], ["grass"], ["dog", "grass", "ball"], ["ball"]]
    assert notes == (
        "commas part labels: 'dog, water' is 2 of them; if names hold commas, say label_separator=bar of a table",
    )
    assert not caplog.records
    assert read_labels(cells, separator="|")[0] == [[cell] for cell in cells]


@pytest.mark.parametrize(
    "cells",
    [
        ["tench, Tinca tinca", "maillot", "maillot, tank suit", "crane", "tench, Tinca tinca"],
        ["Paris, France", "Lyon, France", "Paris, Texas", "Austin, Texas"],
        ["Smith, John", "Smith, Ann", "Miller, John", "Miller, Ann", "Dad"],
        ["dog, water", "cat, grass"],
        ["dog, water|grass", "dog", "water", "water, dog"],
    ],
)
def test_commas_inside_names_stay_and_are_noted(cells: list[str], caplog: pytest.LogCaptureFixture) -> None:
    found, notes = read_labels(cells)
    assert sorted(name for row in found for name in row if "," in name) == sorted(
        part for cell in cells for part in cell.split("|") if "," in part
    )
    assert len(notes) == 1
    assert "one name" in notes[0]
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [*notes]
    first = next(cell for cell in cells if "," in cell and "|" not in cell)
    assert first.split(", ") in read_labels(cells, separator=",")[0]


@pytest.mark.parametrize(
    "cells",
    [
        ["1 0 0 1 0", "0 1 0 0 0", "", "0 0 0 0 0"],
        ["1,0,0,1,0", "0,1,0,0,0", "", "0,0,0,0,0"],
        ["[1 0 0 1 0]", "[0 1 0 0 0]", "", "[0 0 0 0 0]"],
        ["[1.0, 0.0, 0.0, 1.0, 0.0]", "[0., 1., 0., 0., 0.]", "", "[0, 0, 0, 0, 0]"],
        [["1", "0", "0", "1", "0"], ["0", "1", "0", "0", "0"], [], ["0", "0", "0", "0", "0"]],
    ],
)
def test_rows_of_0_and_1_are_a_label_for_each_place(cells: list[Cell]) -> None:
    found, notes = read_labels(cells)
    assert found == [["label 1", "label 4"], ["label 2"], [], []]
    assert notes == ("labels are rows of 5 numbers 0 and 1, read as label 1 to label 5",)


@pytest.mark.parametrize("cells", [["0", "1"], [["0", "1"], ["0", "1"]], [["0", "1", "1"], ["2", "0", "1"]]])
def test_numbers_of_classes_are_no_rows_of_0_and_1(cells: list[Cell]) -> None:
    assert read_labels(cells) == ([[*cell] for cell in cells], ())
