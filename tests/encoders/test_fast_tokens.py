"""The image network by OpenVINO gives what torch gives."""

import importlib.util
import threading
from collections.abc import Callable

import pytest
import torch

from crossgraph.encoders import fast_tokens
from crossgraph.encoders.efficientnet import EfficientNetBackbone
from crossgraph.encoders.fast_tokens import APART, FastTokens

needs_openvino = pytest.mark.skipif(  # not imported: by itself it sends telemetry, from a child made by fork
    importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed"
)


@pytest.fixture(scope="module")
def backbone() -> EfficientNetBackbone:
    """The smallest network, at a small size, frozen and fused."""
    made = EfficientNetBackbone("efficientnet-lite0", size=64)
    made.eval().requires_grad_(False)
    made.fuse()
    return made


@torch.inference_mode()
def test_without_openvino_it_is_torch(backbone: EfficientNetBackbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    tokens, pixels = FastTokens(backbone, after=1), torch.randn(2, 3, 64, 64)
    for _ in range(2):
        assert all(map(torch.equal, tokens(pixels), backbone.tokens(pixels)))
    assert not tokens.compiled


@needs_openvino
@torch.inference_mode()
def test_openvino_gives_what_torch_gives(backbone: EfficientNetBackbone) -> None:
    tokens = FastTokens(backbone, after=3)
    first = torch.randn(2, 3, 64, 64)
    assert all(map(torch.equal, tokens(first), backbone.tokens(first)))
    compiled = [tokens.compiled]
    tokens(first)
    assert [*compiled, tokens.compiled] == [False, True]
    for count in (1, 2, 5, 0):
        pixels = torch.randn(count, 3, 64, 64)
        for found, expected in zip(tokens(pixels), backbone.tokens(pixels), strict=True):
            assert found.shape == expected.shape
            assert not count or (found - expected).abs().max() <= 2e-5 * expected.abs().max()


@needs_openvino
@torch.inference_mode()
def test_what_is_found_of_a_picture_is_the_same_whatever_stands_beside_it(backbone: EfficientNetBackbone) -> None:
    tokens, pixels = FastTokens(backbone, after=1), torch.randn(7, 3, 64, 64)
    tokens(pixels)
    assert tokens.compiled
    together, alone = tokens(pixels), [tokens(picture[None]) for picture in pixels]
    for number, found in enumerate(alone):
        assert torch.equal(found[0][0], together[0][number])
        assert torch.equal(found[1][0], together[1][number])


@torch.inference_mode()
def test_a_network_that_gives_something_else_is_not_taken(
    backbone: EfficientNetBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: True)
    right: Callable[..., object] = backbone.tokens
    monkeypatch.setattr(fast_tokens, "_compile", lambda *_: right)
    monkeypatch.setattr(
        fast_tokens, "_run", lambda _, pixels: [one * (1 + 3 * APART) for one in backbone.tokens(pixels)]
    )
    tokens, pixels = FastTokens(backbone, after=1), torch.randn(2, 3, 64, 64)
    for _ in range(2):
        assert all(map(torch.equal, tokens(pixels), backbone.tokens(pixels)))
    assert not tokens.compiled


@needs_openvino
def test_many_threads_may_ask_at_once(backbone: EfficientNetBackbone) -> None:
    tokens, given = FastTokens(backbone, after=1), [torch.randn(2, 3, 64, 64) for _ in range(4)]
    found: dict[int, torch.Tensor] = {}

    def ask(number: int) -> None:
        with torch.inference_mode():
            for _ in range(5):
                found[number] = tokens(given[number])[1]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, whole in found.items():
        assert torch.allclose(whole, backbone.tokens(given[number])[1], atol=1e-4)
