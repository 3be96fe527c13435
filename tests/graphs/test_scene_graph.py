"""A scene graph holds what it is given and refuses relations to nowhere."""

from __future__ import annotations

import pytest

from crossgraph.errors import DataError
from crossgraph.graphs.scene_graph import GraphObject, Relation, SceneGraph

DOG, CAT = GraphObject("dog"), GraphObject("cat")


def test_triples_name_subject_predicate_and_object_in_order() -> None:
    graph = SceneGraph((DOG, CAT), (Relation(0, "chase", 1), Relation(1, "see", 0)))
    assert graph.triples() == (("dog", "chase", "cat"), ("cat", "see", "dog"))


def test_an_empty_graph_has_no_triples() -> None:
    assert SceneGraph().triples() == ()


@pytest.mark.parametrize("relation", [Relation(0, "chase", 2), Relation(-1, "chase", 0)])
def test_a_relation_to_nowhere_is_refused(relation: Relation) -> None:
    with pytest.raises(DataError, match=r"'chase' points to object -?[12] of 2"):
        SceneGraph((DOG, CAT), (relation,))


def test_graphs_that_differ_in_direction_are_not_equal() -> None:
    assert SceneGraph((DOG, CAT), (Relation(0, "chase", 1),)) != SceneGraph((DOG, CAT), (Relation(1, "chase", 0),))
