"""Rows of an encoding can be picked, stacked and moved without touching the others."""

from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

import pytest
import torch
from jaxtyping import AbstractArray

from crossgraph import types
from crossgraph.types import Batch, Encoded, ImageBatch, NodeBatch, TextBatch, TextGraphs, stack_encoded


def encoded(rows: int, parts: int, *, seed: int = 0) -> Encoded:
    rng = torch.Generator().manual_seed(seed)
    return Encoded(
        torch.randn(rows, 3, generator=rng),
        torch.randn(rows, parts, 2, generator=rng),
        torch.ones(rows, parts, dtype=torch.bool),
    )


@pytest.mark.parametrize("rows", [[2, 0], torch.tensor([2, 0]), slice(1, 3), [], range(2)])
def test_rows_are_picked_in_the_order_given(rows: Any) -> None:
    whole = encoded(4, 3)
    some = whole[list(rows) if isinstance(rows, range) else rows]
    expected = list(range(4))[rows] if isinstance(rows, slice) else [int(row) for row in rows]
    assert len(some) == len(expected)
    assert torch.equal(some.embedding, whole.embedding[expected])
    assert torch.equal(some.parts, whole.parts[expected])
    assert torch.equal(some.mask, whole.mask[expected])


def test_an_encoding_without_parts_stays_without() -> None:
    bare = Encoded(torch.eye(3))
    assert bare[[1]].parts is None
    assert stack_encoded([bare, bare]).parts is None
    assert len(stack_encoded([bare, bare])) == 6


def test_stacking_pads_parts_to_the_longest_and_masks_the_rest() -> None:
    short, long = encoded(2, 1), encoded(1, 4, seed=1)
    stacked = stack_encoded([short, long, short])
    assert stacked.parts.shape == (5, 4, 2)
    assert stacked.mask.sum(dim=1).tolist() == [1, 1, 4, 1, 1]
    assert torch.equal(stacked.parts[2], long.parts[0])
    assert torch.equal(stacked.parts[4, :1], short.parts[1])
    assert stacked.parts[~stacked.mask].abs().max() == 0
    assert torch.equal(stacked.embedding, torch.cat([short.embedding, long.embedding, short.embedding]))


def with_nodes(rows: int, nodes: int, *, seed: int = 0) -> Encoded:
    rng = torch.Generator().manual_seed(seed)
    plain = encoded(rows, nodes, seed=seed)
    kinds, ends = (
        torch.randint(0, 3, (rows, nodes), generator=rng),
        torch.randint(0, 9, (rows, nodes, 2), generator=rng),
    )
    return Encoded(plain.embedding, plain.parts, plain.mask, NodeBatch(kinds, ends, plain.mask))


def test_nodes_are_picked_stacked_and_cut_with_their_parts() -> None:
    short, long = with_nodes(2, 1), with_nodes(1, 4, seed=1)
    stacked = stack_encoded([short, long])
    assert torch.equal(stacked.nodes.mask, stacked.mask)
    assert torch.equal(stacked.nodes.kinds[2], long.nodes.kinds[0])
    assert torch.equal(stacked.nodes.ends[1, :1], short.nodes.ends[1])
    assert not stacked.nodes.ends[:2, 1:].any()
    again = stacked[[1, 0]].without_padding()
    assert torch.equal(again.nodes.ends, short.nodes.ends[[1, 0]])
    assert again.nodes.mask.shape == again.parts.shape[:2] == (2, 1)


def test_rows_without_any_part_keep_a_width_that_fits() -> None:
    empty = with_nodes(2, 0).without_padding()
    assert empty.parts.shape == (2, 0, 2)
    assert empty.nodes.mask.shape == (2, 0)
    masked = with_nodes(2, 3)
    none = torch.zeros(2, 3, dtype=torch.bool)
    nodes = NodeBatch(masked.nodes.kinds, masked.nodes.ends, none)
    cut = Encoded(masked.embedding, masked.parts, none, nodes).without_padding()
    assert cut.parts.shape[1] == cut.nodes.mask.shape[1] == 1


