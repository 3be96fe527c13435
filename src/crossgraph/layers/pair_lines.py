"""Chosen pairs laid out by picture, so that a training step reads a picture once and not once for every pair of it.

A line is one picture with some of its captions, whose nodes or words stand side by side: products with the picture are
those of two matrices, sums over a caption are a product with zeros and ones. Lines of like size make a block, which is
padded to its longest line and small enough for what is made of it to stay in a processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

CAPTIONS = 16
"""Captions of a line at most: every caption's nodes are multiplied with zeros for those of the others."""

NODES = 512
"""Nodes of a block at most, unless one line has more."""


@dataclass(frozen=True)
class Lines:
    """Pairs as lines: which picture each line is of, and in which line and slot each pair stands."""

    pictures: Int[Tensor, " l"]
    line: Int[Tensor, " k"]
    slot: Int[Tensor, " k"]
    columns: Int[Tensor, " k"]
    blocks: tuple[tuple[int, int], ...]
    """Where each block of lines begins, and how many lines it has."""
    slots: tuple[int, ...]
    """How many captions the fullest line of each block has."""

    @classmethod
    def of(
        cls, rows: Int[Tensor, " k"], columns: Int[Tensor, " k"], sizes: Int[Tensor, " m"], *, nodes: int = NODES
    ) -> Lines:
        """The pairs (rows[i], columns[i]); `sizes` are how many nodes or words each caption has."""
        order = rows.argsort(stable=True)
        found, counts = torch.unique_consecutive(rows[order], return_counts=True)
        group = torch.repeat_interleave(torch.arange(len(found), device=rows.device), counts)
        rank = _ranks(group)
        pieces = (counts + CAPTIONS - 1) // CAPTIONS
        piece = rank * pieces[group] // counts[group]
        line = (pieces.cumsum(0) - pieces)[group] + piece
        lines = torch.repeat_interleave(found, pieces)
        slot = _ranks(line)
        long = torch.zeros(len(lines), dtype=torch.long, device=rows.device).index_add_(0, line, sizes[columns[order]])
        by_size = long.argsort(stable=True)
        place = torch.empty_like(by_size)
        place[by_size] = torch.arange(len(by_size), device=rows.device)
        at, within = torch.empty_like(rows), torch.empty_like(rows)
        at[order], within[order] = place[line], slot
        blocks = tuple(_blocks(long[by_size].tolist(), nodes))
        fullest = torch.bincount(at, minlength=len(lines)).tolist() if len(rows) else []
        slots = tuple(max(fullest[start : start + count]) for start, count in blocks)
        return cls(lines[by_size], at, within, columns, blocks, slots)

    def of_pairs(self, found: list[Tensor]) -> Tensor:
        """What was found for every slot of each block (b x slots x anything), pair by pair."""
        starts, offset = torch.zeros(len(self.pictures), dtype=torch.long), 0
        for (start, count), slots in zip(self.blocks, self.slots, strict=True):
            starts[start : start + count] = offset + slots * torch.arange(count)
            offset += slots * count
        places = starts.to(self.line.device)[self.line] + self.slot
        return torch.cat([one.flatten(0, 1) for one in found]).index_select(0, places)

    def laid(self, chosen: Bool[Tensor, "m w"], dtype: torch.dtype) -> list[Laid]:
        """The chosen nodes of every caption, block by block, to be summed in that `dtype`."""
        return list(self._laid(chosen, dtype))

    def _laid(self, chosen: Bool[Tensor, "m w"], dtype: torch.dtype) -> Iterator[Laid]:
        width = chosen.shape[1]
        first = (~chosen).to(torch.uint8).argsort(dim=1, stable=True)
        counts = chosen.sum(dim=1)
        order = (self.line * CAPTIONS + self.slot).argsort(stable=True)
        each = counts[self.columns[order]]
        pair = torch.repeat_interleave(order, each)
        flat = self.columns[pair] * width + first[self.columns[pair], _ranks(pair)]
        line = self.line[pair]
        place, total = _ranks(line), torch.bincount(line, minlength=len(self.pictures))
        most = max(1, int(total.max())) if len(total) else 1
        nodes = flat.new_zeros(len(self.pictures), most)
        slots = flat.new_full((len(self.pictures), most), -1)
        nodes[line, place], slots[line, place] = flat, self.slot[pair]
        nodes = torch.where(slots >= 0, nodes, nodes[:, :1])
        longest, per_line = total.tolist(), flat.new_zeros(len(self.pictures), CAPTIONS)
        per_line[self.line, self.slot] = counts[self.columns]
        for (start, count), captions in zip(self.blocks, self.slots, strict=True):
            some = slice(start, start + count)
            wide = max(1, max(longest[some]))
            yield Laid.of(nodes[some, :wide], slots[some, :wide], per_line[some, :captions], dtype)


