"""One way to write a file: complete or absent, whatever happens meanwhile and whoever else writes it."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crossgraph.data.feature_cache import RecordStore
from crossgraph.files import ABANDONED, TEMPORARY, replacing, write_atomically, writing_out


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("durable", [True, False])
def test_writing_replaces_a_file_and_leaves_nothing_else(tmp_path: Path, durable: bool) -> None:
    for content in (b"one", b"two"):
        write_atomically(tmp_path / "file", content, durable=durable)
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"two"


def test_a_durable_file_and_its_folder_are_synced_and_another_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.readlink(f"/proc/self/fd/{number}")))
    write_atomically(tmp_path / "light", b"x", durable=False)
    assert synced == []
    write_atomically(tmp_path / "file", b"x")
    assert len(synced) == 2
    assert Path(synced[0]).name.startswith("file.")
    assert synced[1] == str(tmp_path.resolve())


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_what_fails_half_way_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    write_atomically(tmp_path / "file", b"old")
    if step == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    if step == "replace":
        monkeypatch.setattr(Path, "replace", full)

    def write() -> None:
        with replacing(tmp_path / "file") as stream:
            stream.write(b"half of the ne")
            if step == "write":
                full()

    with pytest.raises(OSError, match="No space left") as told:
        write()
    assert told.value.filename == str(tmp_path / "file")
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_stream_becomes_the_file_only_at_its_end(tmp_path: Path) -> None:
    with replacing(tmp_path / "file") as stream:
        stream.write(b"one ")
        assert not (tmp_path / "file").exists()
        stream.write(b"two")
    assert (tmp_path / "file").read_bytes() == b"one two"


def test_a_folder_that_is_gone_is_an_error_and_not_made_again(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "gone" / "file", b"x")
    assert names(tmp_path) == []


def test_threads_that_write_one_file_leave_what_one_of_them_wrote(tmp_path: Path) -> None:
    contents = [bytes([65 + place]) * 20_000 for place in range(6)]

    def write(content: bytes) -> bool:
        whole = True
        for _ in range(20):
            write_atomically(tmp_path / "file", content, durable=False)
            whole &= (tmp_path / "file").read_bytes() in contents
        return whole

    with ThreadPoolExecutor(len(contents)) as pool:
        assert all(pool.map(write, contents))
    assert names(tmp_path) == ["file"]


def test_a_writer_whose_temporary_file_was_taken_for_a_leftover_writes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, tries = Path.replace, []

    def replace_at_second_try(temporary: Path, target: Path) -> Path:
        tries.append(temporary)
        if len(tries) == 1:
            RecordStore(tmp_path)  # another process opens the cache at the worst moment
        return replace(temporary, target)

    monkeypatch.setattr(Path, "replace", replace_at_second_try)
    write_atomically(tmp_path / "one.safetensors", b"content")
    assert len(set(tries)) == 2
    assert (tmp_path / "one.safetensors").read_bytes() == b"content"


KILLED = """
import os, signal, sys
from pathlib import Path
from crossgraph.files import replacing
with replacing(Path(sys.argv[1])) as stream:
    stream.write(b"half")
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_what_a_kill_leaves_is_removed_by_a_later_writer_once_it_is_old(tmp_path: Path) -> None:
    file = tmp_path / "a [b] file"
    write_atomically(file, b"old")
    assert subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False).returncode == -9
    assert file.read_bytes() == b"old"
    (left,) = tmp_path.glob(f"*{TEMPORARY}")
    write_atomically(file, b"new")
    assert left.exists(), "it could be another writer's"
    long_ago = left.stat().st_mtime - ABANDONED - 1
    os.utime(left, (long_ago, long_ago))
    write_atomically(file, b"newer")
    assert names(tmp_path) == ["a [b] file"]


def write_out(path: Path, content: bytes) -> None:
    with writing_out(path) as file:
        file.write(content)


def test_what_is_written_out_follows_links_and_keeps_the_mode(tmp_path: Path) -> None:
    file, link = tmp_path / "there" / "file", tmp_path / "link"
    file.parent.mkdir()
    file.write_bytes(b"old")
    file.chmod(0o600)
    link.symlink_to(file)
    write_out(link, b"new")
    assert (link.is_symlink(), file.read_bytes(), file.stat().st_mode & 0o777) == (True, b"new", 0o600)
    assert names(file.parent) == ["file"]

    def write_half() -> None:
        with writing_out(link) as stream:
            stream.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert (file.read_bytes(), names(tmp_path)) == (b"new", ["link", "there"])
    file.unlink()
    write_out(link, b"again")  # a link to what is not there yet
    assert (link.is_symlink(), file.read_bytes()) == (True, b"again")
    with pytest.raises(IsADirectoryError):
        write_out(file.parent, b"x")


def test_what_is_written_into_a_pipe_is_read_from_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        got = pool.submit(pipe.read_bytes)
        write_out(pipe, b"through")
        assert got.result(timeout=30) == b"through"
    assert (pipe.is_fifo(), names(tmp_path)) == (True, ["pipe"])
