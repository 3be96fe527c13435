"""The feature cache: computed once, read back as it was, resumable, shared, suspicious of damage."""

import hashlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors import safe_open
from safetensors.numpy import save

from crossgraph.data import feature_cache
from crossgraph.data.feature_cache import FeatureCache, RecordStore
from crossgraph.data.features.image_features import extract_image_features
from crossgraph.data.features.text_features import extract_text_features
from crossgraph.encoders.catalogue import build_image_encoder
from crossgraph.encoders.image import ImageEncoder, ImageFeatures
from crossgraph.encoders.text import TextEncoder, TextFeatures
from crossgraph.encoders.vocabulary_text import VocabularyTextEncoder
from crossgraph.errors import ConfigError, FeatureError
from crossgraph.files import write_atomically
from crossgraph.types import ImageBatch
from crossgraph.words import Vocabulary, tokenize


class RowEncoder(ImageEncoder):
    """Not a network: parts are the mean colours of some rows of the picture, as many as its red corner says."""

    name, fingerprint = "folder/of rows", "f0"
    part_width, whole_width = 3, 2

    def __init__(self, *, pause: float = 0.0) -> None:
        self.encoded = 0
        self.pause = pause

    def encode(self, images: Sequence[Image.Image]) -> list[ImageFeatures]:
        self.encoded += len(images)
        time.sleep(self.pause * len(images))
        return [self._encode_one(np.asarray(image, dtype=np.float32)) for image in images]

    def _encode_one(self, pixels: np.ndarray) -> ImageFeatures:
        number = 1 + int(pixels[0, 0, 0]) % 4
        parts = pixels[:number].mean(axis=1).astype(np.float16)
        boxes = np.linspace(0, 1, 4 * number, dtype=np.float32).reshape(number, 4)
        whole = np.array([pixels[:, 0].mean(), pixels[:, -1].mean()], dtype=np.float16)
        return ImageFeatures(parts, boxes, whole)


class LetterEncoder(TextEncoder):
    """Not a network: a word's state is the code of its first letter and its length."""

    name, fingerprint = "letters", "t0"
    vocabulary_size, state_width, whole_width, max_words = 0, 2, 3, 40

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def encode(self, captions: Sequence[str]) -> list[TextFeatures]:
        self.encoded += captions
        features = []
        for caption in captions:
            words = tuple(tokenize(caption))
            states = np.array([[ord(word[0]) % 100, len(word)] for word in words], dtype=np.float16)
            whole = np.array([len(caption), len(words), -1], dtype=np.float16)
            features.append(TextFeatures(words, states=states, whole=whole))
        return features

    def describe(self) -> dict[str, object]:
        return {}


class Recorder:
    """A `Progress` that remembers."""

    def __init__(self) -> None:
        self.totals: dict[str, int] = {}
        self.done: dict[str, int] = {}

    @contextmanager
    def task(self, description: str, total: int) -> Iterator["_Counter"]:
        self.totals[description] = total
        self.done[description] = 0
        yield _Counter(self, description)

    def note(self, event: str, **facts: object) -> None:
        raise AssertionError(event)


class _Counter:
    def __init__(self, recorder: Recorder, description: str) -> None:
        self.recorder, self.description = recorder, description

    def advance(self, amount: int = 1, **facts: object) -> None:
        self.recorder.done[self.description] += amount


