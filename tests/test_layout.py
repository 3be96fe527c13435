"""Rules of the source tree: imports point down, public names exist, shipped settings are valid."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import crossgraph
from crossgraph.config import read_config, validated
from crossgraph.methods.catalogue import method_type

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "crossgraph"
LAYERS = (
    (
        "errors",
        "types",
        "config",
        "progress",
        "progress_bars",
        "words",
        "lazy_names",
        "waiting",
        "device",
        "files",
        "storage",
        "bits",
        "default_model",
    ),
    ("losses", "graphs", "layers"),
    ("encoders",),
    ("data",),
    ("methods",),
    ("evaluation",),
    ("training",),
    ("gallery",),
    ("quick",),
    ("distributed",),
    ("verbs",),
    ("ablation", "bench", "demo", "reporting"),
    ("serving",),
    ("cli", "__init__"),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
INSIDE = {
    "gallery": (
        ("home",),
        ("tables", "stages"),
        ("search",),
        ("calibration", "explanations", "changes"),
        ("folder", "following", "gallery", "thumbnails", "guarded_decode", "picture_map", "picture_zip"),
        ("upkeep",),
    ),
    "data": (
        (
            "feature_cache",
            "corpus",
            "given_features",
            "stored_rows",
            "file_kinds",
            "shares",
            "drawing",
            "options",
            "guides",
            "unpacked",
        ),
        ("exif", "kept", "objects", "tars"),
        ("object_tars",),
        ("places",),
        ("images", "exclusions", "archives", "encodings", "names", "tables", "columns", "label_cells"),
        ("image_reader", "inventory", "probes", "decoding_worker"),
        ("unused",),
        ("assembly", "concepts", "batches", "splits", "other_captions"),
        ("joined", "label_captions"),
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


@pytest.mark.parametrize("package", LEVEL)
def test_imports_never_point_up(package: str) -> None:
    for path in (path for path in MODULES if module_name(path).split(".")[0] == package):
        for name in imported_modules(path):
            below = LEVEL[name.split(".")[0]]
            assert below <= LEVEL[package], f"{module_name(path)} imports {name}, which stands above it"


def test_every_package_has_a_place_in_the_layers() -> None:
    assert {module_name(path).split(".")[0] for path in MODULES} == LEVEL.keys()


@pytest.mark.parametrize("package", INSIDE)
def test_inside_a_large_package_imports_never_point_up_either(package: str) -> None:
    levels = {f"{package}.{name}": level for level, names in enumerate(INSIDE[package]) for name in names}
    for path in (path for path in (SOURCE / package).rglob("*.py") if module_name(path) != package):
        own = ".".join(module_name(path).split(".")[:2])
        assert own in levels, f"say in INSIDE where {own} stands"
        for name in imported_modules(path):
            below = levels.get(".".join(name.split(".")[:2]), 0)
            assert below <= levels[own], f"{module_name(path)} imports {name}, which stands above it"


def test_ray_is_imported_in_functions_of_one_package_alone() -> None:
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
        names = [(node, getattr(node, "module", None) or node.names[0].name) for node in imports]
        found = [node for node, name in names if name.split(".")[0] == "ray"]
        assert not found or module_name(path).startswith("distributed"), f"{path} imports ray"
        assert not any(node in tree.body for node in found), f"{path} imports ray when it is imported"


MADE_OF = {"encoder_ensemble": ("methods.dual_encoder",)}
"""Methods that are several of another one."""


def test_a_method_imports_no_other_method() -> None:
    for path in (SOURCE / "methods").glob("*.py"):
        others = {name for name in imported_modules(path) if name.startswith("methods.")}
        allowed = {"methods.by_image", "methods.contract", "methods.settings", *MADE_OF.get(path.stem, ())}
        assert path.stem in ("catalogue", "settings", "__init__") or others <= allowed


def test_every_public_name_exists_and_is_listed() -> None:
    assert len(dir(crossgraph)) > 20
    assert [name for name in dir(crossgraph) if getattr(crossgraph, name, None) is None] == []


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    misspelt = "serach"
    with pytest.raises(AttributeError, match="no attribute 'serach'"):
        getattr(crossgraph, misspelt)


def imported(path: Path) -> ModuleType:
    """The module of a file."""
    name = module_name(path)
    return importlib.import_module("crossgraph" if name == "__init__" else f"crossgraph.{name}")


def test_every_module_can_be_imported() -> None:
    assert all(imported(path) for path in MODULES)


@pytest.mark.parametrize(
    "path", [path for path in MODULES if "\n__all__ = " in path.read_text(encoding="utf-8")], ids=module_name
)
def test_every_name_in_all_exists(path: Path) -> None:
    module = imported(path)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_shipped_settings_fit_their_method(path: Path) -> None:
    config = read_config(path)
    validated(method_type(config.method).config_type, config.model, section="model")
