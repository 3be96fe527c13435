"""Random graphs of nodes by hand or by chance, for the layers that read them."""

import torch
import torch.nn.functional as F
from torch import Tensor

from crossgraph.types import ATTRIBUTE, OBJECT, RELATION, Encoded, NodeBatch

Row = list[tuple[int, int, int]]
"""The nodes of one graph: kind and both ends."""


def nodes_from(rows: list[Row], *, padding: int = 0) -> NodeBatch:
    """The graphs padded to the largest, and `padding` nodes more."""
    width = max(map(len, rows)) + padding
    kinds, ends = torch.zeros(len(rows), width, dtype=torch.long), torch.zeros(len(rows), width, 2, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.bool)
    for row, nodes in enumerate(rows):
        for place, (kind, first, second) in enumerate(nodes):
            kinds[row, place], mask[row, place] = kind, True
            ends[row, place] = torch.tensor([first, second])
    return NodeBatch(kinds, ends, mask)


def random_rows(count: int, *, seed: int, attributes: bool) -> list[Row]:
    """Graphs of 2 to 4 objects, 0 to 3 relations and, if wished, an attribute; the last graph is empty."""
    rng = torch.Generator().manual_seed(seed)
    rows: list[Row] = []
    for _ in range(count - 1):
        objects = int(torch.randint(2, 5, (1,), generator=rng))
        row = [(OBJECT, place, place) for place in range(objects)]
        for _ in range(int(torch.randint(0, 4, (1,), generator=rng))):
            subject, other = torch.randperm(objects, generator=rng)[:2].tolist()
            row.append((RELATION, subject, other))
        if attributes:
            row.append((ATTRIBUTE, objects - 1, objects - 1))
        rows.append(row)
    return [*rows, []]


def encoded_graphs(rows: list[Row], *, width: int = 6, seed: int = 0, padding: int = 0) -> Encoded:
    """Unit vectors for the nodes of these graphs and for the wholes; the vectors do not depend on the padding."""
    rng = torch.Generator().manual_seed(seed)
    nodes = nodes_from(rows, padding=padding)
    wholes = F.normalize(torch.randn(len(rows), width, generator=rng), dim=-1)
    parts = torch.zeros(*nodes.mask.shape, width)
    for row, graph in enumerate(rows):
        parts[row, : len(graph)] = F.normalize(torch.randn(len(graph), width, generator=rng), dim=-1)
    return Encoded(wholes, parts, nodes.mask, nodes)


def real_rows(encoded: Encoded, row: int) -> list[tuple[Tensor, int, list[int]]]:
    """Vector, kind and ends of every real node of one graph."""
    return [
        (encoded.parts[row, place], int(encoded.nodes.kinds[row, place]), encoded.nodes.ends[row, place].tolist())
        for place in encoded.mask[row].nonzero()[:, 0].tolist()
    ]
