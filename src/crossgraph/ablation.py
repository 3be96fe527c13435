"""What each module of a method is worth: the full method and one variant a switch, over seeds, in one table.

    OUT/runs/VARIANT-SEED/   a run like any other, with what was measured of it beside
    OUT/ablation.json, .md   the table, written when every run is measured

Which variants there are, the method says (`Method.ablations`). A stopped ablation goes on where it was: finished runs
are measured at most once, begun ones are resumed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossgraph.config import RunConfig, differing, merged, validated
from crossgraph.data.corpus import Corpus
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.data.sources import given_corpus
from crossgraph.data.splits import split_of
from crossgraph.errors import ConfigError, MissingExtraError, unknown_name
from crossgraph.evaluation.ablation_table import BY_ITSELF, COLUMNS, FULL, AblationResult, AblationRun, Variant
from crossgraph.evaluation.metrics import DIRECTIONS
from crossgraph.evaluation.protocols import LabelProtocol
from crossgraph.evaluation.report import EvaluationProtocol
from crossgraph.files import write_atomically
from crossgraph.graphs.caption_parser import RULES_VERSION
from crossgraph.methods.catalogue import METHODS, method_type
from crossgraph.progress import Progress, Silent
from crossgraph.training.checkpoint import MANIFEST, RunManifest, read_manifest, run_fingerprint, weights_fingerprint
from crossgraph.training.held_out import divided, selection_of
from crossgraph.verbs import evaluate, evaluate_by_labels, load_model, probe, train
from crossgraph.verbs.evaluating import evaluate_blends
from crossgraph.verbs.models import run_folder

MEASURING = 4
"""Raised whenever a measure changes its meaning, so that old numbers are not taken for new ones."""


def run_ablation(
    data: Corpus | Path | str,
    config: RunConfig,
    out: Path | str,
    *,
    seeds: int = 3,
    only: Sequence[str] = (),
    shortlist: Path | str | None = None,
    split: str = "val",
    two_stage_k: int | None = None,
    protocol: LabelProtocol | None = None,
    command: str | None = None,
    cache: FeatureCache | None = None,
    progress: Progress = Silent(),
    device: str = "cpu",
) -> AblationResult:
    """Train `config.method` whole and in each variant with seeds 0 to `seeds` - 1, and measure all alike.

    Caption retrieval is measured on `split`, or label retrieval under `protocol`, which says what is searched. `only`
    names the variants beside the full method. Runs that `out` holds already are kept. Raises `ConfigError` for a method
    without variants, an unknown variant, or a folder whose runs have other settings.
    """
    out, corpus = Path(out).expanduser(), given_corpus(data)
    corpus, split = (corpus, split) if protocol is None else (protocol.drawn(corpus), protocol.query_split)
    _refuse(corpus, config, seeds=seeds, split=split, two_stage_k=two_stage_k, protocol=protocol)
    plans, known = plan_variants(config, only=only), method_type(config.method).ablations
    shortlist = None if shortlist is None else run_folder(shortlist, "dense", "rerank")
    bench = _Bench(corpus, shortlist, split, two_stage_k, protocol, cache, progress, device)
    variants, text = [], ""
    with progress.task("ablation", len(plans) * seeds) as task:
        for name, plan in plans.items():
            runs = []
            for seed in range(seeds):
                folder = f"runs/{name}-{seed}"
                found = bench.number(out / folder, _with_seed(plan, seed))
                runs.append(AblationRun(seed, folder, found["weights"], found["measures"], found["queries"]))
                text = text or _protocol(found, seeds)
                task.advance()
            variants.append(Variant(name, {} if name == FULL else dict(known[name]), tuple(runs)))
    left_out = tuple(name for name in only or known if name not in plans)
    result = AblationResult(config.method, text, command, tuple(variants), left_out)
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "ablation.json", json.dumps(result.to_json(), indent=2, ensure_ascii=False).encode())
    write_atomically(out / "ablation.md", result.markdown().encode())
    return result


def plan_variants(config: RunConfig, *, only: Sequence[str] = ()) -> dict[str, RunConfig]:
    """The full method and every variant (or those of `only`) by name; variants that change nothing are left out."""
    kind = method_type(config.method)
    if not kind.ablations:
        able = ", ".join(name for name, other in METHODS.items() if other.ablations)
        raise ConfigError(f"{config.method} names no variants to compare it with; methods that do: {able or 'none'}.")
    for name in only:
        if name not in (FULL, *kind.ablations):
            raise ConfigError(unknown_name("variant", name, (FULL, *kind.ablations)))
    full = validated(kind.config_type, config.model, section="model")
    plans = {FULL: config}
    for name, changes in kind.ablations.items():
        changed = config.model_copy(update={"model": merged(config.model, changes)})
        differs = validated(kind.config_type, changed.model, section="model") != full
        if differs and (not only or name in only):
            plans[name] = changed
    return plans


def _refuse(
    corpus: Corpus,
    config: RunConfig,
    *,
    seeds: int,
    split: str,
    two_stage_k: int | None,
    protocol: LabelProtocol | None,
) -> None:
    """Raise what would otherwise only be raised when hours of training are over."""
    if seeds < 1:
        raise ConfigError(f"an ablation needs at least one seed; got {seeds}.")
    if two_stage_k is not None and not method_type(config.method).reranks:
        raise ConfigError(f"{config.method} has nothing to re-rank with; leave out --two-stage.")
    if two_stage_k is not None and protocol is not None:
        raise ConfigError("label retrieval ranks by code or embedding, in one stage; leave out --two-stage.")
    if protocol is not None and protocol.selection == "apart" and selection_of(config) == split:
        raise ConfigError(
            f"epochs would be selected on split {split!r}, which asks the queries of protocol {protocol.name}; set "
            "training.validation_slice=0.1, or vary selection=any and say so."
        )
    split_of(divided(corpus, config)[0], split)


def _with_seed(config: RunConfig, seed: int) -> RunConfig:
    return config.model_copy(update={"training": config.training.model_copy(update={"seed": seed})})


@dataclass(frozen=True)
class _Bench:
    """What all runs of an ablation share: the data, how they are trained, and how they are measured."""

    corpus: Corpus
    shortlist: Path | str | None
    split: str
    two_stage_k: int | None
    protocol: LabelProtocol | None
    cache: FeatureCache | None
    progress: Progress
    device: str

    def number(self, run: Path, config: RunConfig) -> dict[str, Any]:
        """Train a run as far as it is not trained, and measure it unless it is measured."""
        self._train(run, config)
        key = self._key(run)
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
        file = run / f"measures-{self.split}-{digest}.json"
        if file.exists():
            known: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            return known
        found = key | self._measure(run)
        if found["probe"] is not None:
            write_atomically(file, json.dumps(found, indent=2).encode())
        measures = found["measures"]
        self.progress.note("measured", run=run.name, **{c: round(measures[c], 2) for c in COLUMNS if c in measures})
        return found

    def _train(self, run: Path, config: RunConfig) -> None:
        begun = (run / MANIFEST).exists()
        if begun:
            manifest = read_manifest(run)
            _refuse_another(run, manifest, self.corpus, config, self.shortlist)
            if manifest.weights is not None and (manifest.blend or not method_type(config.method).reranks):
                return
        train(
            self.corpus,
            config,
            run,
            shortlist=self.shortlist,
            resume=begun,
            cache=self.cache,
            progress=self.progress,
            device=self.device,
        )

    def _key(self, run: Path) -> dict[str, Any]:
        """What the numbers of a run depend on."""
        blend = read_manifest(run).blend
        asked = {} if self.protocol is None else {"protocol": self.protocol.model_dump()}
        return asked | {
            "measuring": [MEASURING, RULES_VERSION],
            "weights": weights_fingerprint(run),
            "data": [self.corpus.name, self.corpus.fingerprint()],
            "split": self.split,
            "shortlist": self.two_stage_k,
            "blend": None if blend is None else blend.chosen,
        }

    def _measure(self, run: Path) -> dict[str, Any]:
        model = load_model(run, cache=self.cache, device=self.device)
        if self.protocol is not None:
            judged = evaluate_by_labels([model], self.corpus, self.protocol, progress=self.progress)
            scores = {way: getattr(judged.runs[0], way).by_query.tolist() for way in DIRECTIONS}
            return {"protocol": judged.task(), "measures": judged.summary.mean, "probe": {}, "queries": scores}
        if self.two_stage_k is None:
            report = evaluate(model, self.corpus, split=self.split, progress=self.progress)
            measures, queries = report.strict.mean, {"hits": report.runs[0].strict.hits.tolist()}
        else:
            report, alone = evaluate_blends(
                model,
                self.corpus,
                split=self.split,
                two_stage_k=self.two_stage_k,
                blends=(model.blend, 0.0),
                progress=self.progress,
            )
            measures = report.strict.mean | {BY_ITSELF: alone.strict.mean["rsum"]}
            queries = {name: one.runs[0].strict.hits.tolist() for name, one in (("hits", report), (BY_ITSELF, alone))}
        found = {"protocol": report.to_json()["protocol"], "measures": measures, "queries": queries, "probe": None}
        if self.corpus.features is not None:
            return found
        try:
            probed = probe(model, self.corpus, split=self.split, progress=self.progress)
        except MissingExtraError as error:
            self.progress.note("no probe", reason=str(error))
            return found
        return found | {"measures": measures | probed.values(), "probe": probed.to_json()}


def _refuse_another(
    run: Path, manifest: RunManifest, corpus: Corpus, config: RunConfig, shortlist: Path | str | None
) -> None:
    """Raise `ConfigError` when a run was begun with other settings, data or shortlist than are asked for now."""
    stored = manifest.config
    # a small corpus shortens the warm-up, and the manifest holds the shorter one
    warmup = min(config.training.warmup_steps, stored.training.warmup_steps)
    wanted = config.model_copy(update={"training": config.training.model_copy(update={"warmup_steps": warmup})})
    helper = None if shortlist is None else run_fingerprint(Path(shortlist))
    other = {
        "settings": differing(stored.model_dump(mode="json"), wanted.model_dump(mode="json")),
        "data": differing({"fingerprint": manifest.data.fingerprint}, {"fingerprint": corpus.fingerprint()}),
        "shortlist": differing({"fingerprint": manifest.shortlist}, {"fingerprint": helper}),
    }
    told = [f"{name} ({'; '.join(found)})" for name, found in other.items() if found]
    if told:
        raise ConfigError(
            f"{run} was trained with other {' and '.join(told)}; give the same again, or another folder to --out."
        )


def _protocol(found: Mapping[str, Any], seeds: int) -> str:
    """The protocol of all runs: each blends as it chose for itself."""
    if isinstance(found["protocol"], str):
        return f"{found['protocol']}; {'seed' if seeds == 1 else 'seeds'} {', '.join(map(str, range(seeds)))}"
    facts = {name: value for name, value in found["protocol"].items() if name != "text"}
    protocol = EvaluationProtocol(**{**facts, "blends": (), "seeds": tuple(range(seeds))})
    text = protocol.text()
    if protocol.shortlist is not None:
        text += (
            "; blended with the share of the shortlist's score that each run chose on its validation split (by itself: "
            "without it)"
        )
    swap = (found["probe"] or {"kinds": {}})["kinds"].get("swap")
    return text if swap is None else f"{text}; swap accuracy over {swap['captions']:,} captions, chance 50"
