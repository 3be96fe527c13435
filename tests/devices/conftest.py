"""Every test here runs on the pretended GPU, and on a real one where there is one."""

from collections.abc import Iterator

import pytest
import torch

from tests.devices.tagged import pretended_gpu

REAL = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here"))


@pytest.fixture(params=["pretended", REAL])
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a device that is not the processor."""
    if request.param == "cuda":
        yield "cuda"
        return
    with pretended_gpu() as name:
        yield name


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