@dataclass(frozen=True)
class Laid:
    """The nodes of the captions of each line of a block, side by side; padding repeats the line's first one."""

    nodes: Int[Tensor, "b n"]
    """Where each is among the nodes of all captions."""
    sums: Float[Tensor, "b s n"]
    """1 where a node is of the caption in that slot: a product with it sums over captions."""
    owner: Int[Tensor, " r"]
    """Of every node of the block, its slot among all of the block (of padding the line's first)."""
    members: Int[Tensor, "b s c"]
    """The nodes of every slot among those of the block, the first repeated."""
    real: Bool[Tensor, "b s c"]

    @classmethod
    def of(
        cls, nodes: Int[Tensor, "b n"], slots: Int[Tensor, "b n"], counts: Int[Tensor, "b s"], dtype: torch.dtype
    ) -> Laid:
        """From where nodes are, the slot of each (-1: padding) and how many every slot has."""
        (b, n), s = nodes.shape, counts.shape[1]
        lines = torch.arange(b, device=nodes.device)
        sums = (slots[:, None] == torch.arange(s, device=nodes.device)[:, None]).to(dtype)
        ranks = torch.arange(max(1, int(counts.max())), device=nodes.device)
        real = ranks < counts[..., None]
        members = ((counts.cumsum(1) - counts)[..., None] + ranks * real).clamp(max=n - 1) + n * lines[:, None, None]
        return cls(nodes, sums, (slots.clamp(min=0) + s * lines[:, None]).flatten(), members, real)

    def spread(self, values: Float[Tensor, "b s v"]) -> Float[Tensor, "b n v"]:
        """What is known of every slot, for each of its nodes."""
        return values.flatten(0, 1).index_select(0, self.owner).view(*self.nodes.shape, values.shape[2])

    def largest(self, values: Float[Tensor, "b n v"], *, empty: float) -> Float[Tensor, "b s v"]:
        """The largest number of the nodes of every slot; padding counts as `empty`."""
        found = values.flatten(0, 1).index_select(0, self.members.flatten()).view(*self.members.shape, values.shape[2])
        return found.masked_fill(~self.real[..., None], empty).amax(dim=2)

    def softmax(self, logits: Float[Tensor, "b n v"]) -> Float[Tensor, "b n v"]:
        """The softmax over the nodes of each slot; what stands for padding has no meaning."""
        with torch.no_grad():
            lowest = torch.finfo(logits.dtype)
            largest = self.largest(logits, empty=lowest.min)
            empty = ~self.real[..., :1]
            shift = self.spread(largest.masked_fill(empty, lowest.max))
        powers = (logits - shift).exp()
        return powers / self.spread(self.sums @ powers + empty)


def gathered(rows: Float[Tensor, "r ..."], laid: list[Laid]) -> tuple[Tensor, ...]:
    """The nodes of every block (b x n x ...) from those of all captions, copied in one pass."""
    places = torch.cat([one.nodes.flatten() for one in laid])
    copied = torch.split(rows.index_select(0, places), [one.nodes.numel() for one in laid])
    return tuple(some.view(*one.nodes.shape, *rows.shape[1:]) for some, one in zip(copied, laid, strict=True))


def _ranks(groups: Int[Tensor, " k"]) -> Int[Tensor, " k"]:
    """How many of the same group come before each; equal ones stand together."""
    counts = torch.unique_consecutive(groups, return_counts=True)[1]
    starts = torch.repeat_interleave(counts.cumsum(0) - counts, counts)
    return torch.arange(len(groups), device=groups.device) - starts


def _blocks(sizes: list[int], most: int) -> Iterator[tuple[int, int]]:
    """Runs of lines, of which the last is the longest, of at most so many nodes with their padding."""
    start = 0
    for place, size in enumerate(sizes):
        if place > start and (place - start + 1) * size > most:
            yield start, place - start
            start = place
    if start < len(sizes):
        yield start, len(sizes) - start
