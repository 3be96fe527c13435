"""Everything a training run needs before its first step: data as features, encoders, a fresh method, its manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtyping import Float, Int
from torch import Tensor

from crossgraph.config import RunConfig, validated
from crossgraph.data.batches import require_sources
from crossgraph.data.corpus import Corpus
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.data.features.text_features import TextTable, extract_text_features
from crossgraph.data.label_captions import label_words, read_left_out, with_label_captions, without_labels
from crossgraph.data.splits import HeldOut
from crossgraph.encoders.backbone import Backbone
from crossgraph.encoders.backbone_encoder import BackboneEncoder
from crossgraph.encoders.catalogue import build_text_encoder
from crossgraph.encoders.given import GivenImageEncoder
from crossgraph.encoders.image import IMAGE_ENCODERS, ImageEncoder
from crossgraph.encoders.region_names import learn_names
from crossgraph.encoders.text import TextEncoder
from crossgraph.encoders.understanding import script_shares
from crossgraph.errors import ConfigError, DataError
from crossgraph.graphs.caption_parser import CaptionParser
from crossgraph.methods.catalogue import build_method, method_type
from crossgraph.methods.contract import InputSizes, Method, TrainingSet
from crossgraph.progress import Progress
from crossgraph.training.checkpoint import DataFacts, RunManifest, environment
from crossgraph.training.dataset import Dataset, gather_dataset
from crossgraph.training.encoder_pool import EncoderPool
from crossgraph.training.fine_tuning import trainable_backbone, trainable_texts
from crossgraph.training.held_out import divided, selection_of, shared_pictures, training_parts
from crossgraph.training.labels import derive_labels, describe_labels
from crossgraph.training.model import TrainedModel, build_encoder
from crossgraph.training.negative_sampler import NegativeSampler
from crossgraph.training.neighbours import shortlist_neighbours
from crossgraph.training.one_model import take_towers, with_one_model
from crossgraph.training.places import places_of, regions_digest
from crossgraph.training.random_state import RandomState
from crossgraph.training.schedule import shrunk
from crossgraph.training.teachers import gather_teachers
from crossgraph.training.training_set import training_set
from crossgraph.training.validation import Validation
from crossgraph.words import Vocabulary

if TYPE_CHECKING:
    from crossgraph.encoders.tuned_text import InnerStateEncoder


@dataclass(frozen=True)
class Readers:
    """What reads the pictures and sentences of a run; features come from the cache where they are known."""

    images: ImageEncoder
    texts: TextEncoder
    parser: CaptionParser | None
    cache: FeatureCache
    progress: Progress
    backbone: Backbone | None = None
    """The image network, where the run trains it: pictures are then pixels that it reads in cells of `cells`."""
    cells: tuple[int, ...] = ()
    device: str = "cpu"
    inner: InnerStateEncoder | None = None
    """What is cached of sentences where the run trains the upper layers of `texts`."""

    def dataset(self, corpus: Corpus, *, mirror: bool, turned: Sequence[str] = ()) -> Dataset:
        """One split as features."""
        return gather_dataset(
            corpus,
            self.images,
            self.inner or self.texts,
            cache=self.cache,
            mirror=mirror,
            parser=self.parser,
            backbone=self.backbone,
            cells=self.cells,
            turned=turned,
            device=self.device,
            progress=self.progress,
        )

    def tabulate(self, sentences: Sequence[str]) -> TextTable:
        """Sentences as features, through the layers in training where there are any."""
        reader = self.inner or self.texts
        return extract_text_features(sentences, reader, self.cache, parser=self.parser, progress=self.progress)

    def shared(self, config: RunConfig) -> EncoderPool:
        """A pool that holds these encoders, for the models of the run."""
        pool = EncoderPool()
        pool.image_encoder(self.images.fingerprint, regions=regions_digest(config), load=lambda: self.images)
        pool.text_encoder(self.texts.fingerprint, load=lambda: self.texts)
        if (parser := self.parser) is not None:
            pool.parser(load=lambda: parser)
        return pool


@dataclass(frozen=True)
class Prepared:
    """A training run before its first step: nothing of it is on disk yet, and `manifest` says all that decides it."""

    manifest: RunManifest
    method: Method
    random: RandomState
    dataset: Dataset
    validation: Validation
    neighbours: Int[Tensor, "n k"] | None
    negative_sampler: NegativeSampler | None
    shortlist: TrainedModel | None
    encoders: EncoderPool


def prepare(
    corpus: Corpus,
    config: RunConfig,
    out: Path,
    *,
    shortlist: Path | None,
    cache: FeatureCache,
    progress: Progress,
    device: str,
    leads: bool = True,
) -> Prepared:
    """All that training on `corpus` into `out` needs. Nothing is written there: the same arguments give the same run.

    A worker that does not lead gets look-alikes from the first one, and never validates, so neither is computed for it.
    Raises `ConfigError` or `DataError` for settings that do not fit the method or the data.
    """
    _refuse_misfits(corpus, config)
    config, source = with_one_model(config), corpus
    corpus, rule = divided(corpus, config)
    if rule is not None:
        progress.note("held out", rule=rule.text())
    left_out = () if config.labels.leave_out is None else read_left_out(Path(config.labels.leave_out))
    corpus, labels = _labelled(without_labels(corpus, left_out), config, cache=cache, progress=progress)
    trained_on, selected_on = training_parts(corpus, config)
    trained_on = with_label_captions(trained_on, config.labels.captions)
    readers = _readers(corpus, trained_on.captions, config, cache=cache, progress=progress, device=device)
    encoders = readers.shared(config)
    helper = None if shortlist is None else TrainedModel(shortlist, cache=cache, device=device, encoders=encoders)
    dataset = readers.dataset(trained_on, mirror=config.images.mirror, turned=config.images.turned)
    held_out = readers.dataset(selected_on, mirror=False)
    if leak := shared_pictures(dataset.digests, held_out.digests, selection=selection_of(config)):
        progress.note("equal pictures", leak=leak)
    config = config.model_copy(update={"training": shrunk(config.training, captions=len(dataset.corpus.captions))})
    random = RandomState(config.training.seed, device=device)
    with random.drawing():
        method = _fresh_method(config, dataset, readers)
    dataset = _with_names(dataset, method, readers, config.training.teachers)
    teachers, taught_by = gather_teachers(
        config.training.teachers,
        dataset.corpus,
        cache=cache,
        encoders=encoders,
        device=device,
        candidates=config.training.teacher_candidates,
        progress=progress,
    )
    dataset = replace(dataset, teachers=teachers)
    data = _data_facts(source, dataset, held_out, selection=selection_of(config), rule=rule, left_out=left_out)
    return Prepared(
        _manifest(
            config,
            method,
            readers,
            data,
            out=out,
            labels=labels,
            given=_given(source),
            helper=helper,
            teachers=taught_by,
        ),
        method,
        random,
        dataset,
        _validation(config, held_out, helper if leads else None, device=device),
        shortlist_neighbours(helper, dataset, count=config.training.neighbours) if leads else None,
        _negative_sampler(method, readers, dataset, seed=config.training.seed),
        helper,
        encoders,
    )


def encoders_for(
    config: RunConfig, corpus: Corpus, captions: Sequence[str], *, device: str
) -> tuple[TextEncoder, ImageEncoder]:
    """The encoders that the settings name, or what stands for them where the corpus has given features."""
    if corpus.features is not None and corpus.features.texts is not None and config.texts.trainable:
        raise ConfigError(
            f"corpus {corpus.name!r} has given features and no sentences to train layers on; set texts.trainable=false."
        )
    if corpus.features is None:
        return text_encoder_for(config, captions, device=device), build_encoder(config.images, device)
    if method_type(config.method).reads_graphs:
        raise DataError(
            f"{config.method} reads scene graphs, and corpus {corpus.name!r} has given features, of which nobody knows "
            "where in a picture they are; choose a method that reads none (crossgraph methods list)."
        )
    if config.images.mirror:
        raise ConfigError(
            f"corpus {corpus.name!r} has given features, which cannot be mirrored; set images.mirror=false."
        )
    if config.images.trainable:
        raise ConfigError(
            f"corpus {corpus.name!r} has given features and no pictures to train a network on; set "
            "images.trainable=false."
        )
    given = corpus.features.describe()
    if corpus.features.texts is None:
        return text_encoder_for(config, captions, device=device), GivenImageEncoder(given)
    text_encoder = build_text_encoder({"kind": "given", "of": given["kind"], "width": given["text_width"]})
    return text_encoder, GivenImageEncoder(given)


def text_encoder_for(config: RunConfig, captions: Sequence[str], *, device: str = "cpu") -> TextEncoder:
    """The sentence encoder that the settings name; `words` builds its vocabulary from the training captions."""
    texts = config.texts
    if texts.encoder == "words":
        vocabulary = Vocabulary.build(captions, min_count=texts.min_count)
        return build_text_encoder({"kind": "vocabulary", "words": vocabulary.words, "max_words": texts.max_words})
    return build_text_encoder(
        {"kind": "transformer", "name": texts.encoder, "max_words": texts.max_words}, device=device
    )


def _refuse_misfits(corpus: Corpus, config: RunConfig) -> None:
    """Raise what the settings and the corpus say already, before any work is put in."""
    kind = method_type(config.method)
    settings = validated(kind.config_type, config.model, section="model")
    if config.model.get("bank_images"):
        raise ConfigError("a query bank is of a finished run (crossgraph query-bank); leave out model.bank_images.")
    require_sources(config.training.shares, corpus.source_names or (corpus.name,))
    require_sources(config.images.turned, corpus.source_names or (corpus.name,), setting="images.turned")
    if config.labels.leave_out is not None and config.labels.source == "concepts":
        raise ConfigError(
            "labels.leave_out leaves out given labels, and labels.source=concepts reads labels off captions, which say "
            "what they say; set one of the two."
        )
    needs_labels = kind.reads_labels and not settings.goes_without_labels
    if needs_labels and corpus.labels is None and config.labels.source != "concepts":
        raise DataError(
            f"{config.method} learns from labels, and corpus {corpus.name!r} has none; give one that has, or derive "
            "concept labels from its captions with labels.source=concepts."
        )


def _labelled(
    corpus: Corpus, config: RunConfig, *, cache: FeatureCache, progress: Progress
) -> tuple[Corpus, dict[str, Any] | None]:
    """The corpus with the labels to learn from, and what they are, for the manifest; None where none are read."""
    if config.labels.source == "concepts":
        corpus, vocabulary = derive_labels(corpus, config.labels, cache=cache, progress=progress)
        return corpus, describe_labels(corpus, vocabulary)
    reads = method_type(config.method).reads_labels and corpus.labels is not None
    return corpus, describe_labels(corpus, None) if reads else None


def _readers(
    corpus: Corpus,
    captions: Sequence[str],
    config: RunConfig,
    *,
    cache: FeatureCache,
    progress: Progress,
    device: str,
) -> Readers:
    """What reads `corpus` as the settings say; `captions` are those that are trained on."""
    backbone = trainable_backbone(config, download=True)
    texts, images = encoders_for(config, corpus, captions, device=device)
    parser = CaptionParser() if method_type(config.method).reads_graphs else None
    inner = trainable_texts(config, texts)
    return Readers(images, texts, parser, cache, progress, backbone, config.images.cells, device, inner)


def _fresh_method(config: RunConfig, dataset: Dataset, readers: Readers) -> Method:
    """The method with random weights, and what it may know of the training set."""
    reads = method_type(config.method).reads_labels and dataset.corpus.labels is not None
    known = training_set(dataset, readers.texts) if reads else None
    classes = _class_names(config, readers)
    sizes = _sizes(readers, known)
    if classes is not None:
        sizes = sizes.model_copy(
            update={"classifier": readers.images.name, "classes": len(classes), "class_width": classes.shape[1]}
        )
    method = build_method(config.method, config.model, sizes)
    if classes is not None:
        learn_names(method, classes)
    method.backbone = readers.backbone
    method.text_backbone = None if readers.inner is None else readers.inner.upper
    take_towers(method, readers.images, readers.texts, name=config.images.encoder)
    if known is not None:
        method.learn(known)
    return method


def _class_names(config: RunConfig, readers: Readers) -> Float[Tensor, "k w"] | None:
    """The text vectors of what the classifier of the frozen image network tells apart, for a method that reads them."""
    if not config.model.get("region_names"):
        return None
    network = readers.images.backbone if isinstance(readers.images, BackboneEncoder) else None
    if network is None or readers.images.name not in IMAGE_ENCODERS or readers.backbone is not None:
        raise ConfigError(
            f"model.region_names wants an image network that came with a classifier and is not trained here; "
            f"{readers.images.name!r} is none. Choose one of {', '.join(IMAGE_ENCODERS)} in images.encoder, or set "
            "model.region_names=false."
        )
    sentences = [f"a photo of a {name}" for name in network.class_names()]
    names = extract_text_features(sentences, readers.texts, readers.cache, progress=readers.progress)
    read = names.rows(range(len(names)))
    if read.whole is None:
        raise ConfigError(
            "model.region_names wants a text encoder that gives a vector for every sentence; choose minilm in "
            "texts.encoder, or set model.region_names=false."
        )
    return read.whole


def _with_names(dataset: Dataset, method: Method, readers: Readers, teachers: Sequence[str]) -> Dataset:
    """The training data with the names of labels and classes as texts, where the method reads them."""
    if method.reads_label_names and dataset.corpus.labels is None:
        raise DataError(
            f"model.label_weight wants labels, and corpus {dataset.corpus.name!r} has none; give one that has, or set "
            "model.label_weight=0."
        )
    if method.reads_teachers != bool(teachers):
        raise ConfigError(
            "training.teachers and model.teacher_share go together: name finished runs to learn from, and how much of "
            "the ranking loss is theirs; or leave out both. dual_encoder and encoder_ensemble can be taught."
        )
    if method.reads_classes and (readers.backbone is None or not readers.backbone.frozen_below):
        raise ConfigError(
            "model.class_weight wants the verdicts of an image network that is trained from one of its blocks on; set "
            "images.trainable and images.from_block, or model.class_weight=0."
        )
    labels, classes = None, None
    if method.reads_label_names:
        labels = readers.tabulate([label_words(name) for name in dataset.corpus.label_names])
    if method.reads_classes and readers.backbone is not None:
        classes = readers.tabulate(readers.backbone.class_names())
    return replace(dataset, label_texts=labels, class_texts=classes)


def _given(corpus: Corpus) -> dict[str, Any] | None:
    return None if corpus.features is None else dict(corpus.features.describe())


def _sizes(readers: Readers, known: TrainingSet | None) -> InputSizes:
    """How wide all is that a method reads."""
    images = readers.backbone or readers.images
    return InputSizes(
        part_width=images.part_width,
        whole_width=images.whole_width,
        vocabulary=readers.texts.vocabulary_size,
        state_width=readers.texts.state_width,
        text_whole_width=readers.texts.whole_width,
        labels=0 if known is None else len(known.label_names),
        label_width=0 if known is None else known.label_vectors.shape[1],
    )


def _data_facts(
    corpus: Corpus,
    dataset: Dataset,
    held_out: Dataset,
    *,
    selection: str,
    rule: HeldOut | None,
    left_out: tuple[str, ...],
) -> DataFacts:
    """What is trained on; `corpus` is the whole of it as it was given, before labels were derived."""
    skipped = dict.fromkeys((*dataset.corpus.skipped, *held_out.corpus.skipped))
    return DataFacts(
        name=corpus.name,
        fingerprint=corpus.fingerprint(),
        train_images=len(dataset.corpus),
        train_captions=len(dataset.corpus.captions),
        validation_split=selection,
        held_out=rule,
        left_out=left_out,
        scripts={} if corpus.features is not None else script_shares(dataset.corpus.captions),
        skipped=tuple((str(entry.path), entry.reason) for entry in skipped),
    )


def _manifest(
    config: RunConfig,
    method: Method,
    readers: Readers,
    data: DataFacts,
    *,
    out: Path,
    labels: dict[str, Any] | None,
    given: dict[str, Any] | None,
    helper: TrainedModel | None,
    teachers: tuple[str, ...],
) -> RunManifest:
    """All that decides the outcome, and when and where it began."""
    return RunManifest(
        config=config,
        sizes=method.sizes,
        image_encoder=readers.images.fingerprint,
        text_encoder=readers.texts.describe(),
        data=data,
        shortlist=None if helper is None else helper.fingerprint,
        teachers=teachers,
        regions=regions_digest(config),
        places=places_of(out, config),
        given=given,
        labels=labels,
        parser=None if readers.parser is None else readers.parser.fingerprint,
        parameters=sum(parameter.numel() for parameter in method.parameters()),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        environment=environment(),
    )


def _negative_sampler(method: Method, readers: Readers, dataset: Dataset, *, seed: int) -> NegativeSampler | None:
    """What edits captions, for a method that wants edited ones."""
    if not method.edits:
        return None
    share = method.edited_share
    return NegativeSampler(dataset, method.edits, readers.tabulate, seed=seed, progress=readers.progress, share=share)


def _validation(config: RunConfig, held_out: Dataset, helper: TrainedModel | None, *, device: str) -> Validation:
    """What selects the epoch; a shortlist model makes the candidates that a re-ranker orders."""
    scores = None
    if helper is not None:
        images = helper.encode_corpus_images(held_out.corpus).encoded
        scores = images.embedding @ helper.encode_corpus_texts(held_out.corpus).embedding.T
    settings = config.training
    return Validation(held_out, settings.validation_shortlist, scores, device=device, by=settings.select_by)
