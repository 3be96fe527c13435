"""Files of every layout with bytes changed or cut: a corpus, or an error that names the file; never anything else."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from crossgraph.data.sources import open_corpus
from crossgraph.errors import DataError
from tests.data.drawn_sets import put_photos


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


def a_tar(stream: io.BytesIO) -> None:
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in (("a.jpg", b"\xff\xd8" * 90), ("a.txt", b"a dog"), ("b.jpg", b"\xff\xd8" * 90)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


TABLE = b'image,caption,split\na.jpg,"a ""red"" ball",train\nb.jpg,two,val\n'
COCO = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"image_id": 1, "caption": "one"}]}
KARPATHY = {"images": [{"filename": "a.jpg", "split": "train", "sentences": [{"raw": "one"}]}]}
FILES = {
    "captions.csv": TABLE,
    "captions.txt": TABLE.replace(b",", b"\t"),
    "captions.jsonl": b'{"image": "a.jpg", "captions": ["one"]}\n{"image": "b.jpg", "caption": "two"}\n',
    "list.json": json.dumps([{"image": "a.jpg", "caption": "one"}, {"image": "b.jpg", "caption": ["two"]}]).encode(),
    "captions_val2017.json": json.dumps(COCO).encode(),
    "dataset_coco.json": json.dumps(KARPATHY).encode(),
    "my.token": b"a.jpg#0\tone\nb.jpg#0\ttwo\n",
    "metadata.csv": b"file_name,text\na.jpg,one\n",
    "a.txt": b"one\ntwo\n",
    "00000.tar": written(a_tar),
    "pairs.parquet": written(lambda stream: pq.write_table(pa.table({"image": ["a.jpg"], "caption": ["one"]}), stream)),
    "set.mat": written(lambda stream: savemat(stream, {"XAll": np.eye(4), "YAll": np.eye(4), "LAll": np.eye(4)})),
    "set.npz": written(lambda stream: np.savez(stream, images=np.eye(4), texts=np.eye(4), labels=np.eye(4))),
    "train_ims.npy": written(lambda stream: np.save(stream, np.ones((2, 3, 4), np.float32))),
}


@contextmanager
def folder_with(name: str, content: bytes) -> Iterator[Path]:
    with TemporaryDirectory() as place:
        folder = Path(place)
        put_photos(folder, "a.jpg", "b.jpg")
        (folder / "train_caps.txt").write_text("one\ntwo\n")
        (folder / name).write_bytes(content)
        yield folder


@pytest.mark.parametrize("name", FILES)
def test_the_undamaged_file_is_read(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSGRAPH_CACHE", str(tmp_path))
    with folder_with(name, FILES[name]) as folder:
        assert len(open_corpus(folder))
        if name not in ("a.txt", "metadata.csv", "train_ims.npy"):
            assert len(open_corpus(folder / name))


@settings(max_examples=25)
@given(data=st.data())
@pytest.mark.parametrize("name", FILES)
def test_damage_is_listed_or_an_error_of_ours(name: str, data: st.DataObject) -> None:
    content = bytearray(FILES[name])
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    with pytest.MonkeyPatch.context() as patch, folder_with(name, bytes(content[:cut])) as folder:
        patch.setenv("CROSSGRAPH_CACHE", str(folder / ".cache"))
        for opened in (folder, folder / name):
            try:
                corpus = open_corpus(opened)
            except DataError as error:
                assert str(folder) in str(error)  # noqa: PT017
                continue
            understood = corpus.understood
            assert understood.rows == understood.rows_read + len(corpus.skipped_rows)
