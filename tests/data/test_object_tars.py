"""Tar files that are read in parts: no more is asked for than is needed, in few requests."""

import io
import tarfile

import pytest

from crossgraph.data.object_tars import LARGEST, SMALLEST, Window
from crossgraph.data.tars import looked_through


def tar_of(count: int, size: int) -> bytes:
    """A tar file of so many files of so many bytes."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for number in range(count):
            member = tarfile.TarInfo(f"{number:05}.jpg")
            member.size = size
            tar.addfile(member, io.BytesIO(bytes([number % 251]) * size))
    return file.getvalue()


def asked_for(content: bytes) -> tuple[list[int], dict[str, tuple[int, int]]]:
    """How many bytes each request was for, and what was found."""
    asked = list[int]()

    def part(start: int, count: int) -> bytes:
        asked.append(count)
        return content[start : start + count]

    return asked, dict(looked_through(Window(part, len(content)), len(content)).places)


@pytest.mark.parametrize(("count", "size"), [(3, 0), (7, 700), (400, 3_000), (12, 400_000), (1, 10)])
def test_what_is_found_is_what_there_is(count: int, size: int) -> None:
    content = tar_of(count, size)
    _, found = asked_for(content)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert found == {member.name: (member.offset_data, member.size) for member in tar}


def test_of_large_files_little_is_read() -> None:
    content = tar_of(40, 400_000)
    asked, _ = asked_for(content)
    assert len(asked) <= 45
    assert sum(asked) < 0.15 * len(content)


def test_of_small_files_few_requests_are_made() -> None:
    content = tar_of(5_000, 4_000)
    asked, _ = asked_for(content)
    assert sum(asked) < 1.1 * len(content)
    assert len(asked) < 15
    assert max(asked) <= LARGEST


def test_a_window_reads_as_a_file_does() -> None:
    content = bytes(range(256)) * 1_000
    window, file = Window(lambda start, count: content[start : start + count], len(content)), io.BytesIO(content)
    for step in range(60):
        for one in (window, file):
            one.seek((step * 7_919) % len(content) if step % 3 else -step - 1, 0 if step % 3 else 2)
        count = (0, 5, 3 * SMALLEST, -1)[step % 4]
        assert window.read(count) == file.read(count)
        assert window.tell() == file.tell()
    assert window.seek(5, io.SEEK_CUR) == file.seek(5, io.SEEK_CUR)
