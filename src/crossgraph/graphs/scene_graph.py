"""What a scene graph is: objects with attributes, and relations between them, of a sentence or of a picture."""

from __future__ import annotations

from dataclasses import dataclass

from crossgraph.errors import DataError

Span = tuple[int, int]
"""Characters of a sentence from the first up to, not including, the second."""

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in [0, 1]."""

Triple = tuple[str, str, str]
"""Subject, predicate, object by name."""


@dataclass(frozen=True)
class Attribute:
    """A property of one object ("red", "wooden"); `span` is where a sentence says it."""

    name: str
    span: Span | None = None


@dataclass(frozen=True)
class GraphObject:
    """A thing by its lower-case singular name ("dog"); `span` is where a sentence names it, `box` where a picture
    shows it. `count` is how many a sentence says there are; None where it does not say (a plural without number).
    """

    name: str
    attributes: tuple[Attribute, ...] = ()
    span: Span | None = None
    box: Box | None = None
    count: int | None = None


@dataclass(frozen=True)
class Relation:
    """`predicate` holds from the object at index `subject` to the one at index `object`."""

    subject: int
    predicate: str
    object: int
    span: Span | None = None


@dataclass(frozen=True)
class SceneGraph:
    """Objects, and relations between them; both may be empty. Raises `DataError` for a relation to nowhere."""

    objects: tuple[GraphObject, ...] = ()
    relations: tuple[Relation, ...] = ()

    def __post_init__(self) -> None:
        for relation in self.relations:
            for end in (relation.subject, relation.object):
                if not 0 <= end < len(self.objects):
                    raise DataError(
                        f"a relation {relation.predicate!r} points to object {end} of {len(self.objects)}; "
                        f"its ends must be indices of objects, from 0."
                    )

    def triples(self) -> tuple[Triple, ...]:
        """The relations by name, in order."""
        return tuple((self.objects[r.subject].name, r.predicate, self.objects[r.object].name) for r in self.relations)
