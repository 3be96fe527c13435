"""What a run was made from, flat: settings with their defaults, and facts of data, sizes, time and place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossgraph.config import validated
from crossgraph.errors import ConfigError
from crossgraph.methods.catalogue import method_type
from crossgraph.reporting.runs import RunSummary, shown_time
from crossgraph.training.checkpoint import RunManifest

NOTHING = "–"


def flat_settings(manifest: RunManifest) -> dict[str, str]:
    """Every setting as `section.key`, those of the method that were left as they are filled in from its defaults.

    Where this version does not know the method, or its settings, only those in the manifest.
    """
    config = manifest.config.model_dump(mode="json")
    try:
        kind = method_type(manifest.config.method).config_type
        config["model"] = validated(kind, manifest.config.model, section="model").model_dump(mode="json")
    except ConfigError:
        pass
    return dict(_flat(config, ""))


def decided_by(manifest: RunManifest) -> dict[str, str]:
    """What besides settings decides a run's outcome, by name; fingerprints where there are such."""
    return {
        "data": f"{manifest.data.name} {manifest.data.fingerprint}".strip(),
        "validation": manifest.data.validation_split,
        "picture encoder": manifest.image_encoder,
        "sentence encoder": str(manifest.text_encoder.get("fingerprint", NOTHING)),
        "shortlist": manifest.shortlist or NOTHING,
        "regions": manifest.regions or NOTHING,
        "caption parser": manifest.parser or NOTHING,
        "labels left out": f"{len(manifest.data.left_out):,}",
    }


def facts_of(summary: RunSummary, manifest: RunManifest) -> dict[str, str]:
    """What there is to know of a run besides its settings, in the order in which it is shown."""
    data, environment = manifest.data, manifest.environment
    git = environment.get("git") or {}
    commit = str(git.get("commit", ""))[:12]
    changed = " and changes" if git.get("changed") else ""
    facts = {
        "state": summary.state.text,
        "method": manifest.config.method,
        "data": f"{data.name} ({data.fingerprint})" if data.fingerprint else data.name,
        "trained on": f"{data.train_images:,} pictures, {data.train_captions:,} captions",
        "selected on": f"{summary.main.title if summary.main else manifest.config.training.select_by}, "
        f"{data.validation_split}",
        "held out": "" if data.held_out is None else data.held_out.text(),
        "files skipped": f"{len(data.skipped):,}" if data.skipped else "",
        "parameters": f"{manifest.parameters:,}",
        "blend": "" if manifest.blend is None else f"{manifest.blend.chosen:g} of the shortlist's score",
        "weights": manifest.weights or "",
        "started": shown_time(summary.started),
        "crossgraph": str(environment.get("crossgraph", "")),
        "source": f"{commit}{changed}" if commit else "",
        "torch": f"{environment.get('torch', '')}, {environment.get('threads', '?')} threads",
    }
    return {name: text for name, text in facts.items() if text}


def _flat(tree: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            found += _flat(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", shown_setting(value)))
    return found


def shown_setting(value: object) -> str:
    """A setting as `--set` takes it, nearly; nothing is a dash."""
    if value is None or value in ("", [], {}):
        return NOTHING
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ", ".join(map(shown_setting, value))
    return str(value)
