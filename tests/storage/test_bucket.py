"""Documents and leases in an object store: what a writer is promised, and what becomes of one that lost its place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crossgraph.errors import GalleryError
from crossgraph.storage import lease
from crossgraph.storage.address import Address
from crossgraph.storage.bucket import Bucket
from crossgraph.storage.lease import Lease
from crossgraph.storage.objects import ConflictError, Objects


@pytest.fixture
def bucket(address: str) -> Bucket:
    return Bucket(Address.parse(address))


@pytest.fixture
def stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers that are not heard of after they began, and leases that run out at once."""
    monkeypatch.setattr(lease, "SECONDS", 0.0)
    monkeypatch.setattr(Lease, "_renew_until_over", lambda _: None)


def lease_of(bucket: Bucket) -> dict[str, object]:
    return dict(json.loads(bucket._objects.get(lease.FILE)[0]))


def test_a_write_is_made_only_over_what_was_seen(address: str) -> None:
    objects = Objects(Address.parse(address))
    tag = objects.put("a", b"1", over=None)
    with pytest.raises(ConflictError):
        objects.put("a", b"2", over=None)
    newer = objects.put("a", b"2", over=tag)
    with pytest.raises(ConflictError):
        objects.put("a", b"3", over=tag)
    assert objects.get("a") == (b"2", newer)


def test_documents_are_replaced_and_listed_and_removed(bucket: Bucket) -> None:
    with pytest.raises(FileNotFoundError):
        bucket.read("a.json")
    with bucket.writing():
        bucket.write("a.json", b'{"x": "\\udcff"}')
        first = bucket.stamp("a.json")
        bucket.write("a.json", b'{"x": "\\udcff"}')
        assert bucket.stamp("a.json") != first  # the same content is another write all the same
        bucket.under("sub").write("b.json", b"{}")
        bucket.under("sub2").write("b.json", b"{}")
        assert json.loads(bucket.read("a.json")) == {"x": "\udcff"}
        assert sorted(bucket.names()) == ["a.json", lease.FILE, "sub", "sub2"]
        assert bucket.under("sub").names() == ["b.json"]
        assert bucket.size() > bucket.under("sub").size() == bucket.size("sub") > 0
        bucket.remove("sub")
        assert sorted(bucket.names()) == ["a.json", lease.FILE, "sub2"]
        bucket.remove("a.json")
        bucket.remove("never there")
        assert sorted(bucket.names()) == [lease.FILE, "sub2"]


def test_nothing_is_written_without_the_lease(bucket: Bucket) -> None:
    with pytest.raises(GalleryError, match="lease"):
        bucket.write("a.json", b"{}")


def test_one_of_two_writers_is_refused_until_the_other_is_done(bucket: Bucket, address: str) -> None:
    other = Bucket(Address.parse(address))
    with bucket.writing() as unaware:
        assert not unaware
        with (
            pytest.raises(GalleryError, match=f"another process is indexing.*process {os.getpid()} on"),
            other.writing(),
        ):
            pass
        bucket.write("a.json", b"{}")
    with other.writing() as unaware:
        assert not unaware


def fail() -> None:
    raise GalleryError("it lies in pieces")


def test_after_an_error_the_next_writer_is_told_that_something_may_arrive_late(bucket: Bucket) -> None:
    with pytest.raises(GalleryError, match="in pieces"), bucket.writing():
        fail()
    with bucket.writing() as unaware:
        assert unaware
    with bucket.writing() as unaware:
        assert not unaware


def test_a_lease_is_kept_while_its_writer_lives(bucket: Bucket, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "SECONDS", 3.0)
    with Bucket(Address.parse(address)).writing():
        until = lease_of(bucket)["until"]
        deadline = time.monotonic() + 60
        while lease_of(bucket)["until"] == until:
            assert time.monotonic() < deadline, "it was not written again"
            time.sleep(0.1)
        with pytest.raises(GalleryError, match="another process is indexing"), bucket.writing():
            pass


def test_who_was_not_heard_of_is_replaced_and_can_write_nothing_more(
    bucket: Bucket, address: str, stalled: None
) -> None:
    other = Bucket(Address.parse(address), seconds=60.0)
    with bucket.writing():
        bucket.write("a.json", b'{"by": 1}')
        with other.writing() as unaware:
            assert unaware
            for _ in range(2):
                with pytest.raises(GalleryError, match="took over"):
                    bucket.write("a.json", b'{"by": 2}')
            with pytest.raises(GalleryError, match="took over"):
                bucket.remove("a.json")
            other.write("a.json", b'{"by": 3}')
    assert json.loads(other.read("a.json")) == {"by": 3}
    assert lease_of(other)["epoch"] == 2
    assert lease_of(other)["clean"]  # who lost it did not let go of what is not theirs


def test_a_write_that_was_under_way_when_its_lease_was_lost_is_not_done(
    bucket: Bucket, address: str, stalled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Bucket(Address.parse(address), seconds=60.0)
    with bucket.writing():
        bucket.write("a.json", b'{"by": 1}')
        check = bucket.check

        def check_and_stall() -> None:
            check()
            monkeypatch.setattr(bucket, "check", check)
            with other.writing() as unaware:
                assert unaware
                other.write_again("a.json")
                other.write_again("b.json", otherwise=b"{}")
                other.write_again("c.json")

        monkeypatch.setattr(bucket, "check", check_and_stall)
        with pytest.raises(ConflictError):
            bucket.write("a.json", b'{"by": 2}')
    assert json.loads(other.read("a.json")) == {"by": 1}
    assert json.loads(other.read("b.json")) == {}
    assert "c.json" not in other.names()


def test_a_writer_that_was_killed_on_this_machine_is_replaced_at_once(bucket: Bucket, address: str) -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("only Linux says when a process began")
    program = (
        "import os, sys\n"
        "from crossgraph.storage.address import Address\n"
        "from crossgraph.storage.bucket import Bucket\n"
        "with Bucket(Address.parse(sys.argv[1]), seconds=3600.0).writing():\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(GalleryError, match=f"process {child.pid} on"), bucket.writing():
            pass
        child.kill()
    with bucket.writing() as unaware:
        assert unaware


def test_a_bucket_that_is_not_there_and_a_store_that_is_not_there_are_said(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(GalleryError, match="there is no bucket 'nowhere'"):
        Bucket(Address.parse("s3://nowhere/gallery")).read("a.json")
    with (
        pytest.raises(GalleryError, match="there is no bucket 'nowhere'"),
        Bucket(Address.parse("s3://nowhere/gallery")).writing(),
    ):
        pass
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("crossgraph.storage.objects.PATIENCE", 1)
    with pytest.raises(GalleryError, match="could not be read or written"):
        Bucket(Address.parse(address)).stamp("a.json")
