"""Pictures inside tar and parquet files, and img2dataset's files."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from crossgraph.data.check import check_corpus
from crossgraph.data.corpus import Corpus
from crossgraph.data.images import read_image
from crossgraph.data.sources import open_corpus, source_of
from crossgraph.errors import DataError
from tests.data.drawn_sets import labels_of, put_json, put_lines, put_photos


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CROSSGRAPH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def picture(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, 0, 0)).save(stream, "JPEG")
    return stream.getvalue()


def put_tar(file: Path, members: dict[str, bytes], *, mode: Literal["w", "w:gz"] = "w") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file


def captions_of(corpus: Corpus) -> dict[str, list[str]]:
    by_image = corpus.captions_of_images()
    return {image: [corpus.captions[j] for j in by_image[i]] for i, image in enumerate(corpus.image_ids)}


def test_img2dataset_gives_one_caption_a_text_however_many_lines_it_has(tmp_path: Path) -> None:
    data = tmp_path / "data"
    put_photos(data, *(f"00000/00000000{number}.jpg" for number in range(3)))
    put_lines(data / "00000/000000000.txt", "two lines", "and one caption")
    put_lines(data / "00000/000000001.txt", "one")
    for number in range(3):
        put_json(data / f"00000/00000000{number}.json", {"caption": f"json {number}", "status": "success"})
    put_json(data / "00000_stats.json", {"count": 3})
    corpus = open_corpus(data)
    assert corpus.captions == ("two lines\nand one caption", "one")
    assert source_of(data) == "img2dataset"
    assert corpus.understood.notes == ("pictures with a .json and no .txt, and so without a caption: 1",)
    assert corpus.unused == ()
    for text in (data / "00000").glob("*.txt"):
        text.unlink()
    assert open_corpus(data).captions == ("json 0", "json 1", "json 2")


def test_shards_are_read_where_they_lie(tmp_path: Path, cache: Path) -> None:
    members: dict[str, bytes] = {"._0.jpg": b"x"}
    for number in range(3):
        members |= {f"{number}.jpg": picture(number), f"{number}.txt": f"caption {number}".encode()}
    for shard in ("00000", "00001"):
        put_tar(tmp_path / f"data/{shard}.tar", {**members, "../../evil.txt": b"x", "notes.pdf": b"x"})
    corpus = open_corpus(tmp_path / "data")
    assert captions_of(corpus)["00001/2.jpg"] == ["caption 2"]
    assert len(corpus) == len(corpus.captions) == 6
    assert corpus.understood.notes == ("pictures of 2 tar files are read where they lie",)
    assert corpus.image_paths[5] == tmp_path / "data/00001.tar/2.jpg"
    assert read_image(corpus.image_paths[5]).tobytes() == Image.open(io.BytesIO(picture(2))).tobytes()
    assert not cache.exists()
    assert check_corpus(tmp_path / "data").unreadable == ()
    assert captions_of(open_corpus(tmp_path / "data/00000.tar"))["00000/1.jpg"] == ["caption 1"]
    both = tmp_path / "data/{00000..00001}.tar"
    assert open_corpus(both).image_paths == open_corpus(str(both)).image_paths == corpus.image_paths
    with pytest.raises(DataError, match="no such folder or file"):
        open_corpus(tmp_path / "data/{00002..00003}.tar")


def test_a_shard_that_is_json_alone_gives_the_captions_of_that(tmp_path: Path) -> None:
    file = put_tar(tmp_path / "00000.tar", {"a/1.jpg": picture(1), "a/1.json": b'{"caption": "from json"}'})
    assert captions_of(open_corpus(file)) == {"00000/a/1.jpg": ["from json"]}


def test_compressed_shards_are_unpacked_once_and_read_like_files(tmp_path: Path, cache: Path) -> None:
    members: dict[str, bytes] = {}
    for number in range(3):
        members |= {f"{number}.jpg": picture(number), f"{number}.txt": f"caption {number}".encode()}
    for shard in ("00000", "00001"):
        put_tar(tmp_path / f"data/{shard}.tar", {**members, "../../evil.txt": b"x", "notes.pdf": b"x"}, mode="w:gz")
    corpus = open_corpus(tmp_path / "data")
    assert captions_of(corpus)["00001/2.jpg"] == ["caption 2"]
    assert len(corpus) == len(corpus.captions) == 6
    assert corpus.understood.notes == (f"pictures of 2 tar files were unpacked into {cache / 'unpacked'}",)
    assert all(path.is_relative_to(cache) for path in corpus.image_paths)
    assert not list(tmp_path.glob("evil*"))
    assert not (cache / "evil.txt").exists()
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    assert open_corpus(tmp_path / "data").fingerprint() == corpus.fingerprint()
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*")} == before
    assert check_corpus(tmp_path / "data").unreadable == ()
    assert captions_of(open_corpus(tmp_path / "data/00000.tar"))["00000/1.jpg"] == ["caption 1"]


def test_a_shard_that_is_cut_short_gives_what_is_before_and_is_listed(tmp_path: Path) -> None:
    members = {f"{number}.jpg": picture(number) * 9 for number in range(4)}
    file = put_tar(tmp_path / "data/00000.tar", members)
    put_tar(tmp_path / "data/00001.tar", {"9.jpg": picture(9)})
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    corpus = open_corpus(tmp_path / "data")
    assert 1 < len(corpus) < 5
    assert "00001/9.jpg" in corpus.image_ids
    (listed,) = corpus.skipped
    assert listed.path == file
    assert "cannot be read to its end" in listed.reason
    file.write_bytes(b"no tar at all")
    with pytest.raises(DataError, match=r"no pictures in it.*cannot be read to its end"):
        open_corpus(file)


def test_a_cache_that_cannot_be_written_is_named_with_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_lines(tmp_path / "taken", "a file")
    monkeypatch.setenv("CROSSGRAPH_CACHE", str(tmp_path / "taken"))
    with pytest.raises(DataError, match="CROSSGRAPH_CACHE"):
        open_corpus(put_tar(tmp_path / "data/00000.tar", {"1.jpg": picture(1)}, mode="w:gz"))


def put_parquet(file: Path, columns: dict[str, Any], *, features: dict[str, Any] | None = None) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if features is not None:
        told = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": told})
    pq.write_table(table, file)
    return file


def test_parquet_names_pictures_and_rows_without_sense_are_listed(tmp_path: Path) -> None:
    put_photos(tmp_path, "images/a.jpg", "images/b.jpg")
    columns = {
        "file_name": ["a.jpg", "b.jpg", None, "gone.jpg", "a.jpg"],
        "captions": [["one", "two"], ["three"], ["x"], ["x"], None],
    }
    file = put_parquet(tmp_path / "pairs.parquet", columns)
    for corpus in (open_corpus(file), open_corpus(tmp_path)):
        assert captions_of(corpus) == {"a.jpg": ["one", "two"], "b.jpg": ["three"]}
        assert [one.where for one in corpus.skipped_rows] == ["row 3", "row 4", "row 5"]
        assert (corpus.understood.layout, corpus.understood.rows) == ("parquet", 5)
    assert open_corpus(f"parquet:{file}?image=file_name&caption=captions&images=images").captions[0] == "one"


def test_pictures_inside_parquet_are_unpacked_with_labels_and_splits(tmp_path: Path, cache: Path) -> None:
    for split, numbers in (("train", (1, 2)), ("validation", (3,))):
        images = [{"bytes": picture(number), "path": f"{number}.jpg"} for number in numbers]
        columns = {
            "image": images,
            "text": [f"caption {number}" for number in numbers],
            "label": [n % 2 for n in numbers],
        }
        features = {"label": {"names": ["even", "odd"]}}
        put_parquet(tmp_path / f"set/data/{split}-00000-of-00001.parquet", columns, features=features)
    corpus = open_corpus(tmp_path / "set")
    assert corpus.captions == ("caption 1", "caption 2", "caption 3")
    assert corpus.image_splits == ("train", "train", "val")
    assert [labels_of(corpus, row) for row in range(3)] == [["odd"], ["even"], ["odd"]]
    assert all(path.is_relative_to(cache) for path in corpus.image_paths)
    assert check_corpus(tmp_path / "set").unreadable == ()


def test_parquet_that_is_damaged_or_of_other_columns_is_refused_with_what_to_say(tmp_path: Path) -> None:
    file = put_parquet(tmp_path / "x.parquet", {"price": [1], "article": ["ball"]})
    with pytest.raises(DataError, match=r"among price, article.*parquet:.*\?image=COLUMN&caption=COLUMN"):
        open_corpus(file)
    file.write_bytes(b"PAR1PAR1")
    with pytest.raises(DataError, match="cannot be read as parquet"):
        open_corpus(file)