def draw(folder: Path, number: int) -> list[Path]:
    """Small pictures, all different, lossless."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in range(number):
        image = Image.new("RGB", (12, 8), (index % 256, 20, 200))
        ImageDraw.Draw(image).rectangle((index % 9, 2, 11, 6), fill=(200, index % 251, 10))
        image.save(folder / f"{index:03}.png")
        paths.append(folder / f"{index:03}.png")
    return paths


def assert_same(one: ImageBatch, other: ImageBatch) -> None:
    for field in ("parts", "mask", "boxes", "whole"):
        assert torch.equal(getattr(one, field), getattr(other, field)), field


def shards(cache: FeatureCache) -> list[Path]:
    return sorted(cache.folder.rglob("*.safetensors"))


def test_rows_equal_the_encoders_output_padded_with_a_mask(tmp_path: Path) -> None:
    paths = draw(tmp_path, 7)
    table, skipped = extract_image_features(paths, RowEncoder(), FeatureCache(tmp_path / "cache", shard_size=3))
    assert (len(table), skipped) == (7, [])
    indices = [5, 0, 2, 5]
    batch = table.rows(indices)
    expected = RowEncoder().encode([Image.open(paths[index]) for index in indices])
    assert batch.parts.shape[1] == max(len(one.parts) for one in expected)
    for row, one in enumerate(expected):
        p = len(one.parts)
        assert batch.mask[row].tolist() == [True] * p + [False] * (batch.mask.shape[1] - p)
        np.testing.assert_array_equal(batch.parts[row, :p], one.parts)
        np.testing.assert_array_equal(batch.boxes[row, :p], one.boxes)
        np.testing.assert_array_equal(batch.whole[row], one.whole)
        assert not batch.parts[row, p:].any()
    assert batch.parts.dtype == batch.whole.dtype == torch.float32


def test_no_rows_make_an_empty_batch(tmp_path: Path) -> None:
    table, _ = extract_image_features([], RowEncoder(), FeatureCache(tmp_path))
    batch = table.rows([])
    assert (batch.parts.shape, batch.whole.shape) == ((0, 0, 3), (0, 2))
    texts = extract_text_features([], LetterEncoder(), FeatureCache(tmp_path))
    assert len(texts) == len(texts.rows([])) == 0


def test_a_second_run_computes_nothing_and_gives_the_same(tmp_path: Path) -> None:
    paths = draw(tmp_path, 10)
    first, _ = extract_image_features(paths, RowEncoder(), FeatureCache(tmp_path / "cache", shard_size=4), batch=3)
    encoder = RowEncoder()
    second, _ = extract_image_features(paths[::-1], encoder, FeatureCache(tmp_path / "cache"))
    assert encoder.encoded == 0
    assert_same(second.rows(range(10)), first.rows(range(9, -1, -1)))


def test_only_new_pictures_are_computed_when_a_folder_grows(tmp_path: Path) -> None:
    paths = draw(tmp_path, 10)
    cache, encoder, progress = FeatureCache(tmp_path / "cache"), RowEncoder(), Recorder()
    extract_image_features(paths[:6], encoder, cache)
    table, _ = extract_image_features(paths, encoder, cache, progress=progress)
    assert encoder.encoded == len(table) == 10
    assert progress.totals == progress.done == {"checking pictures": 10, "encoding pictures": 4}


def test_equal_files_are_computed_once_and_names_do_not_matter(tmp_path: Path) -> None:
    paths = draw(tmp_path, 3)
    copy = tmp_path / "copy with other name.jpg"
    copy.write_bytes(paths[1].read_bytes())
    encoder = RowEncoder()
    table, _ = extract_image_features([*paths, copy, paths[0]], encoder, FeatureCache(tmp_path / "cache"))
    assert encoder.encoded == 3
    assert table.kept == (0, 1, 2, 3, 4)
    assert table.paths[3] == copy
    assert_same(table.rows([3, 4]), table.rows([1, 0]))


def test_unreadable_pictures_are_listed_and_never_stop_the_run(tmp_path: Path) -> None:
    paths = draw(tmp_path, 4)
    broken, empty, absent = tmp_path / "broken.png", tmp_path / "empty.png", tmp_path / "absent.png"
    broken.write_bytes(paths[0].read_bytes()[:60])
    empty.touch()
    wanted = [paths[0], broken, paths[1], empty, absent, paths[2], broken, paths[3]]
    progress = Recorder()
    table, skipped = extract_image_features(
        wanted, RowEncoder(), FeatureCache(tmp_path / "cache"), batch=2, progress=progress
    )
    assert table.kept == (0, 2, 5, 7)
    assert [one.path for one in skipped] == [broken, empty, absent, broken]
    assert all(one.reason for one in skipped)
    assert progress.done == progress.totals


def test_mirrored_features_are_those_of_the_flipped_picture_and_kept_apart(tmp_path: Path) -> None:
    paths = draw(tmp_path, 3)
    cache, encoder = FeatureCache(tmp_path / "cache"), RowEncoder()
    plain, _ = extract_image_features(paths, encoder, cache)
    mirror, _ = extract_image_features(paths, encoder, cache, view="mirror")
    assert encoder.encoded == 6
    assert torch.equal(mirror.rows([1]).whole, plain.rows([1]).whole.flip(1))
    assert not torch.equal(mirror.rows([1]).whole, plain.rows([1]).whole)


def test_an_unknown_view_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'mirror'"):
        extract_image_features([], RowEncoder(), FeatureCache(tmp_path), view="miror")


def test_other_encoders_and_settings_do_not_share_features(tmp_path: Path) -> None:
    paths, cache = draw(tmp_path, 2), FeatureCache(tmp_path / "cache")
    extract_image_features(paths, RowEncoder(), cache)
    other = RowEncoder()
    other.fingerprint = "f1"
    extract_image_features(paths, other, cache)
    assert other.encoded == 2
    assert sorted(folder.name for folder in cache.folder.iterdir()) == ["of-rows-f0", "of-rows-f1"]


def test_a_damaged_shard_is_removed_reported_and_computed_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = draw(tmp_path, 9)
    cache = FeatureCache(tmp_path / "cache", shard_size=3)
    before = extract_image_features(paths, RowEncoder(), cache, batch=3)[0].rows(range(9))
    cut, emptied, _ = shards(cache)
    content = cut.read_bytes()
    cut.unlink()  # the mapped file stays as it was
    cut.write_bytes(content[:-7])
    emptied.unlink()
    emptied.touch()
    again, encoder = FeatureCache(tmp_path / "cache", shard_size=3), RowEncoder()
    table, _ = extract_image_features(paths, encoder, again)
    assert encoder.encoded == 6
    assert isinstance(table.store, RecordStore)
    assert set(table.store.damaged) == {cut, emptied}
    assert not cut.exists()
    assert "damaged" in caplog.text
    assert_same(table.rows(range(9)), before)


def flip_last_byte(shard: Path) -> None:
    """Damage a shard in its last record, whose numbers stay finite."""
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)


def test_features_that_changed_on_the_disk_are_an_error_that_names_the_file_and_computed_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = draw(tmp_path, 4)
    before = extract_image_features(paths, RowEncoder(), FeatureCache(tmp_path / "cache", shard_size=2))[0]
    expected = before.rows(range(4))
    cache = FeatureCache(tmp_path / "cache", shard_size=2)
    damaged = shards(cache)[0]
    flip_last_byte(damaged)
    encoder = RowEncoder()
    table, _ = extract_image_features(paths, encoder, cache)
    with pytest.raises(FeatureError, match=rf"{re.escape(str(damaged))} is damaged: .* run the command again"):
        table.rows(range(4))
    assert encoder.encoded == 0
    assert not damaged.exists()
    assert isinstance(table.store, RecordStore)
    assert table.store.damaged == (damaged,)
    assert str(damaged) in caplog.text
    assert_same(extract_image_features(paths, encoder, cache)[0].rows(range(4)), expected)
    assert encoder.encoded == 2


def test_a_damaged_record_that_another_process_stored_too_is_read_from_there(tmp_path: Path) -> None:
    stores = [RecordStore(tmp_path / "store") for _ in range(2)]
    for store in stores:
        store.write("one", {"a": np.arange(6, dtype=np.float32).reshape(3, 2)})
        store.flush()
    both = RecordStore(tmp_path / "store")
    first = min((tmp_path / "store").iterdir())
    flip_last_byte(first)
    assert both.read("one")["a"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert both.damaged == (first,)


def test_a_record_is_not_taken_for_that_of_another_key(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "store")
    for number, key in enumerate(("one", "two")):
        store.write(key, {"a": np.full((1, 2), number, np.float32)})
    store.flush()
    shard = next((tmp_path / "store").iterdir())
    shard.write_bytes(shard.read_bytes().replace(b'\\"one\\"', b'\\"six\\"'))
    with pytest.raises(FeatureError, match="the features of 'six' are not what was written"):
        RecordStore(tmp_path / "store").read("six")


def test_shards_without_checksums_are_read_as_they_are(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "store")
    store.write("one", {"a": np.arange(4.0)[:, None]})
    store.flush()
    shard = next((tmp_path / "store").iterdir())
    with safe_open(shard, framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = {name: value for name, value in file.metadata().items() if name != "checksums"}
    shard.write_bytes(save(tensors, metadata=metadata))
    assert RecordStore(tmp_path / "store").read("one")["a"].tolist() == [[0], [1], [2], [3]]


def test_leftovers_of_a_kill_are_removed_on_opening(tmp_path: Path) -> None:
    paths, cache = draw(tmp_path, 2), FeatureCache(tmp_path / "cache")
    extract_image_features(paths, RowEncoder(), cache)
    leftover = shards(cache)[0].with_name("1-a.safetensors.writing")
    leftover.write_bytes(b"half a sha")
    encoder = RowEncoder()
    extract_image_features(paths, encoder, FeatureCache(tmp_path / "cache"))
    assert encoder.encoded == 0
    assert not leftover.exists()


def test_a_store_keeps_arrays_of_any_memory_order_and_refuses_unknown_keys(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "store", shard_size=2)
    records = {
        key: {"a": np.arange(3.0 * size).reshape(3, size).T, "b": np.arange(size, dtype=np.uint8)}
        for key, size in (("one", 1), ("two", 2), ("five", 5))
    }
    for key, record in records.items():
        store.write(key, record)
    assert "five" not in store
    store.flush()
    assert len(store) == 3
    for key, record in records.items():
        assert {name: array.tolist() for name, array in store.read(key).items()} == {
            name: array.tolist() for name, array in record.items()
        }
    with pytest.raises(FeatureError, match="extract the features first"):
        store.read("six")


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(FeatureError, match="cannot be written"):
        extract_image_features(draw(tmp_path / "drawn", 1), RowEncoder(), FeatureCache(tmp_path / "cache"))


def test_what_was_computed_before_an_interruption_is_kept(tmp_path: Path) -> None:
    class Interrupted(RowEncoder):
        def encode(self, images: Sequence[Image.Image]) -> list[ImageFeatures]:
            if self.encoded >= 4:
                raise KeyboardInterrupt
            return super().encode(images)

    paths, cache = draw(tmp_path, 10), FeatureCache(tmp_path / "cache")
    with pytest.raises(KeyboardInterrupt):
        extract_image_features(paths, Interrupted(), cache, batch=2)
    encoder = RowEncoder()
    extract_image_features(paths, encoder, FeatureCache(tmp_path / "cache"))
    assert encoder.encoded == 6


ROOT = Path(__file__).parents[3]
EXTRACT = """
import sys
from pathlib import Path
from tests.data.features.test_features import FeatureCache, RowEncoder, extract_image_features
paths = sorted(Path(sys.argv[1]).glob("*.png"))
extract_image_features(paths, RowEncoder(pause=0.02), FeatureCache(sys.argv[2], shard_size=8), batch=4)
"""


@contextmanager
def extraction_under_way(images: Path, cache: FeatureCache) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that extracts features slowly and has written its first shard."""
    run = subprocess.Popen([sys.executable, "-c", EXTRACT, str(images), str(cache.folder)], cwd=ROOT)
    try:
        deadline = time.monotonic() + 60
        while not shards(cache):
            assert run.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        yield run
    finally:
        run.kill()
        run.wait()


