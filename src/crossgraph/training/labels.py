"""Which labels a run learns from: those of the corpus, or concepts derived from its captions."""

from __future__ import annotations

from typing import Any

from crossgraph.config import LabelsConfig
from crossgraph.data.concepts import ConceptVocabulary, concept_labels, learn_concepts
from crossgraph.data.corpus import DERIVED_LABELS, Corpus
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.data.graphs.caption_graphs import parse_captions
from crossgraph.data.splits import TRAIN
from crossgraph.errors import DataError, ModelError
from crossgraph.graphs.caption_parser import CaptionParser
from crossgraph.progress import Progress, Silent


def derive_labels(
    corpus: Corpus,
    settings: LabelsConfig,
    *,
    cache: FeatureCache,
    parser: CaptionParser | None = None,
    progress: Progress = Silent(),
) -> tuple[Corpus, ConceptVocabulary]:
    """The corpus with concept labels in all splits, and the vocabulary, which only `train` has a say in.

    Of a corpus without splits the whole has.
    """
    if corpus.features is not None and corpus.features.texts is not None:
        raise DataError(
            f"corpus {corpus.name!r} has given features and no captions to derive labels from; set labels.source=given."
        )
    parser = parser or CaptionParser()
    training = corpus.split(TRAIN) if TRAIN in corpus.splits else corpus
    vocabulary = learn_concepts(training, parse_captions(training.captions, parser, cache, progress=progress), settings)
    return concept_labels(
        corpus, vocabulary, parse_captions(corpus.captions, parser, cache, progress=progress)
    ), vocabulary


def describe_labels(corpus: Corpus, vocabulary: ConceptVocabulary | None) -> dict[str, Any]:
    """What the labels of a run are, for its manifest."""
    if vocabulary is None:
        return {"kind": corpus.label_kind, "names": list(corpus.label_names)}
    return vocabulary.describe() | {"parser": CaptionParser().fingerprint}


def labels_as_trained(
    corpus: Corpus, described: dict[str, Any] | None, *, cache: FeatureCache, progress: Progress = Silent()
) -> Corpus:
    """The corpus with the labels that a run was trained on: its own, or the run's concepts read off its captions.

    `described` is the manifest's "labels"; None for a run without labels, which leaves the corpus as it is. Raises
    `ModelError` where the corpus has other labels, or the parser here reads captions otherwise.
    """
    if described is None:
        return corpus
    if described["kind"] != DERIVED_LABELS:
        if list(corpus.label_names) != described["names"]:
            raise ModelError(
                f"the run was trained on {len(described['names'])} labels ({_some(described['names'])}), but corpus "
                f"{corpus.name!r} has {len(corpus.label_names)} ({_some(list(corpus.label_names))})."
            )
        return corpus
    parser = CaptionParser()
    if parser.fingerprint != described["parser"]:
        raise ModelError(
            f"the run's {DERIVED_LABELS} were read by caption parser {described['parser']}, the parser here is "
            f"{parser.fingerprint}. Install the same version, or train the run again."
        )
    vocabulary = ConceptVocabulary(tuple(described["names"]), described["agree"])
    return concept_labels(corpus, vocabulary, parse_captions(corpus.captions, parser, cache, progress=progress))


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
