"""TSSCL: texts lead in training and are not missed afterwards; every switch is heard in the losses."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from crossgraph.errors import ConfigError, DataError
from crossgraph.graphs.neighbours import propagation
from crossgraph.methods.catalogue import build_method
from crossgraph.methods.tsscl import Tsscl
from crossgraph.types import Batch
from tests.methods.synthetic_items import (
    LABELS,
    SIZES,
    draw_captions,
    draw_images,
    image_batch,
    small_method,
    text_batch,
    training_batch,
    training_set,
)

LOSSES = ["semantic", "pair", "transfer", "soft", "rows", "labels"]


def method(**changes: Any) -> Tsscl:
    """The same weights whatever the switches, where they leave the modules alone."""
    torch.manual_seed(0)
    built = small_method("tsscl", dropout=0.0, **changes)
    assert isinstance(built, Tsscl)
    return built


def taught(**changes: Any) -> Tsscl:
    """A method whose anchors have heard of five pictures and what is said of them."""
    built = method(**changes).train()
    built.losses(training_batch())
    return built.eval()


def losses(batch: Batch | None = None, **changes: Any) -> dict[str, float]:
    found = method(**changes).losses(batch or training_batch())
    return {name: value.item() for name, value in found.items()}


def test_all_losses_have_names_and_are_positive() -> None:
    found = losses(replace(training_batch(), rows=torch.tensor([0, 7, 14, 1, 8])), stgcn="shared", pair=1.0)
    assert list(found) == LOSSES
    assert all(value > 0 for value in found.values())


@pytest.mark.parametrize("name", LOSSES)
def test_a_weight_of_nothing_leaves_that_loss_out_and_no_other_changes(name: str) -> None:
    shared = {"stgcn": "shared", "pair": 1.0}
    whole, without, twice = (losses(None, **{**shared, **weight}) for weight in ({}, {name: 0.0}, {name: 2.0}))
    assert without == pytest.approx({key: value for key, value in whole.items() if key != name})
    default = {"rows": 0.1}.get(name, 1.0)
    assert twice[name] == pytest.approx(2.0 / default * whole[name], rel=1e-5)


@pytest.mark.parametrize(
    ("variant", "moved"),
    [
        ("no-stgcn", set()),
        ("shared-weights", {"semantic", "transfer", "soft"}),
        ("batch-graph", {"semantic", "transfer", "soft"}),
        ("pairs", {"pair"}),
        ("cooccurrence", {"semantic", "labels"}),
    ],
)
def test_a_switch_is_heard_in_the_losses_it_concerns_and_in_no_other(variant: str, moved: set[str]) -> None:
    batch = replace(training_batch(images=8, captions=16), rows=torch.tensor([0, 7, 14, 1, 8, 3, 22, 5]))
    whole, other = losses(batch), losses(batch, **Tsscl.ablations[variant])
    changed = {name for name in LOSSES if other.get(name, 0.0) != pytest.approx(whole.get(name, 0.0), rel=1e-5)}
    assert changed == moved


def test_labels_judged_in_competition_cost_otherwise() -> None:
    assert losses(loss="share")["semantic"] != pytest.approx(losses()["semantic"])


def test_only_semantic_leaves_one_loss() -> None:
    assert list(losses(None, **Tsscl.ablations["only-semantic"])) == ["semantic"]


def test_pictures_are_encoded_alike_whatever_texts_there_are_and_without_any() -> None:
    told, images = taught(), image_batch(draw_images(5))
    fresh = build_method("tsscl", told.config.model_dump(), SIZES["ids"]).eval()
    fresh.load_state_dict(told.state_dict())
    assert fresh.structure is None
    assert fresh.text_groups is None
    with torch.no_grad():
        expected = told.encode_images(images).embedding
        assert torch.equal(fresh.encode_images(images).embedding, expected)
        told.learn(replace(training_set(), captions=("something else",) * 40))
        assert torch.equal(told.encode_images(images).embedding, expected)


def test_an_item_takes_in_what_training_left_behind_on_both_sides_and_only_with_anchors() -> None:
    told, alone = taught(), taught(stgcn="none")
    images, captions = image_batch(draw_images(3)), text_batch(draw_captions(3), "ids")
    assert alone.anchors is None
    with torch.no_grad():
        for found, plain in (
            (told.encode_images(images), alone.encode_images(images)),
            (told.encode_texts(captions), alone.encode_texts(captions)),
        ):
            assert torch.allclose(found.embedding, told.anchors(plain.embedding), atol=1e-6)
            assert not torch.allclose(found.embedding, plain.embedding, atol=1e-3)


def test_half_of_the_soft_loss_reads_items_with_their_anchors() -> None:
    batch = training_batch()
    plain, both, told = (taught(anchored=share).losses(batch)["soft"].item() for share in (0.0, 0.5, 1.0))
    assert plain == pytest.approx(taught(stgcn="none").losses(batch)["soft"].item())
    assert told != pytest.approx(plain, rel=1e-3)
    assert both == pytest.approx((plain + told) / 2)


def test_an_anchor_hears_of_the_pictures_of_its_group_and_of_their_captions() -> None:
    told, batch = method().train(), training_batch()
    told.losses(batch)
    groups = told.text_groups[batch.rows].tolist()
    pictures = F.normalize(told.image_head(told.image_encoder(batch.images)), dim=1)
    captions = F.normalize(told.text_head(told.text_encoder(batch.texts)), dim=1)
    heard = torch.zeros_like(told.anchors.sums)
    for row, group in enumerate(groups):
        spoken = captions[batch.caption_image == row].sum(dim=0)
        heard[group] += pictures[row] + (spoken / spoken.norm() if spoken.any() else spoken)
    assert torch.allclose(told.anchors.sums, heard, atol=1e-5)
    before = told.anchors.sums.clone()
    told.eval().losses(batch)
    assert torch.equal(told.anchors.sums, before)


def test_what_is_saved_holds_the_labels_but_nothing_of_the_size_of_the_training_set() -> None:
    saved = method().state_dict()
    assert saved["label_guide"].shape == (LABELS, LABELS)
    assert saved["label_vectors"].any()
    assert 40 not in {size for value in saved.values() for size in value.shape}


def test_label_embeddings_survive_saving() -> None:
    told = method()
    fresh = build_method("tsscl", told.config.model_dump(), SIZES["ids"])
    fresh.load_state_dict(told.state_dict())
    assert isinstance(fresh, Tsscl)
    assert torch.equal(fresh.label_embeddings(), told.label_embeddings())


def test_in_the_graph_a_picture_takes_in_its_neighbours_by_text() -> None:
    told, batch = method(), training_batch(images=8, captions=8)
    rows = torch.tensor([0, 7, 14, 1, 8, 3, 22, 5])  # things 0, 0, 0, 1, 1, 3, 1 and 5
    edges = told.structure.edges(rows)
    assert (edges[0, 1:3] > 0).all()
    seen = told.image_encoder(batch.images)
    changed = seen.clone()
    changed[1] += 1.0
    with torch.no_grad():
        graph = propagation(edges)
        moved = (told.image_head(changed, graph) - told.image_head(seen, graph)).abs().amax(dim=1)
    within_two = (edges @ edges)[1] > 0
    assert torch.equal(moved > 1e-6, within_two)


def test_companions_are_the_nearest_by_text_and_only_where_the_graph_of_all_is_used() -> None:
    told = method(stgcn="shared", companions=3)
    assert torch.equal(told.companions(), told.structure.neighbours[:, :3])
    for changes in ({"stgcn": "anchors"}, {"stgcn": "none"}, {"scope": "batch"}, {"companions": 0}):
        assert method(**{"stgcn": "shared", **changes}).companions() is None


def test_captions_are_compared_by_frozen_states_if_so_asked() -> None:
    vectors = torch.randn(40, 5, generator=torch.Generator().manual_seed(1))
    built = build_method("tsscl", {**method().config.model_dump(), "descriptor": "states"}, SIZES["ids"])
    with pytest.raises(ConfigError, match="descriptor='states'"):
        built.learn(training_set())
    built.learn(replace(training_set(), caption_vectors=lambda: vectors))
    assert isinstance(built, Tsscl)
    assert built.structure.descriptors.shape == (40, 5)


@pytest.mark.parametrize("inputs", ["ids", "states"])
def test_plain_means_under_two_layers_are_possible(inputs: str) -> None:
    plain = small_method("tsscl", inputs, encoder="mean", shortcut=False).train()
    total = torch.stack(list(plain.losses(training_batch(inputs)).values())).sum()
    total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in plain.parameters())
    plain.eval()
    images, captions = draw_images(3), draw_captions(3)
    with torch.no_grad():
        padded = plain.encode_texts(text_batch(captions, inputs, padding=3)).embedding
        assert torch.allclose(padded, plain.encode_texts(text_batch(captions, inputs)).embedding, atol=1e-6)
        crowd = plain.encode_images(image_batch(images, padding=2, filler=5.0)).embedding
        assert torch.allclose(crowd[:1], plain.encode_images(image_batch(images[:1])).embedding, atol=1e-5)


def test_a_picture_without_captions_in_the_batch_does_no_harm() -> None:
    batch = training_batch(images=6, captions=4)
    assert all(value == value for value in losses(batch).values())


def test_a_data_set_without_labels_is_refused() -> None:
    with pytest.raises(ConfigError, match="tsscl learns from labels"):
        build_method("tsscl", {}, SIZES["ids"].model_copy(update={"labels": 0}))


def test_training_before_the_training_set_is_known_is_refused() -> None:
    untold = build_method("tsscl", method().config.model_dump(), SIZES["ids"])
    with pytest.raises(DataError, match="shown"):
        untold.losses(training_batch())