def test_graphs_of_captions_are_padded_and_cut_with_their_words() -> None:
    nodes = with_nodes(2, 3).nodes
    graphs = TextGraphs(nodes, torch.rand(2, 3, 4) > 0.5)
    wide = graphs.resized(5)
    assert wide.words.shape == (2, 5, 4)
    assert not wide.words[:, 3:].any()
    assert wide.nodes.mask.sum() == 6
    assert torch.equal(wide.resized(3).words, graphs.words)
    assert torch.equal(graphs.resized(2).nodes.ends, nodes.ends[:, :2])


def test_a_batch_moves_with_all_it_holds() -> None:
    images = ImageBatch(torch.rand(2, 3, 4), torch.ones(2, 3, dtype=torch.bool), torch.rand(2, 3, 4), torch.rand(2, 5))
    mask = torch.ones(3, 2, dtype=torch.bool)
    texts = TextBatch(mask, (("a", "b"),) * 3, ids=torch.ones(3, 2, dtype=torch.long))
    moved = Batch(images, texts, torch.tensor([0, 1, 1]), hardness=0.25).to("meta")
    assert {moved.images.parts.device.type, moved.texts.ids.device.type, moved.caption_image.device.type} == {"meta"}
    assert moved.texts.words == texts.words
    assert moved.texts.states is None
    assert moved.hardness == 0.25
    assert (len(images), len(texts)) == (2, 3)


def test_shapes_that_disagree_are_refused_while_tests_run() -> None:
    with pytest.raises(Exception, match="mask"):
        Encoded(torch.eye(3), torch.rand(3, 2, 4), torch.ones(2, 2, dtype=torch.bool))


RECORDS: list[Any] = [kind for kind in vars(types).values() if is_dataclass(kind) and hasattr(kind, "to")]


def filled(kind: Any) -> Any:
    """A record with something in every field: a tensor of the sizes its annotation names, a record, a plain value."""
    values: dict[str, object] = {}
    hints = get_type_hints(kind)
    for name, annotation in ((field.name, hints[field.name]) for field in fields(kind) if field.init):
        (wanted, *_) = [one for one in get_args(annotation) if one is not type(None)] or [annotation]
        wanted = annotation if get_origin(annotation) is tuple else wanted
        if is_dataclass(wanted):
            values[name] = filled(wanted)
        elif isinstance(wanted, type) and issubclass(wanted, AbstractArray):
            sizes = [int(axis) if axis.isdecimal() else 2 for axis in wanted.dim_str.split()]
            dtype = {"Bool": torch.bool, "Int": torch.int64, "UInt8": torch.uint8, "Float": torch.float32}
            values[name] = torch.ones(sizes, dtype=dtype[wanted.dtype.__name__])
        else:
            values[name] = {"words": (("a", "b"), ("a", "b")), "hardness": 0.25}[name]
    return kind(**values)


def devices(record: Any) -> list[str]:
    """The device of every tensor in a record and in those inside it; every field must hold something."""
    found: list[str] = []
    for field in (field for field in fields(record) if field.init):
        value = getattr(record, field.name)
        assert value is not None, f"{type(record).__name__}.{field.name} was lost"
        if isinstance(value, torch.Tensor):
            found.append(value.device.type)
        elif is_dataclass(value):
            found += devices(value)
    return found


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_moving_a_record_forgets_none_of_its_fields(kind: type) -> None:
    record = filled(kind)
    assert set(devices(record)) == {"cpu"}
    there = record.to("meta")
    assert type(there) is kind
    assert set(devices(there)) == {"meta"}
    assert len(devices(there)) == len(devices(record))
    assert set(devices(record)) == {"cpu"}


def test_what_a_batch_carries_between_phases_is_not_moved() -> None:
    batch = filled(Batch)
    batch.carried["codes"] = torch.ones(2)
    assert batch.to("meta").carried == {}
    assert list(batch.carried) == ["codes"]


def test_every_record_of_tensors_can_be_moved() -> None:
    assert {kind.__name__ for kind in RECORDS} >= {
        "ImageBatch",
        "NodeBatch",
        "TextGraphs",
        "TextBatch",
        "NegativeCaptions",
        "Batch",
        "Encoded",
    }
