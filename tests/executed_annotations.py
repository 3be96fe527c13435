"""Annotations are executed while tests run: every one by beartype, those with shapes with a place for their axes.

jaxtyping has a hook for this too. It writes out two checkers for each function when a module is imported, and binds the
arguments of each call to the signature, which took half of the suite's time. Here beartype wraps the function itself,
when it is first called; jaxtyping keeps the lengths of axes where an annotation has some, as it does there.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import is_dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, FunctionType, ModuleType
from typing import Any, TypeVar, get_args, get_type_hints

from beartype import beartype
from jaxtyping import AbstractArray, jaxtyped

EXECUTED = "__executed__"
SHAPES = jaxtyped("context")


def install(package: str) -> None:
    """Execute the annotations of the functions and dataclasses of all modules of `package` that are imported later.

    What else looks for modules, such as what notes the lines that are run, is asked first and may wrap them.
    """
    vars(builtins)[EXECUTED] = executed
    sys.meta_path.insert(sys.meta_path.index(PathFinder), _Finder(package))


class _Finder(MetaPathFinder):
    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if not f"{name}.".startswith(f"{self.package}."):
            return None
        found = PathFinder.find_spec(name, path, target)
        if found is not None and isinstance(found.loader, SourceFileLoader):
            found.loader = _Loader(found.loader.name, found.loader.path)
        return found


class _Loader(SourceFileLoader):
    """Loads a module with `EXECUTED` as the decorator next to each function and on top of each class."""

    def get_code(self, fullname: str) -> CodeType:
        """The code as it is decorated, which is kept nowhere: what is kept are the files of undecorated modules."""
        path = self.get_filename(fullname)
        tree = ast.parse(self.get_data(path), path)
        for node in list(_definitions(tree.body)):
            decorator = ast.copy_location(ast.Name(EXECUTED, ast.Load()), node)
            node.decorator_list.insert(0 if isinstance(node, ast.ClassDef) else len(node.decorator_list), decorator)
        return compile(tree, path, "exec", dont_inherit=True)


def _definitions(body: Sequence[ast.AST]) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """The functions and classes among statements and inside them."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            yield from _definitions(getattr(node, field, ()) if isinstance(node, _HOLDERS) else ())


_HOLDERS = (ast.stmt, ast.excepthandler, ast.match_case)


def executed(given: Any) -> Any:
    """A class or a function whose annotations are executed."""
    if not isinstance(given, type):
        return _executed(given)
    if is_dataclass(given) and isinstance(given.__init__, FunctionType) and not hasattr(given.__init__, "__wrapped__"):
        given.__init__ = _executed(given.__init__)  # type: ignore[method-assign]
    return given


def _executed(function: FunctionType) -> Callable[..., Any]:
    """The function, which raises when it is given or gives what its annotations do not allow."""
    hints = {name: _resolved(hint, function.__globals__) for name, hint in function.__annotations__.items()}
    if all(hint is Any for hint in hints.values()):
        return function
    found: Callable[..., Any] | None = None

    @functools.wraps(function)
    def checked(*arguments: Any, **named: Any) -> Any:
        nonlocal found
        if found is None:
            found = _checked(_with_annotations(function, hints))
        return found(*arguments, **named)

    return checked


def _checked(function: FunctionType) -> Callable[..., Any]:
    """The function with its checks, where all annotations are resolved."""
    if inspect.isgeneratorfunction(function):  # beartype would look at what is given once something is taken
        return jaxtyped(function, typechecker=beartype)
    found: Callable[..., Any] = beartype(function)
    if not any(map(has_shape, function.__annotations__.values())):
        return found

    def with_axes(*arguments: Any, **named: Any) -> Any:
        with SHAPES:
            return found(*arguments, **named)

    return with_axes


def _with_annotations(function: FunctionType, hints: dict[str, Any]) -> FunctionType:
    """The same function with these annotations."""
    code, names, name = function.__code__, function.__globals__, function.__name__
    copy = FunctionType(code, names, name, function.__defaults__, function.__closure__)
    functools.update_wrapper(copy, function)
    del copy.__wrapped__  # type: ignore[attr-defined]
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__annotations__ = hints
    return copy


def _resolved(hint: Any, names: dict[str, Any]) -> Any:
    """What an annotation says: anything, where it names what is not there yet or is there for type checkers alone."""

    def holder() -> None: ...

    holder.__annotations__ = {"hint": hint}
    try:
        return get_type_hints(holder, names, include_extras=True)["hint"]
    except (NameError, TypeError, AttributeError):
        return Any


def has_shape(hint: Any) -> bool:
    """Whether an array with a shape is anywhere in an annotation."""
    if isinstance(hint, (list, tuple)):
        return any(map(has_shape, hint))
    if isinstance(hint, TypeVar):
        return has_shape((hint.__bound__, *hint.__constraints__))
    return (isinstance(hint, type) and issubclass(hint, AbstractArray)) or has_shape(get_args(hint))
