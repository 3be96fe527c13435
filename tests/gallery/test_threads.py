"""Threads that search one open gallery while it changes: every answer fits its filter, and none is an error."""

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lance import LanceDataset

from crossgraph.gallery.changes.upsert import NewImage
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.options import SearchOptions, Target
from crossgraph.gallery.search.query import Feedback, ItemQuery
from crossgraph.gallery.search.state import State
from crossgraph.gallery.tables.memory_index import MemoryIndex
from tests.gallery.fake_model import FakeModel, coded_model, draw_images

CHANGING = """
import sys
from datetime import timedelta
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.gallery.fake_model import coded_model
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.changes.upsert import NewImage
from crossgraph.gallery.upkeep.health import optimize
gallery, files = Gallery.open(sys.argv[2], coded_model()), sorted(Path(sys.argv[3]).glob("*.png"))[:-1]
print("ready", flush=True)
turn = 0
while not Path(sys.argv[4]).exists():
    some = files[turn % 7 :: 7]
    gallery.upsert([NewImage(file, (f"thing {turn % 3}", "a shared caption")) for file in some])
    gallery.annotate({file: {"turn": turn} for file in some})
    if turn % 2:
        gallery.remove(some[: len(some) // 2])
    if turn % 3 == 2:
        optimize(gallery, keep=timedelta(0))
    turn += 1
print(turn)
"""


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    made = Gallery.create(tmp_path / "gallery", coded_model())
    staying = draw_images(tmp_path / "staying", 20)
    made.index(staying)
    made.annotate({path: {"turn": -1} for path in staying.glob("*.png")})
    return made


def _with_captions(file: Path) -> NewImage:
    return NewImage(file, (f"thing {file.stem}", "a shared caption"))


def searched(gallery: Gallery, number: int) -> list[str]:
    """One search of one of many kinds; what is wrong with its answers."""
    mode = ("fast", "balanced", "best")[number % 3]
    name = f"{number % 20:03}.png"
    filters = (f"name = '{name}'", f"name != '{name}'", f"name like '{name[:2]}%'", "turn = -1")
    where = filters[number // 3 % 4]
    fits: tuple[Callable[[Path], bool], ...] = (
        lambda found: found.name == name,
        lambda found: found.name != name,
        lambda found: found.name.startswith(name[:2]),
        lambda found: found.parent.name == "staying",
    )
    stays = gallery.folder.parent / "staying" / name
    query = ("thing", name, ItemQuery(stays), stays)[number // 12 % 4]
    feedback = Feedback(liked=(str(stays),)) if number % 5 == 0 else Feedback()
    target: Target = "captions" if number % 7 == 3 and where.startswith("name !=") else "images"
    found = gallery.search(query, SearchOptions(mode=mode, where=where, target=target), feedback=feedback)
    return [f"{where}: {one.path}" for one in found.results if not fits[number // 3 % 4](one.path)]


def test_eight_threads_search_while_a_process_changes_the_gallery(gallery: Gallery, tmp_path: Path) -> None:
    coming = draw_images(tmp_path / "coming", 21, seed=5)
    gallery.upsert([_with_captions(sorted(coming.glob("*.png"))[-1])])  # captions are searched from the start
    stop = tmp_path / "stop"
    here = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", CHANGING, here, str(gallery.folder), str(coming), str(stop)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        with ThreadPoolExecutor(8) as threads:
            wrong = [
                one for found in threads.map(lambda number: searched(gallery, number), range(300)) for one in found
            ]
    finally:
        stop.touch()
        turns = process.communicate(timeout=60)[0]
    assert wrong == []
    assert process.returncode == 0
    assert int(turns) >= 1


def test_a_commit_between_taking_the_state_and_using_it_changes_no_answer(
    gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    current, other = Gallery.current, Gallery.open(gallery.folder, coded_model())
    new = iter(sorted(draw_images(tmp_path / "new", 40, seed=7).glob("*.png")))

    def outrun(self: Gallery) -> State:
        taken = current(self)
        if self is gallery and threading.current_thread() is threading.main_thread():
            other.remove([other.snapshot().item(0).id])
            other.upsert([_with_captions(next(new))])
            with ThreadPoolExecutor(1) as thread:  # a search of another thread follows the commit first
                thread.submit(gallery.search, "thing").result()
        return taken

    monkeypatch.setattr(Gallery, "current", outrun)
    for number in range(10):
        for mode in ("fast", "balanced", "best"):
            name = f"{number:03}.png"
            found = gallery.search("thing", SearchOptions(mode=mode, where=f"name = '{name}'"))
            assert {one.path.name for one in found.results} <= {name}


def test_threads_that_find_a_commit_at_once_read_it_once(
    gallery: Gallery, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery.search("thing")
    Gallery.open(gallery.folder, coded_model()).index(images)
    following, calls = MemoryIndex.following, []

    def counted(
        self: MemoryIndex, items: LanceDataset, captions: LanceDataset, notes: LanceDataset | None
    ) -> MemoryIndex:
        calls.append(threading.get_ident())
        return following(self, items, captions, notes)

    monkeypatch.setattr(MemoryIndex, "following", counted)
    ready = threading.Barrier(8)

    def look(_: int) -> int:
        ready.wait()
        return len(gallery)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(look, range(8))) == [32] * 8
    assert len(calls) == 1


def test_a_state_stays_what_it_was(gallery: Gallery, images: Path) -> None:
    before = gallery.current()
    ids = before.snapshot.items["id"].to_pylist()
    gallery.index(images)
    gallery.remove([ids[3]])
    assert before.snapshot.items["id"].to_pylist() == ids
    assert len(before.snapshot.vectors) == 20
    assert gallery.current() is not before
    assert gallery.current() is gallery.current()


def test_warming_loads_what_the_first_search_needs(gallery: Gallery) -> None:
    opened = Gallery.open(gallery.folder, coded_model())
    opened.warm()
    assert opened.current().exact._hashed is not None
    model = opened.require_model()
    assert isinstance(model, FakeModel)
    assert len(model.encoded_paths) == 1
