"""Lance tables as the stores use them: seen as others left them, made once, merged by key."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa

from crossgraph.gallery.tables import lance

SCHEMA = pa.schema([("id", pa.string()), ("value", pa.int32())])


def rows(*pairs: tuple[str, int]) -> pa.Table:
    return pa.table({"id": [key for key, _ in pairs], "value": [value for _, value in pairs]}, SCHEMA)


def held(table: lance.Table) -> list[tuple[str, int]]:
    return sorted((row["id"], row["value"]) for row in table.read().to_pylist())


def test_a_read_sees_what_another_process_wrote_and_an_older_dataset_does_not(tmp_path: Path) -> None:
    table = lance.open_table(tmp_path, "odd name #1", SCHEMA)
    version, before = table.version, table.dataset
    program = f"import lance, pyarrow as pa; lance.write_dataset(pa.table({{'id': ['a'], 'value': \
pa.array([1], pa.int32())}}), {str(table.folder)!r}, mode='append')"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    assert table.version > version
    assert held(table) == [("a", 1)]
    assert before.count_rows() == 0


def test_a_table_is_made_once_and_opened_as_it_is_after_that(tmp_path: Path) -> None:
    lance.open_table(tmp_path, "t", SCHEMA).insert(rows(("a", 1)), "id")
    wider = lance.open_table(tmp_path, "t", SCHEMA.append(pa.field("more", pa.string())))
    assert wider.schema.names == ["id", "value"]
    assert wider.read(["id"]).to_pylist() == [{"id": "a"}]


def test_a_table_whose_making_was_cut_off_is_not_there_and_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "t.lance" / "_versions").mkdir(parents=True)
    assert not lance.exists(tmp_path / "t.lance")
    assert held(lance.open_table(tmp_path, "t", SCHEMA)) == []
    assert lance.exists(tmp_path / "t.lance")


def test_inserting_keeps_the_first_of_a_key_and_replacing_takes_the_last(tmp_path: Path) -> None:
    table = lance.open_table(tmp_path, "t", SCHEMA)
    table.insert(rows(("a", 1), ("a", 2)), "id")
    table.insert(rows(("a", 3), ("b", 4)), "id")
    assert held(table) == [("a", 1), ("b", 4)]
    table.replace(rows(("a", 5), ("c", 6)), "id")
    assert held(table) == [("a", 5), ("b", 4), ("c", 6)]
    table.delete_keys("id", {"a", "c", "unknown"})
    assert held(table) == [("b", 4)]


def test_merging_small_files_changes_no_row(tmp_path: Path) -> None:
    table = lance.open_table(tmp_path, "t", SCHEMA)
    for number in range(5):
        table.insert(rows((str(number), number)), "id")
    before = held(table)
    assert table.fragments == 5
    table.optimize()
    assert (table.fragments, held(table)) == (1, before)
