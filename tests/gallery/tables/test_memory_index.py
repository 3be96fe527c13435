"""The index that follows is always the one that is read anew, whatever was written in between."""

from pathlib import Path

import numpy as np
import pytest

from crossgraph.gallery.search.exact import ExactHits
from crossgraph.gallery.tables import caption_owners, memory_table
from crossgraph.gallery.tables.items import Item, item_id
from crossgraph.gallery.tables.memory_index import MemoryIndex
from crossgraph.gallery.tables.memory_table import MemoryTable
from crossgraph.gallery.tables.store import Store

TEXTS = [f"text {number}" for number in range(12)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "gallery", width=3, bits=8)


def write(store: Store, numbers: list[int], random: np.random.Generator) -> None:
    """Pictures with random features and captions that others carry too."""
    items = []
    for number in numbers:
        texts = tuple(random.choice(TEXTS, int(random.integers(0, 3)), replace=False).tolist())
        path = Path(f"/pictures/{number}.jpg")
        items.append(Item(item_id(path), path, f"{random.integers(10**9):032x}", 4, 3, texts, (f"tag{number % 3}",)))
    spoken = sorted({text for item in items for text in item.captions})
    if spoken:
        place = [TEXTS.index(text) for text in spoken]
        store.write_captions(spoken, np.eye(12, 3, dtype=np.float32)[place], np.array(place, np.uint8)[:, None])
    vectors = random.standard_normal((len(items), 3), np.float32)
    store.write_items(items, vectors, random.integers(0, 256, (len(items), 1), np.uint8))


def assert_same(found: MemoryIndex, store: Store) -> None:
    expected = store.read()
    one, other = found.snapshot, expected.snapshot
    assert one.version == other.version
    assert one.items.to_pylist() == other.items.to_pylist()
    assert one.captions.to_pylist() == other.captions.to_pylist()
    assert one.caption_owners.tolist() == other.caption_owners.tolist()
    assert one.notes.to_pylist() == other.notes.to_pylist()
    pairs = (
        (one.vectors, other.vectors),
        (one.caption_vectors, other.caption_vectors),
        (one.codes, other.codes),
        (one.caption_codes, other.caption_codes),
    )
    for mine, theirs in pairs:
        assert mine is not None
        assert theirs is not None
        assert np.array_equal(mine.whole(), theirs.whole())
    assert found.items.addresses.tolist() == expected.items.addresses.tolist()


@pytest.mark.parametrize("seed", range(6))
def test_what_follows_is_what_is_read_anew(seed: int, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(seed)
    if seed % 2:
        monkeypatch.setattr(caption_owners, "FEW", 2)
        monkeypatch.setattr(memory_table, "FETCHED", 2)
    write(store, list(range(20)), random)
    other, index = Store(store.folder, width=3, bits=8), store.read()
    exact = ExactHits(index.snapshot)
    exact.prepare()
    for _ in range(12):
        for _ in range(int(random.integers(1, 4))):
            step = random.choice(["add", "replace", "relocate", "remove", "orphans", "optimize", "note", "forget"])
            ids = index.snapshot.items["id"].to_pylist()
            chosen = random.choice(ids, min(3, len(ids)), replace=False).tolist() if ids else []
            match step:
                case "add":
                    write(other, sorted({*random.integers(20, 400, 4).tolist()}), random)
                case "replace":
                    write(other, sorted({*random.integers(0, 20, 4).tolist()}), random)
                case "relocate":
                    other.relocate_items({key: f"/moved/{random.integers(1000)}.jpg" for key in chosen})
                case "remove":
                    other.remove_items(chosen)
                case "orphans":
                    other.drop_orphans()
                case "optimize":
                    other.optimize()
                case "note":
                    other.notes.write({key: {"year": 1999, "who": None if key > "8" else "Ann"} for key in chosen})
                case _:
                    other.notes.remove(chosen)
        index = store.read(index)
        assert_same(index, store)
        exact = exact.following(index.snapshot, index.moved, index.new)
        anew = ExactHits(index.snapshot)
        for sentence in ("text 3", "tag1", "17"):
            assert exact.images(sentence) == anew.images(sentence)


def test_after_a_commit_only_its_rows_are_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    write(store, list(range(50)), random)
    index, read = store.read(), []
    scan = memory_table._scan

    def counted(*arguments: object, **options: object) -> object:
        found = scan(*arguments, **options)  # type: ignore[arg-type]
        read.append(len(found))
        return found

    def never(*_: object, **__: object) -> None:
        raise AssertionError("everything was read")

    monkeypatch.setattr(memory_table, "_scan", counted)
    monkeypatch.setattr(MemoryTable, "read", never)
    write(store, [100, 101], random)
    after = store.read(index)
    assert len(after.snapshot.items) == 52
    assert max(read) <= 6  # two pictures, up to four captions
    read.clear()
    monkeypatch.setattr(memory_table, "_read_matrix", never)
    store.optimize()
    assert store.read(after).snapshot.items.equals(after.snapshot.items)


def test_captions_that_no_picture_carries_any_more_are_invisible(store: Store) -> None:
    random = np.random.default_rng(3)
    path = Path("/pictures/1.jpg")
    item = Item(item_id(path), path, "0a", 4, 3, ("text 1", "text 2"))
    store.write_captions(["text 1", "text 2"], np.eye(2, 3, dtype=np.float32), np.array([[1], [2]], np.uint8))
    store.write_items([item], np.ones((1, 3), np.float32), np.ones((1, 1), np.uint8))
    index = store.read()
    assert sorted(index.snapshot.captions["text"].to_pylist()) == ["text 1", "text 2"]
    store.remove_items([item.id])
    write(store, [5], random)
    index = store.read(index)
    carried = {text for texts in index.snapshot.items["captions"].to_pylist() for text in texts}
    assert set(index.snapshot.captions["text"].to_pylist()) == carried
