"""What the tests' own hook refuses is what jaxtyping's does; and it is on."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import torch
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import TypeCheckError, install_import_hook

from crossgraph.layers.unit_rows import unit_rows
from tests import executed_annotations

SOURCE = '''
"""Functions of every kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from elsewhere import Unknown

Row: TypeAlias = Float[Tensor, "d"]


def plain(number: int, *more: str, flag: bool = False) -> str:
    return "none" if flag else number


def alike(one: Float[Tensor, "n d"], other: Float[Tensor, "m d"], *, wide: bool = False) -> Float[Tensor, "n m"]:
    return one @ other.T if not wide else one


def listed(rows: Sequence[Row] | None) -> Row:
    return rows[0]


def unknown(given: Unknown, number: int) -> Unknown:
    return given


def outer(number: int) -> Callable[[int], str]:
    def inner(more: int) -> str:
        return number + more if more > 0 else "none"

    return inner


def counted(most: int) -> Iterator[int]:
    yield from range(most)


@contextmanager
def opened(number: int) -> Iterator[int]:
    yield number


@dataclass(frozen=True)
class Item:
    name: str
    rows: Float[Tensor, "n d"]
    mask: Float[Tensor, "n"]
    notes: list[str] = field(default_factory=list)

    @property
    def whole(self) -> Row:
        return self.mask if self.name == "mask" else self.name

    @staticmethod
    def read(name: str) -> int:
        return len(name)

    @classmethod
    def made(cls, name: str) -> Item:
        return cls(name, *name)


class Child(Item):
    def taken(self, other: Child) -> int:
        try:
            def length(text: str) -> int:
                return len(text)
        finally:
            pass
        return length(self.name if other is self else other)


match SOURCE := 1:
    case 1:
        def matched(number: int) -> int:
            return number
'''
HOOKS = {
    "jaxtyping's": lambda name: install_import_hook(name, "beartype.beartype"),
    "ours": executed_annotations.install,
}
ROWS, SINGLE = torch.ones(2, 3), torch.ones(2)
Calls = dict[str, Callable[[Any], Any]]
ALLOWED: Calls = {
    "plain": lambda made: made.plain(1, "a", flag=True),
    "axes": lambda made: made.alike(ROWS, torch.ones(5, 3)),
    "axes again, of other lengths": lambda made: made.alike(torch.ones(1, 7), torch.ones(2, 7)),
    "a shape in a list": lambda made: made.listed([SINGLE]),
    "a name for type checkers": lambda made: made.unknown("anything", 1),
    "a function in a function": lambda made: made.outer(1)(-1),
    "a generator": lambda made: list(made.counted(3)),
    "a context": lambda made: made.opened(3).__enter__(),
    "a field": lambda made: made.Item("mask", ROWS, SINGLE, notes=["a"]).whole.tolist(),
    "an inherited field": lambda made: made.Child("mask", ROWS, SINGLE).name,
    "a static method": lambda made: made.Item.read("abc"),
}
REFUSED: Calls = {
    "an argument": lambda made: made.plain("1"),
    "one of many arguments": lambda made: made.plain(1, "a", 2),
    "a named argument": lambda made: made.plain(1, flag="yes"),
    "a result": lambda made: made.plain(1),
    "two axes of one name": lambda made: made.alike(ROWS, torch.ones(5, 4)),
    "an axis too many": lambda made: made.alike(ROWS, SINGLE),
    "another kind of number": lambda made: made.alike(ROWS.long(), ROWS),
    "an axis of the result": lambda made: made.alike(ROWS, torch.ones(5, 3), wide=True),
    "an array in a list": lambda made: made.listed([ROWS]),
    "no array at all": lambda made: made.listed("rows"),
    "beside a name for type checkers": lambda made: made.unknown("anything", "1"),
    "an argument of a function in a function": lambda made: made.outer(1)("2"),
    "the result of a function in a function": lambda made: made.outer(1)(2),
    "an argument of a generator, before it is asked": lambda made: made.counted("3"),
    "an argument of a context": lambda made: made.opened("3"),
    "a field": lambda made: made.Item(3, ROWS, SINGLE),
    "two fields together": lambda made: made.Item("name", ROWS, torch.ones(3)),
    "an inherited field": lambda made: made.Child("name", ROWS, torch.ones(3)),
    "a property": lambda made: made.Item("name", ROWS, SINGLE).whole,
    "a static method": lambda made: made.Item.read(3),
    "a class method": lambda made: made.Item.made(3),
    "a function in a method": lambda made: made.Child("mask", ROWS, SINGLE).taken(3),
    "a function in a case": lambda made: made.matched("1"),
}


@pytest.fixture(scope="module", params=list(HOOKS))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The module, imported under one of the hooks."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "executed_example.py").write_text(SOURCE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setattr(sys, "meta_path", list(sys.meta_path))
        HOOKS[request.param]("executed_example")
        yield importlib.import_module("executed_example")
        del sys.modules["executed_example"]


@pytest.mark.parametrize("call", ALLOWED.values(), ids=list(ALLOWED))
def test_what_fits_its_annotations_goes_through_both_hooks(made: ModuleType, call: Callable[[Any], Any]) -> None:
    call(made)


@pytest.mark.parametrize("call", REFUSED.values(), ids=list(REFUSED))
def test_what_does_not_fit_its_annotations_is_refused_by_both_hooks(
    made: ModuleType, call: Callable[[Any], Any]
) -> None:
    with pytest.raises((TypeCheckError, BeartypeCallHintViolation)):
        call(made)


def test_the_package_is_imported_under_the_hook() -> None:
    with pytest.raises(BeartypeCallHintViolation):
        unit_rows(torch.ones(2, 3).long())


def test_a_function_stays_what_it_was_for_those_who_look_at_it(made: ModuleType) -> None:
    assert made.plain.__name__ == "plain"
    assert made.plain.__annotations__ == {"number": "int", "more": "str", "flag": "bool", "return": "str"}
    assert str(made.Item.read.__doc__) == "None"
