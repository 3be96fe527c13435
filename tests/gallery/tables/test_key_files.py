"""Rows are found by notes of where keys lie as by a look at all of them, whatever became of rows and notes since."""

import random
from pathlib import Path
from typing import Any

import lance as pylance
import pyarrow as pa
import pytest

from crossgraph.gallery.tables import key_files, lance
from crossgraph.gallery.tables.key_files import KeyFiles, rows_at

SCHEMA = pa.schema([("id", pa.string()), ("words", pa.list_(pa.string())), ("number", pa.int64())])
KEYS = [f"key {number}" for number in range(60)] + ["é", "it's", ""]
WORDS = ["a", "b", "of", "the", "ü"]


@pytest.fixture(autouse=True)
def noted_from_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_files, "NOTED_FROM", 5)


@pytest.fixture
def table(tmp_path: Path) -> lance.Table:
    """Twenty rows of which keys are noted, five that went, and two in a small file."""
    table = lance.open_table(tmp_path, "things", SCHEMA)
    table.append(rows({key: number for number, key in enumerate(KEYS[:25])}))
    table.index("id", "words")
    table.delete_keys("id", KEYS[:5])
    table.append(rows({KEYS[1]: 101, "é": 102}))
    return table


def rows(numbers: dict[str, int]) -> pa.Table:
    words = [WORDS[: number % (len(WORDS) + 1)] for number in numbers.values()]
    return pa.table({"id": list(numbers), "words": words, "number": list(numbers.values())}, schema=SCHEMA)


def found(table: lance.Table, column: str, keys: list[str]) -> list[int]:
    return sorted(table.find(column, keys, ["number"])["number"].to_pylist())


def by_a_look_at_all(table: lance.Table, column: str, keys: list[str]) -> list[int]:
    held = [(row[column] if column == "words" else [row[column]], row["number"]) for row in table.read().to_pylist()]
    return sorted(number for having, number in held if set(having) & set(keys))


