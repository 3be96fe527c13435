"""Parts with the names of what the network's classifier takes them for: by hand, and in methods."""

import pytest
import torch
from torch import Tensor

from crossgraph.encoders import region_names
from crossgraph.encoders.region_names import LENGTH, NamedProjection, RegionNames, classifier_of, learn_names
from crossgraph.errors import ConfigError
from crossgraph.methods.catalogue import build_method
from crossgraph.methods.contract import InputSizes, Method
from crossgraph.methods.encoder_ensemble import EncoderEnsemble
from crossgraph.types import ImageBatch

SIZES = InputSizes(part_width=6, whole_width=6, vocabulary=9, classifier="efficientnet-lite0", classes=4, class_width=5)
SMALL = {"width": 8, "heads": 2, "word_width": 8, "gru_width": 0, "region_names": True}


@pytest.fixture(autouse=True)
def classifier(monkeypatch: pytest.MonkeyPatch) -> tuple[Tensor, Tensor]:
    """Four classes by six features."""
    drawn = torch.Generator().manual_seed(5)
    weight, bias = torch.randn(4, 6, generator=drawn), torch.randn(4, generator=drawn)
    monkeypatch.setattr(region_names, "classifier_of", lambda _: (weight, bias))
    return weight, bias


@pytest.fixture
def images() -> ImageBatch:
    drawn = torch.Generator().manual_seed(2)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    boxes = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.5, 0.0, 1.0, 0.5], [0.0, 0.5, 0.5, 1.0]]).repeat(2, 1, 1)
    return ImageBatch(torch.randn(2, 3, 6, generator=drawn), mask, boxes, torch.randn(2, 6, generator=drawn))


def test_a_part_is_the_mean_vector_of_class_names_by_how_probable_each_is(classifier: tuple[Tensor, Tensor]) -> None:
    names = RegionNames("efficientnet-lite0", classes=4, width=5)
    vectors = torch.randn(4, 5, generator=torch.Generator().manual_seed(1))
    names.learn(vectors)
    parts = torch.randn(2, 3, 6, generator=torch.Generator().manual_seed(3), requires_grad=True)
    found = names(parts)
    assert not found.requires_grad
    parts, middle = parts.detach(), vectors.mean(0)
    for row in range(2):
        for part in range(3):
            logits = [float(w @ parts[row, part]) + float(b) for w, b in zip(*classifier, strict=True)]
            shares = torch.tensor(logits, dtype=torch.float64).softmax(0)
            apart = [(vector - middle) / (vector - middle).norm() for vector in vectors]
            by_hand = sum(LENGTH * float(share) * vector for share, vector in zip(shares, apart, strict=True))
            torch.testing.assert_close(found[row, part], by_hand)


@pytest.mark.parametrize("name", ["dual_encoder", "kidrr", "racg", "sgfns"])
def test_a_method_reads_names_beside_features(name: str, images: ImageBatch) -> None:
    torch.manual_seed(0)
    settings = {key: value for key, value in SMALL.items() if name != "kidrr" or key != "heads"}
    method = build_method(name, settings, SIZES).eval()
    before = method.encode_images(images).embedding
    learn_names(method, torch.randn(4, 5, generator=torch.Generator().manual_seed(1)))
    after = method.encode_images(images).embedding
    assert (before - after).abs().max() > 1e-3, "names matter"
    kept = [key for key in method.state_dict() if key.endswith("names.vectors")]
    assert len(kept) == 1
    assert not any("weight" in key for key in kept), "the classifier is no part of the run"
    after.sum().backward()
    assert projection(method).project.straight.weight.grad is not None


def projection(method: Method) -> NamedProjection:
    (found,) = [module for module in method.modules() if isinstance(module, NamedProjection)]
    return found


def test_of_an_ensemble_the_named_branches_read_names(images: ImageBatch) -> None:
    settings = {**SMALL, "branches": 3, "blocks": 2, "reads": [0, 1, 1], "named": [1, 2]}
    sizes = SIZES.model_copy(update={"part_width": 12, "whole_width": 12})
    method = build_method("encoder_ensemble", settings, sizes)
    assert isinstance(method, EncoderEnsemble)
    branches = list(method.branches)
    assert [any(isinstance(one, RegionNames) for one in branch.modules()) for branch in branches] == [
        False,
        True,
        True,
    ]
    plain = build_method("encoder_ensemble", {**settings, "region_names": False}, sizes)
    assert not any(isinstance(one, RegionNames) for one in plain.modules())
    with pytest.raises(ConfigError, match="came with a classifier"):
        build_method("dual_encoder", SMALL, InputSizes(part_width=6, whole_width=6, vocabulary=9))


def test_the_classifier_is_the_one_that_came_with_the_network() -> None:
    weight, bias = classifier_of("efficientnet-lite0")
    assert (weight.shape, bias.shape) == ((1000, 1280), (1000,))
    assert classifier_of("efficientnet-lite0")[0] is weight, "loaded once"
