"""Files of many commits are merged so that a row is not written anew with every merge, and nothing is lost by it."""

import random
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgraph.gallery.tables import key_files, lance

SCHEMA = pa.schema([("id", pa.string()), ("number", pa.int64())])


def rows(numbers: dict[str, int]) -> pa.Table:
    return pa.table({"id": list(numbers), "number": list(numbers.values())}, schema=SCHEMA)


def merged(files: list[int], chosen: set[int]) -> tuple[list[int], int]:
    """What Lance makes of files: those chosen that lie side by side are one, behind the others; rows written anew."""
    others, made, beside = list[int](), list[int](), list[int]()
    for place, size in enumerate([*files, 0]):
        if place in chosen:
            beside.append(size)
            continue
        (made if len(beside) > 1 else others).extend([sum(beside)] if beside else [])
        beside = []
        others.append(size)
    return others[:-1] + made, sum(made)


@given(st.lists(st.integers(1, 40) | st.sampled_from([256, 256, 232, 10_000, 100_000]), max_size=400))
def test_rows_are_merged_as_often_as_the_table_doubles(commits: list[int]) -> None:
    files, written, most = list[int](), 0, 0
    for commit in commits:
        files.append(commit)
        small = lance.small_files(files)
        if len(small) > 4:
            files, anew = merged(files, small)
            written += anew
        most = max(most, len(files))
    total = sum(commits)
    assert sum(files) == total
    assert written <= total * (1 + total.bit_length())
    assert most <= 4 + total.bit_length()


def test_no_file_merged_is_larger_than_all_smaller_ones() -> None:
    assert lance.small_files([]) == set()
    assert lance.small_files([7]) == {0}
    assert lance.small_files([100, 2, 1, 1]) == {1, 2, 3}
    assert lance.small_files([100, 5, 2, 1, 1]) == {2, 3, 4}
    assert lance.small_files([8, 4, 2, 1, 1]) == {0, 1, 2, 3, 4}
    assert lance.small_files([1000, 256, 256, 232]) == {1, 2, 3}  # though the last is smaller
    assert lance.small_files([256, 1000, 256, 1]) == {0, 2, 3}  # wherever they lie
    assert lance.small_files([lance.FULL, 3, lance.FULL, 3]) == {1, 3}  # nothing is put into a full one


def test_batches_of_about_one_size_are_merged(tmp_path: Path) -> None:
    table = lance.open_table(tmp_path, "things", SCHEMA)
    table.append(rows({f"{number:05}": number for number in range(1000)}))
    for number in range(lance.FRAGMENTS + 1):
        table.append(rows({f"{number} {row}": row for row in range(3 - number % 2 if number < lance.FRAGMENTS else 1)}))
    table.merge_small_files()
    assert table.fragments == 2


def test_merging_small_files_leaves_the_large_one_as_it_is(tmp_path: Path) -> None:
    table = lance.open_table(tmp_path, "things", SCHEMA)
    table.append(rows({f"{number:05}": number for number in range(1000)}))
    large = table.dataset.get_fragments()[0].metadata.files
    for number in range(lance.FRAGMENTS + 1):
        table.append(rows({f"new {number}": number}))
    table.merge_small_files()
    fragments = table.dataset.get_fragments()
    assert [one.count_rows() for one in fragments] == [1000, lance.FRAGMENTS + 1]
    assert fragments[0].metadata.files == large
    before = table.version
    table.merge_small_files()
    assert table.version == before


def test_a_file_most_of_whose_rows_went_is_written_anew(tmp_path: Path) -> None:
    table = lance.open_table(tmp_path, "things", SCHEMA)
    table.append(rows({f"{number:05}": number for number in range(1000)}))
    table.delete("number >= 500")
    for number in range(lance.FRAGMENTS + 1):
        table.append(rows({f"new {number}": number}))
    table.merge_small_files()
    assert sum(one.physical_rows for one in table.dataset.get_fragments()) == 500 + lance.FRAGMENTS + 1


@pytest.mark.parametrize("by", ["notes", "indexes"])
@pytest.mark.parametrize("seed", range(3))
def test_a_table_whose_keys_are_looked_up_holds_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, by: str
) -> None:
    monkeypatch.setattr(lance, "INDEXED_FROM", 1)
    monkeypatch.setattr(key_files, "NOTED_FROM", 5)
    if by == "indexes":
        monkeypatch.setattr(lance.Table, "_key_files", None)  # as in an object store
    monkeypatch.setattr(lance, "FRAGMENTS", 4)
    chance, expected = random.Random(seed), dict[str, int]()
    table = lance.open_table(tmp_path, "things", SCHEMA)
    for step in range(60):
        some = {f"key {chance.randrange(60)}": step for _ in range(chance.randint(1, 5))}
        match chance.choice(["replace", "replace", "insert", "append", "update", "delete", "merge"]):
            case "replace":
                table.replace(rows(some), "id")
                expected |= some
            case "insert":
                table.insert(rows(some), "id")
                expected = some | expected
            case "append":
                new = {f"{key} at {step}": number for key, number in some.items()}
                table.append(rows(new))
                expected |= new
            case "update":
                table.update(rows(some), "id")
                expected |= {key: number for key, number in some.items() if key in expected}
            case "delete":
                table.delete_keys("id", list(some))
                expected = {key: number for key, number in expected.items() if key not in some}
            case "merge":
                table.index("id")
                table.merge_small_files()
        assert dict(zip(*table.read().to_pydict().values(), strict=True)) == expected
        assert table.count_rows() == len(expected)
        asked = chance.sample(sorted(expected), min(3, len(expected)))
        found = table.find("id", [*asked, "nothing"], ["number"])
        assert dict(zip(found["id"].to_pylist(), found["number"].to_pylist(), strict=True)) == {
            key: expected[key] for key in asked
        }
