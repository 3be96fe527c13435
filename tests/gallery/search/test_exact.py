from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.exact import ExactHits
from crossgraph.gallery.tables.snapshot import Snapshot
from tests.gallery.fake_model import FakeModel

PATHS = ("/a/Beach_2.JPG", "/a/b.c.png", "/dog.d/beach 2", "/a/Łódź.jpg")
CAPTIONS: tuple[list[str] | None, ...] = (["A dog, running!"], [], ["a dog running", "b c"], None)
LABELS: tuple[list[str] | None, ...] = (["Airport", "old town"], None, [], ["airport"])


@pytest.fixture
def snapshot(tmp_path: Path, dense: FakeModel) -> Snapshot:
    """Four pictures with captions and tags."""
    empty = Gallery.create(tmp_path / "gallery", dense).snapshot()
    columns = {"path": PATHS, "captions": pa.array(CAPTIONS, pa.list_(pa.string()))}
    return replace(empty, items=pa.table(columns | {"labels": pa.array(LABELS, pa.list_(pa.string()))}))


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("beach 2", {0: "file name", 2: "file name"}),
        ("Beach_2.JPG", {0: "file name"}),
        ("beach 2 jpg", {0: "file name"}),
        ("b.c.png", {1: "file name"}),
        ("b.c.jpg", {}),
        ("BEACH-2!", {0: "file name", 2: "file name"}),
        ("b c", {1: "file name", 2: "caption"}),
        ("a dog running", {0: "caption", 2: "caption"}),
        ("dog running", {}),
        ("airport", {0: "tag", 3: "tag"}),
        ("Old  Town", {0: "tag"}),
        ("łódź", {3: "file name"}),
        ("dog", {}),
        ("?!", {}),
    ],
)
def test_the_very_words_of_a_caption_tag_or_file_name_are_found(
    snapshot: Snapshot, sentence: str, expected: dict[int, str]
) -> None:
    assert ExactHits(snapshot).images(sentence) == expected
