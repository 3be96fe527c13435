"""Annotations are executed while tests run, those of shapes too (`tests/executed_annotations.py`)."""

from __future__ import annotations

import ctypes
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before anything imports torch: see crossgraph.waiting

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests import executed_annotations, one_cluster

if TYPE_CHECKING:
    from crossgraph.graphs.caption_parser import CaptionParser

executed_annotations.install("crossgraph")

# A busy machine is slow, not wrong; in continuous integration the same examples are drawn every time.
settings.register_profile("crossgraph", deadline=None, print_blob=True, derandomize="CI" in os.environ)
settings.load_profile("crossgraph")


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """One process more than there are cores: tests of servers and processes wait for a quarter of their time."""
    cores = yield
    return cores + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """The process that gives out the files."""
    from tests.sharing_out import OneCluster

    return OneCluster(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The processes that are given some."""
    if hasattr(config, "workerinput"):
        from tests.sharing_out import slow_files_first

        slow_files_first(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, None, None]:
    """What comes after the last test that wants the Ray cluster does without."""
    try:
        return (yield)
    finally:
        if one_cluster.wanted_by(item.nodeid) and not (nextitem and one_cluster.wanted_by(nextitem.nodeid)):
            one_cluster.end()


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of this session alone, the same for all tests, in whatever order their files are run.

    A fixture that lasts longer than a test must therefore not set another.
    """
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("CROSSGRAPH_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def parser() -> CaptionParser:
    """One parser for all tests: loading its language model takes seconds."""
    from crossgraph.graphs.caption_parser import CaptionParser

    return CaptionParser()


@pytest.fixture
def heeding_permissions() -> Iterator[None]:
    """Permissions of files hold for the test also where root runs it, who may open anything."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, before = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(header, before) != 0:
        pytest.skip("what root may do cannot be told")
    less = (ctypes.c_uint32 * 6)(*before)
    less[0] &= ~0b110  # effective, without CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, of this thread and those it starts
    if libc.capset(header, less) != 0:
        pytest.skip("root may not give up what it may do")
    yield
    libc.capset(header, before)
