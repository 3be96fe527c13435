"""A name is built in, of the hub if it says so, or a folder that is there; nothing else fetches anything."""

import sys
from pathlib import Path
from types import ModuleType

import huggingface_hub
import pytest

from crossgraph.encoders import names
from crossgraph.encoders.names import resolve
from crossgraph.errors import ConfigError, MissingExtraError, ModelError


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, bool]]:
    """What was asked of the hub and whether the network was allowed; only `owner/cached` is in the cache."""
    asked: list[tuple[str, bool]] = []

    def snapshot_download(name: str, *, allow_patterns: list[str], local_files_only: bool) -> str:
        asked.append((name, not local_files_only))
        if name != "owner/cached" and local_files_only:
            raise OSError("not in the cache")
        if "*.safetensors" in allow_patterns and name != "owner/old":
            (tmp_path / "model.safetensors").touch()
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.delenv(names.ALLOW_DOWNLOAD, raising=False)
    return asked


def test_a_built_in_name_comes_with_the_package(hub: list[tuple[str, bool]]) -> None:
    assert resolve("efficientnet-lite1", kind="image encoder") == names.Resolved("efficientnet-lite1", None)
    minilm = resolve("minilm", kind="text encoder")
    assert minilm.folder is not None
    assert (minilm.folder / "config.json").is_file()
    assert not minilm.local
    assert hub == []


def test_a_folder_is_known_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "clip").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for typed in ("clip", "./clip/", "~/clip", str(tmp_path / "clip")):
        found = resolve(typed, kind="text encoder")
        assert (found.name, found.local) == (str(tmp_path / "clip"), True)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("runs/clip", r"no folder 'runs/clip'.* write hf:runs/clip"),
        ("./runs/clip", "no folder './runs/clip'"),
        ("/nowhere/runs/clip", "no folder '/nowhere/runs/clip'"),
        ("minlm", "Did you mean 'minilm'"),
        ("hf:clip", "write hf:owner/model"),
        ("hf:a/b/c", "write hf:owner/model"),
        ("", "unknown text encoder"),
    ],
)
def test_a_name_that_means_nothing_is_an_error_and_never_a_download(
    typed: str, message: str, hub: list[tuple[str, bool]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        resolve(typed, kind="text encoder")
    assert hub == []


def test_only_the_prefix_fetches(hub: list[tuple[str, bool]], tmp_path: Path) -> None:
    found = resolve("hf:owner/new", kind="image encoder")
    assert found == names.Resolved("hf:owner/new", tmp_path)
    assert hub == [("owner/new", True)]


def test_weights_in_the_old_format_are_fetched_only_where_there_are_no_others(hub: list[tuple[str, bool]]) -> None:
    resolve("hf:owner/old", kind="image encoder")
    resolve("hf:owner/new", kind="image encoder")
    assert hub == [("owner/old", True), ("owner/old", True), ("owner/new", True)]


def test_what_a_run_names_is_read_from_the_cache_and_not_fetched_unless_allowed(
    hub: list[tuple[str, bool]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resolve("hf:owner/cached", kind="image encoder", download=False).folder == tmp_path
    with pytest.raises(ModelError, match=r"not fetched unasked.*hf download owner/new.*CROSSGRAPH_ALLOW_DOWNLOAD=1"):
        resolve("hf:owner/new", kind="image encoder", download=False)
    assert hub == [("owner/cached", False), ("owner/new", False)]
    monkeypatch.setenv(names.ALLOW_DOWNLOAD, "1")
    assert resolve("hf:owner/new", kind="image encoder", download=False).folder == tmp_path


def test_a_model_that_comes_with_the_package_is_one_line_in_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = ModuleType("a_package")
    package.__file__ = str(tmp_path / "__init__.py")
    monkeypatch.setitem(sys.modules, "a_package", package)
    monkeypatch.setattr(names, "MODELS", {"default": "a_package:cascade", "gone": "no_such_package:cascade"})
    monkeypatch.setattr(names, "BUILT_IN", {"model": ("default", "gone")})
    with pytest.raises(ModelError, match=r"has no model 'default': .*/cascade is not there.*--model FOLDER"):
        resolve("default", kind="model")
    (tmp_path / "cascade").mkdir()
    assert resolve("default", kind="model").folder == tmp_path / "cascade"
    with pytest.raises(MissingExtraError, match="pip install no-such-package"):
        resolve("gone", kind="model")
    with pytest.raises(ConfigError, match="Did you mean 'default'"):
        resolve("defualt", kind="model")
    with pytest.raises(ConfigError, match="trained here"):
        resolve("hf:owner/model", kind="model")


def test_a_model_is_else_a_folder(tmp_path: Path) -> None:
    assert resolve(str(tmp_path), kind="model").folder == tmp_path
    with pytest.raises(ConfigError, match="there is no folder"):
        resolve(str(tmp_path / "run"), kind="model")