@pytest.mark.slow
def test_a_killed_run_is_continued_and_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    paths = draw(tmp_path / "drawn", 60)
    whole, _ = extract_image_features(paths, RowEncoder(), FeatureCache(tmp_path / "whole", shard_size=8), batch=4)
    cache = FeatureCache(tmp_path / "cache", shard_size=8)
    with extraction_under_way(tmp_path / "drawn", cache) as run:
        run.send_signal(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL
    stored = 8 * len(shards(cache))
    assert 0 < stored < 60
    encoder = RowEncoder()
    table, skipped = extract_image_features(paths, encoder, cache, batch=4)
    assert skipped == []
    assert encoder.encoded == 60 - stored
    assert_same(table.rows(range(60)), whole.rows(range(60)))
    assert not list(cache.folder.rglob("*.writing"))


@pytest.mark.slow
def test_two_processes_may_fill_one_cache(tmp_path: Path) -> None:
    paths = draw(tmp_path / "drawn", 60)
    cache = FeatureCache(tmp_path / "cache", shard_size=3)
    with extraction_under_way(tmp_path / "drawn", cache) as run:
        extract_image_features(paths[::-1], RowEncoder(pause=0.005), cache, batch=3)
        assert run.wait(60) == 0
    encoder = RowEncoder()
    table, _ = extract_image_features(paths, encoder, FeatureCache(tmp_path / "cache"))
    assert encoder.encoded == 0
    assert isinstance(table.store, RecordStore)
    assert table.store.damaged == ()
    expected, _ = extract_image_features(paths, RowEncoder(), FeatureCache(tmp_path / "alone"))
    assert_same(table.rows(range(60)), expected.rows(range(60)))


def test_threads_may_fill_one_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another thread writes to the disk at that moment takes nothing with it."""

    def slowly(path: Path, content: bytes) -> None:
        time.sleep(0.005)
        write_atomically(path, content)

    monkeypatch.setattr(feature_cache, "write_atomically", slowly)
    cache = FeatureCache(tmp_path, shard_size=3)

    def fill(thread: int) -> list[float]:
        store = cache.records("rows", "1", view="plain")
        found = []
        for number in range(8):
            keys = [f"{thread}-{number}-{one}" for one in range(2)]
            for value, key in enumerate(keys):
                store.write(key, {"parts": np.full((1, 2), 100 * thread + 10 * number + value, np.float32)})
            store.flush()
            found += [float(store.read(key)["parts"][0, 0]) for key in keys]
        return found

    with ThreadPoolExecutor(8) as threads:
        for thread, found in enumerate(threads.map(fill, range(8))):
            assert found == [100 * thread + 10 * number + value for number in range(8) for value in range(2)]
    assert len(FeatureCache(tmp_path).records("rows", "1", view="plain")) == 8 * 8 * 2


def test_an_open_cache_sees_what_another_one_adds(tmp_path: Path) -> None:
    paths = draw(tmp_path, 4)
    early = FeatureCache(tmp_path / "cache")
    extract_image_features(paths[:2], RowEncoder(), early)
    extract_image_features(paths[2:], RowEncoder(), FeatureCache(tmp_path / "cache"))
    encoder = RowEncoder()
    extract_image_features(paths, encoder, early)
    assert encoder.encoded == 0


def test_states_of_captions_are_computed_once_and_read_back(tmp_path: Path) -> None:
    captions = [f"caption {hashlib.md5(bytes([i])).hexdigest()} of a dog's day" for i in range(100)]
    captions += [captions[3], "Ça va, 犬"]
    encoder, progress = LetterEncoder(), Recorder()
    table = extract_text_features(captions, encoder, FeatureCache(tmp_path, shard_size=30), progress=progress)
    assert len(table) == 102
    assert sorted(encoder.encoded) == sorted(set(captions))
    assert progress.done == {"encoding captions": 101}
    again = LetterEncoder()
    table = extract_text_features(captions[::-1], again, FeatureCache(tmp_path))
    assert again.encoded == []
    batch = table.rows([0, 98, 0])
    (short,) = LetterEncoder().encode([captions[-1]])
    assert batch.words[0] == short.words == ("ça", "va", "犬")
    assert batch.ids is None
    assert batch.states is not None
    assert batch.states.dtype == torch.float32
    np.testing.assert_array_equal(batch.states[0, :3], short.states)
    assert batch.mask.sum(dim=1).tolist() == [3, 6, 3]
    assert not batch.states[0, 3:].any()
    assert batch.whole is not None
    assert batch.whole.tolist() == [[8, 3, -1], [len(captions[3]), 6, -1], [8, 3, -1]]
    assert table.rows([]).whole.shape == (0, 3)
    more = table.extended(extract_text_features(["one more"], again, FeatureCache(tmp_path)))
    assert more.rows([len(more) - 1]).whole.tolist() == [[8, 2, -1]]


def test_a_query_is_not_worth_a_shard(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    assert extract_text_features(["a dog"], LetterEncoder(), cache).rows([0]).words == (("a", "dog"),)
    assert shards(cache) == []


def test_a_query_is_encoded_without_a_look_into_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = [f"caption number {number}" for number in range(100)]
    extract_text_features(stored, LetterEncoder(), FeatureCache(tmp_path))
    read = extract_text_features(stored, LetterEncoder(), FeatureCache(tmp_path)).rows([3]).states
    monkeypatch.setattr(FeatureCache, "records", lambda *_, **__: pytest.fail("the cache was opened"))
    asked = extract_text_features([stored[3]], LetterEncoder(), FeatureCache(tmp_path)).rows([0]).states
    torch.testing.assert_close(asked, read, rtol=0, atol=0)


def test_stages_that_share_an_encoder_have_it_read_a_query_once(tmp_path: Path) -> None:
    encoder, cache = LetterEncoder(), FeatureCache(tmp_path)
    first, second, other = (
        extract_text_features([query], encoder, cache).rows([0]) for query in ("a dog", "a dog", "two cats")
    )
    assert encoder.encoded == ["a dog", "two cats"]
    assert first.words == second.words == (("a", "dog"),)
    assert torch.equal(first.states, second.states)
    assert other.words == (("two", "cats"),)
    for number in range(100):
        extract_text_features([f"query {number}"], encoder, cache)
    extract_text_features(["a dog"], encoder, cache)
    assert encoder.encoded.count("a dog") == 2, "only the last are kept"


def test_vocabulary_ids_are_padded_and_never_cached(tmp_path: Path) -> None:
    encoder = VocabularyTextEncoder(Vocabulary(("a", "dog")))
    table = extract_text_features(["a dog", "", "a dog", "a"], encoder, FeatureCache(tmp_path))
    batch = table.rows([0, 1, 3])
    assert batch.ids is not None
    assert batch.ids.tolist() == [[2, 3], [1, 0], [2, 0]]
    assert batch.mask.tolist() == [[True, True], [True, False], [True, False]]
    assert batch.states is None
    assert batch.whole is None
    assert shards(FeatureCache(tmp_path)) == []


def test_real_efficientnet_features_come_back_from_the_cache(tmp_path: Path) -> None:
    paths = draw(tmp_path, 4)
    encoder = build_image_encoder("efficientnet-lite0", size=96, cells=(3,))
    table, _ = extract_image_features(paths, encoder, FeatureCache(tmp_path / "cache"))
    expected = encoder.encode([Image.open(path) for path in paths])
    batch = table.rows(range(4))
    assert batch.parts.shape == (4, 9, 1280)
    for row, one in enumerate(expected):
        torch.testing.assert_close(batch.parts[row], torch.from_numpy(one.parts).float(), atol=1e-2, rtol=1e-2)