@pytest.mark.parametrize("sums", ["its own", "one for all"])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_found_is_what_a_look_at_all_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, sums: str
) -> None:
    if sums == "one for all":
        monkeypatch.setattr(key_files, "crc32", lambda _: 2**32 - 1)
    monkeypatch.setattr(lance, "FRAGMENTS", 4)
    chance = random.Random(seed)
    table = lance.open_table(tmp_path, "things", SCHEMA)
    for step in range(40):
        some = {chance.choice(KEYS): 1000 * step + number for number in range(chance.randint(1, 12))}
        match chance.choice(["replace", "replace", "insert", "delete", "note", "merge"]):
            case "replace":
                table.replace(rows(some), "id")
            case "insert":
                table.insert(rows(some), "id")
            case "delete":
                table.delete_keys("id", list(some))
            case "note":
                table.index("id", "words")
            case "merge":
                table.merge_small_files()
        for column, names in (("id", KEYS), ("words", WORDS)):
            asked = chance.sample(names, 3)
            assert found(table, column, asked) == by_a_look_at_all(table, column, asked)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each scan gave."""
    read, scanner = list[int](), pylance.LanceDataset.scanner

    def counted(self: pylance.LanceDataset, *arguments: Any, **named: Any) -> Any:
        read.append(len(scanner(self, *arguments, **named).to_table()))
        return scanner(self, *arguments, **named)

    monkeypatch.setattr(pylance.LanceDataset, "scanner", counted)
    return read


def test_of_what_is_noted_only_rows_that_may_have_the_key_are_read(table: lance.Table, read: list[int]) -> None:
    assert found(table, "id", [KEYS[7], KEYS[20], "nothing"]) == [7, 20]
    assert read == [2, 2]  # the small file, and what was asked for
    read.clear()
    assert found(table, "id", [KEYS[7], KEYS[20], "nothing"]) == [7, 20]
    assert read == [2]
    read.clear()
    assert found(table, "words", ["ü"]) == [5, 11, 17, 23, 101]
    assert read == [2, 5]


def test_a_small_file_is_read_once_and_what_is_written_next_is_found(table: lance.Table, read: list[int]) -> None:
    assert found(table, "id", [KEYS[1]]) == [101]
    for number, key in enumerate(KEYS[30:34]):
        read.clear()
        table.append(rows({key: 200 + number}))
        assert found(table, "id", [key]) == [200 + number]
        assert read == [1, 1]  # the new file, and the row
    read.clear()
    table.delete_keys("id", [KEYS[31], "é"])
    assert found(table, "id", [KEYS[1], *KEYS[30:34], "é"]) == [101, 200, 202, 203]
    assert read == [2, 4]  # the two that were to go, and the four that are left


def test_rows_that_went_since_are_found_in_the_state_before(table: lance.Table) -> None:
    before, after = lance.Table(table.place), lance.Table(table.place)
    notes, old = KeyFiles(table.folder / "_keys"), before.dataset
    after.replace(rows({"é": 300}), "id")
    new = after.dataset
    assert new.version > old.version
    assert len(notes.look_up(new, "id", ["é"])[0]) == 1
    places, others = notes.look_up(old, "id", ["é"])
    assert others == []
    assert old.to_table(["number"], filter=rows_at(places.tolist()))["number"].to_pylist() == [102]


@pytest.mark.parametrize("damage", ["gone", "empty", "cut off"])
def test_a_note_that_is_not_there_or_not_whole_makes_no_difference(table: lance.Table, damage: str) -> None:
    notes = sorted((table.folder / "_keys").iterdir())
    assert len(notes) == 2
    for note in notes:
        content = note.read_bytes()
        note.unlink()
        if damage != "gone":
            note.write_bytes(b"" if damage == "empty" else content[: len(content) // 2 + 3])
    assert found(table, "id", [KEYS[1], KEYS[3], KEYS[9], "é"]) == [9, 101, 102]
    assert found(table, "words", ["ü"]) == [5, 11, 17, 23, 101]


def test_notes_of_files_that_were_merged_go_and_compaction_leaves_the_others(table: lance.Table) -> None:
    before = {note.name for note in (table.folder / "_keys").iterdir()}
    table.index("id", "words")
    assert {note.name for note in (table.folder / "_keys").iterdir()} == before
    table.optimize(delete_unverified=True)
    assert {note.name for note in (table.folder / "_keys").iterdir()} == before  # not Lance's to remove
    table.index("id", "words")
    after = {note.name for note in (table.folder / "_keys").iterdir()}
    assert len(after) == 2
    assert after.isdisjoint(before)
    assert table.unindexed("id") == 0
    assert found(table, "id", KEYS) == [*range(5, 25), 101, 102]


def test_an_index_that_a_gallery_has_from_before_goes(table: lance.Table) -> None:
    table.dataset.create_scalar_index("id", "BTREE", name="id_idx")
    table.dataset.create_scalar_index("number", "BTREE", name="number_idx")
    table.index("id")
    assert [one.name for one in table.dataset.describe_indices()] == ["number_idx"]
    assert found(table, "id", [KEYS[6], "é"]) == [6, 102]


def test_rows_are_replaced_and_removed_whole_files_too_in_one_commit(table: lance.Table) -> None:
    version = table.version
    table.replace(rows({KEYS[1]: 201, "é": 202, KEYS[10]: 203, "it's": 204}), "id")
    assert table.version == version + 1
    assert table.fragments == 2  # of the small file nothing was left
    assert found(table, "id", [KEYS[1], "é", KEYS[10], "it's", KEYS[11]]) == [11, 201, 202, 203, 204]
    table.delete_keys("id", KEYS)
    assert (table.version, table.fragments, table.count_rows()) == (version + 2, 0, 0)
    table.delete_keys("id", KEYS)
    table.insert(rows({}), "id")
    assert table.version == version + 2  # there was nothing to write


def test_a_replacement_goes_by_all_its_keys(table: lance.Table) -> None:
    table.replace(rows({KEYS[6]: 6, KEYS[7]: 1000}), "id", "number")
    assert found(table, "id", [KEYS[6], KEYS[7]]) == [6, 7, 1000]
