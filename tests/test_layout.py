"""Rules of the source tree: imports point down, public names exist, shipped settings and documented commands work."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

import crossgraph
from crossgraph.cli import app
from crossgraph.config import read_config, validated
from crossgraph.methods.catalogue import method_type

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "crossgraph"
LAYERS = (
    ("errors", "types", "config", "progress", "words", "lazy_names", "device", "files", "bits"),
    ("losses", "graphs", "layers"),
    ("encoders",),
    ("data",),
    ("methods",),
    ("evaluation",),
    ("training",),
    ("gallery",),
    ("verbs",),
    ("ablation", "demo"),
    ("cli", "__init__"),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
INSIDE = {
    "gallery": (
        ("tables", "stages"),
        ("search",),
        ("calibration", "explanations", "changes"),
        ("folder", "gallery"),
        ("upkeep",),
    ),
    "data": (
        ("feature_cache", "corpus", "given_features", "images", "shares", "options", "guides"),
        ("assembly", "concepts", "batches"),
        ("graphs",),
        ("features",),
        ("layouts", "drawn"),
        ("sources",),
        ("check",),
    ),
}
MODULES = sorted(SOURCE.rglob("*.py"))
CONFIGS = sorted([*SOURCE.rglob("*.toml"), *(ROOT / "configs").rglob("*.toml")])


def module_name(path: Path) -> str:
    """The dotted name of a module inside the package, its folder for an __init__."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def imported_modules(path: Path) -> Iterator[str]:
    """Every module of the package that a file imports anywhere, less the package's own prefix."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{name.name}" for name in node.names] if node.module == "crossgraph" else []
            candidates = names or [str(node.module)]
        elif isinstance(node, ast.Import):
            candidates = [name.name for name in node.names]
        else:
            continue
        yield from (name.removeprefix("crossgraph.") for name in candidates if name.startswith("crossgraph."))


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_never_point_up(path: Path) -> None:
    own = module_name(path).split(".")[0]
    assert own in LEVEL, f"say in LAYERS where {own} stands"
    for imported in imported_modules(path):
        below = imported.split(".")[0]
        assert LEVEL[below] <= LEVEL[own], f"{module_name(path)} imports {imported}, which stands above it"


@pytest.mark.parametrize(
    "path", sorted(path for name in INSIDE for path in (SOURCE / name).rglob("*.py")), ids=module_name
)
def test_inside_a_large_package_imports_never_point_up_either(path: Path) -> None:
    package, *rest = module_name(path).split(".")
    level = {f"{package}.{name}": level for level, names in enumerate(INSIDE[package]) for name in names}
    own = ".".join([package, *rest[:1]])
    if not rest:
        return
    assert own in level, f"say in INSIDE where {own} stands"
    for imported in imported_modules(path):
        below = ".".join(imported.split(".")[:2])
        assert level.get(below, 0) <= level[own], f"{module_name(path)} imports {imported}, which stands above it"


@pytest.mark.parametrize("path", sorted((SOURCE / "methods").glob("*.py")), ids=module_name)
def test_a_method_imports_no_other_method(path: Path) -> None:
    if path.stem in ("catalogue", "__init__"):
        return
    others = {name for name in imported_modules(path) if name.startswith("methods.")}
    assert others <= {"methods.contract"}


@pytest.mark.parametrize("name", crossgraph.__all__)
def test_every_public_name_exists_and_is_listed(name: str) -> None:
    assert getattr(crossgraph, name) is not None
    assert name in dir(crossgraph)


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'serach'"):
        crossgraph.serach  # noqa: B018


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_every_name_in_all_exists(path: Path) -> None:
    name = module_name(path)
    module = importlib.import_module("crossgraph" if name == "__init__" else f"crossgraph.{name}")
    assert all(hasattr(module, public) for public in getattr(module, "__all__", ()))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_shipped_settings_fit_their_method(path: Path) -> None:
    config = read_config(path)
    validated(method_type(config.method).config_type, config.model, section="model")


def documented_commands() -> list[str]:
    """Every `crossgraph ...` line of the README's bash blocks, continued lines joined."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.startswith("crossgraph ")]


@pytest.mark.parametrize("line", documented_commands())
def test_documented_commands_parse(line: str) -> None:
    command, words = get_command(app), shlex.split(line, comments=True)[1:]
    context = command.make_context("crossgraph", list(words), resilient_parsing=False)
    while hasattr(command, "commands"):
        name, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, list(words), parent=context)
    assert not context.args
