"""The model that comes with crossgraph: used where none is named, known by its name, and never written to.

What stands in for it is a tiny cascade, packed (`default_model`); `install_as_default` takes another folder for it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import crossgraph
from crossgraph.gallery.stages.cascade_manifest import CascadeManifest
from crossgraph.gallery.stages.cascade_model import CascadeModel
from tests.cli.conftest import DATA, TINY, Trained, call, install_as_default, with_settings

BALL = ("search", "a red ball", "-k", 3, "--no-exact")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The gallery of a user who has none yet."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CROSSGRAPH_GALLERY", raising=False)
    return tmp_path / "home" / ".local" / "share" / "crossgraph" / "gallery"


@pytest.fixture
def pictures(trained: Trained, tmp_path: Path) -> Path:
    """A folder as people have them: pictures beside files of all kinds, in folders of all names."""
    folder = tmp_path / "Pictures"
    (folder / "2019 été" / "raw").mkdir(parents=True)
    for number, image in enumerate(sorted(trained.images.iterdir())[:6]):
        shutil.copy(image, folder / ("2019 été" if number % 2 else ".") / f"IMG {number}.PNG")
    (folder / "notes.csv").write_text("date,what\n2019-01-01,beach\n", encoding="utf-8")
    (folder / "settings.json").write_text('{"theme": "dark"}', encoding="utf-8")
    (folder / "letter.txt").write_text("Dear all,\n", encoding="utf-8")
    (folder / "empty.jpg").touch()
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff but no more")
    (folder / "film.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(64))
    (folder / ".hidden").write_bytes(b"\x00")
    (folder / "2019 été" / "raw" / "x.cr2").write_bytes(bytes(32))
    (folder / "link").symlink_to(folder / "nowhere")
    return folder


def test_a_newcomer_indexes_a_folder_and_searches_it_without_naming_anything(
    default_model: Path, pictures: Path, home: Path
) -> None:
    done = call("index", pictures)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith(f"{home}: 6 added")
    assert 'crossgraph search "two dogs on a beach"' in done.stderr
    found = json.loads(call(*BALL, "--json").stdout)
    assert [Path(row["path"]).parent.name for row in found["results"]]
    assert found["compared"] == {"codes": 6, "shortlist": 6, "rerank": 6}
    assert json.loads(call("gallery", "stats", "--json").stdout)["run"] == "default"
    (pictures / "IMG 0.PNG").unlink()
    assert "1 removed" in call("sync").stdout
    assert call("gallery", "verify").exit_code == 0


def test_the_gallery_of_a_user_is_where_the_environment_says_unless_one_is_named(
    default_model: Path, pictures: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSGRAPH_GALLERY", "~/elsewhere")
    assert call("index", pictures).stdout.startswith(f"{tmp_path / 'home' / 'elsewhere'}: 6 added")
    assert call("index", pictures, "--gallery", tmp_path / "named").stdout.startswith(f"{tmp_path / 'named'}: 6 added")
    assert not home.exists()
    monkeypatch.delenv("CROSSGRAPH_GALLERY")
    for words in (BALL, ("sync",), ("gallery", "stats")):
        refused = call(*words)
        assert refused.exit_code == 2
        assert f"there is no gallery at {home} yet. Make one with `crossgraph index FOLDER`" in refused.stderr


def test_a_folder_of_pictures_that_is_taken_for_a_gallery_gets_the_command_that_was_meant(
    default_model: Path, pictures: Path, home: Path
) -> None:
    for words in (("sync", pictures), ("gallery", "stats", pictures), (*BALL, "--gallery", pictures)):
        assert f"put them into your own gallery with `crossgraph index {pictures}`" in call(*words).stderr


def test_python_takes_the_default_too(default_model: Path, pictures: Path, home: Path, cache: Path) -> None:
    model = crossgraph.load()
    assert isinstance(model, CascadeModel)
    assert (
        model.fingerprint == crossgraph.load("default").fingerprint == CascadeManifest.read(default_model).fingerprint
    )
    assert crossgraph.index(pictures).added == 6
    assert crossgraph.search("a red ball").results
    assert crossgraph.explain("a red ball", pictures / "IMG 0.PNG")[0].words


def test_a_verb_without_a_model_gives_what_it_gives_with_the_default(
    default_model: Path, trained: Trained, tmp_path: Path
) -> None:
    evaluated = ("evaluate", "--data", DATA, "--split", "train", "--two-stage", 5, "--json")
    by_name, by_folder, unnamed = (
        json.loads(call(*evaluated, *words).stdout)
        for words in (("--model", "default"), ("--model", default_model), ())
    )
    assert by_name == by_folder == unnamed
    assert unnamed["models"][0]["fingerprint"] == CascadeManifest.read(default_model).fingerprint
    explained = call("explain", "a red ball", trained.images / "00000.jpg", "--out", tmp_path / "why.png")
    assert explained.exit_code == 0, explained.output


def test_a_cascade_is_evaluated_by_its_last_stage_with_its_own_shortlist_and_blend(
    cascade: Path, trained: Trained
) -> None:
    words = ("evaluate", "--data", DATA, "--split", "train", "--json")
    for more in ((), ("--two-stage", 5), ("--two-stage", 5, "--blend", 0.3)):
        by_cascade, by_run = (
            json.loads(call(*words, *more, "--model", model).stdout) for model in (cascade, trained.kidrr)
        )
        assert by_cascade["strict"] == by_run["strict"]


def test_a_gallery_of_the_default_goes_on_when_the_environment_moves(
    packed: Path, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    shutil.copytree(packed.parent, here)
    install_as_default(here, monkeypatch)
    gallery = tmp_path / "gallery"
    assert call("index", trained.images, "--gallery", gallery, "--model", here / "cascade").exit_code == 0
    manifest = json.loads((gallery / "gallery.json").read_text(encoding="utf-8"))
    assert (manifest["run"], manifest["run_from_here"]) == ("default", None)
    assert str(here) not in (gallery / "gallery.json").read_text(encoding="utf-8")
    before = call(*BALL, "--gallery", gallery, "--paths").stdout
    here.rename(there)
    install_as_default(there, monkeypatch)
    assert call(*BALL, "--gallery", gallery, "--paths").stdout == before


def test_another_default_in_a_later_version_is_said_and_the_gallery_can_be_migrated(
    packed: Path, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = tmp_path / "gallery"
    install_as_default(packed.parent, monkeypatch)
    assert call("index", trained.images, "--gallery", gallery).exit_code == 0
    later = tmp_path / "later"
    assert call("cascade", "build", "--dense", trained.dual_encoder, "--out", later / "cascade").exit_code == 0
    install_as_default(later, monkeypatch)
    for words in ((*BALL, "--gallery", gallery), ("sync", gallery), ("index", trained.images, "--gallery", gallery)):
        refused = call(*words)
        assert refused.exit_code == 2
        assert "by the model 'default' of another version of crossgraph" in refused.stderr
        assert f"crossgraph gallery migrate {gallery}." in refused.stderr
    shutil.copytree(gallery, tmp_path / "other")
    assert call(*BALL, "--gallery", tmp_path / "other", "--model", packed).exit_code == 0  # the model that made it
    assert call(*BALL, "--gallery", tmp_path / "other").exit_code == 0
    done = call("gallery", "migrate", gallery)
    assert "40 pictures encoded" in done.stdout, done.stderr
    assert json.loads((gallery / "gallery.json").read_text(encoding="utf-8"))["run"] == "default"
    assert call(*BALL, "--gallery", gallery).exit_code == 0


def test_a_gallery_keeps_its_own_model_and_is_not_migrated_to_the_default_unasked(
    default_model: Path, trained: Trained, tmp_path: Path
) -> None:
    gallery = tmp_path / "gallery"
    shutil.copytree(trained.gallery, gallery)
    assert "40 unchanged" in call("index", DATA, "--gallery", gallery).stdout
    refused = call("gallery", "migrate", gallery)
    assert (refused.exit_code, "--model default for the one that comes with crossgraph" in refused.stderr) == (2, True)


def test_where_the_default_was_not_made_yet_the_error_says_what_to_type(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = install_as_default(tmp_path, monkeypatch)
    for words in (
        ("index", trained.images, "--gallery", tmp_path / "gallery"),
        ("evaluate", "--data", DATA),
        ("calibrate",),
        ("explain", "a ball", trained.images / "00000.jpg", "--out", tmp_path / "why.png"),
    ):
        refused = call(*words)
        assert refused.exit_code == 2
        assert "this copy of crossgraph has no model 'default'" in refused.stderr
        assert f"crossgraph cascade pack CASCADE --out {folder}" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_name_stands_before_a_folder_of_that_name_and_a_path_means_the_folder(
    default_model: Path, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained.dual_encoder, "default")
    assert crossgraph.load("default").fingerprint == CascadeManifest.read(default_model).fingerprint
    own = crossgraph.load(trained.dual_encoder).fingerprint
    assert crossgraph.load("./default").fingerprint == crossgraph.load(Path("default")).fingerprint == own


def test_the_parts_of_the_default_serve_in_cascades_and_trainings(
    default_model: Path, trained: Trained, tmp_path: Path
) -> None:
    out = tmp_path / "mine"
    built = call("cascade", "build", "--dense", "default", "--rerank", trained.kidrr, "--out", out)
    assert built.exit_code == 0, built.stderr
    dense = CascadeManifest.read(out).dense
    assert dense is not None
    assert dense.source == "default/dense"
    words = ("train", "--data", DATA, "--method", "kidrr", "--shortlist", "default", "--out", tmp_path / "run")
    trained_on = call(*words, *with_settings(TINY))
    assert trained_on.exit_code == 0, trained_on.stderr
    assert str(default_model) not in (tmp_path / "run" / "manifest.json").read_text(encoding="utf-8")


def test_the_default_is_not_calibrated_in_its_place(default_model: Path) -> None:
    refused = call("calibrate", "--data", DATA)
    assert (refused.exit_code, "Calibrate a copy: cp -r" in refused.stderr) == (2, True)
    assert "default is not calibrated yet" in call("calibrate").stderr


def test_show_says_what_the_default_is(default_model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shown = json.loads(call("model", "show", "--json").stdout)
    manifest = CascadeManifest.read(default_model)
    assert (shown["name"], shown["fingerprint"], shown["card"]) == ("default", manifest.fingerprint, None)
    assert [(stage["role"], stage["method"]) for stage in shown["stages"]] == [
        ("codes", "16 random planes"),
        ("dense", "dual_encoder"),
        ("rerank", "kidrr"),
    ]
    assert shown["bytes"] == sum(path.stat().st_size for path in default_model.rglob("*") if path.is_file())
    assert shown["writing"]["Latin"] == 1
    package = tmp_path / "package"
    shutil.copytree(default_model, package / "cascade")
    card = "# A model\n\n## Languages\n\nEnglish, and\nGerman.\n\nNo other.\n"
    (package / "README.md").write_text(card, encoding="utf-8")
    install_as_default(package, monkeypatch)
    assert json.loads(call("model", "show", "--json").stdout)["languages"] == "English, and German."
    assert call("model", "show", "--card").stdout.strip() == card.strip()
    assert "efficientnet-lite0" in call("model", "show").stdout


def test_show_tells_of_any_run_or_cascade_as_well(trained: Trained, cascade: Path) -> None:
    shown = json.loads(call("model", "show", trained.dual_encoder, "--json").stdout)
    assert (shown["name"], [stage["role"] for stage in shown["stages"]]) == (str(trained.dual_encoder), ["run"])
    assert "16 random planes" in call("model", "show", cascade).stdout
    refused = call("model", "show", cascade, "--card")
    assert (refused.exit_code, "has no card" in refused.stderr) == (2, True)


def test_a_packaged_cascade_is_shown_by_its_name(default_model: Path) -> None:
    shown = json.loads(call("cascade", "show", "default", "--json").stdout)
    assert shown["fingerprint"] == CascadeManifest.read(default_model).fingerprint
