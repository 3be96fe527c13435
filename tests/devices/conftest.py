"""Every test here runs on the pretended GPU, and on a real one where there is one."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

for folder in ("devices", "methods", "training"):
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))

REAL = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here"))


@pytest.fixture(params=["pretended", REAL])
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a device that is not the processor."""
    if request.param != "pretended":
        yield request.param
        return
    from tagged import pretended_gpu

    with pretended_gpu() as name:
        yield name


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
