"""A student is taught other languages against trained runs that stay as they are.

The runs' embeddings of pictures and of English captions are computed once. A caption in another language then goes
student -> word states -> the run's text side, and what comes out must find

    its picture among all training pictures            InfoNCE with the frozen embeddings of pictures
    the English captions of its picture among all      InfoNCE with the frozen mean embedding of each picture's captions

while the mean of the student's states is drawn to that of the English states. No picture is encoded, and no weight of
a run moves, so that English is read as before.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from pydantic import BaseModel, ConfigDict, Field
from scipy.sparse import csr_matrix
from sklearn.linear_model import Ridge
from torch import Tensor

from crossgraph.data.corpus import Corpus
from crossgraph.data.graphs.graph_batches import batch_graphs
from crossgraph.encoders.language_guess import ENGLISH, LanguageGuess
from crossgraph.encoders.pieces import PieceCutter, Pieces
from crossgraph.encoders.polyglot import PolyglotConfig
from crossgraph.encoders.student import PieceBatch, Student, StudentConfig
from crossgraph.encoders.text import TextEncoder
from crossgraph.encoders.transformer_text import TransformerTextEncoder
from crossgraph.errors import ModelError
from crossgraph.evaluation.metrics import first_answers, relevance
from crossgraph.graphs.scene_graph import SceneGraph
from crossgraph.layers.pooling import masked_mean
from crossgraph.losses.contrastive import info_nce
from crossgraph.methods.contract import Method
from crossgraph.progress import Progress, Silent
from crossgraph.training.model import TrainedModel
from crossgraph.training.random_state import RandomState
from crossgraph.types import TextBatch

PRIOR = 3.0
"""Captions' worth of evidence that each piece begins with for the mean."""
POOL = 20
"""Batches among whose captions those of like length are put together."""
K = 10
"""The recall that selects the epoch: how often a caption finds its picture among the first ten."""


class TeachingConfig(BaseModel):
    """How languages are taught."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    pieces: int = Field(12_000, ge=16, description="pieces of words, before phrases are left out")
    width: int = Field(192, gt=0, description="channels of a piece")
    gru_width: int = Field(256, gt=0, description="channels of the GRU, each way")
    epochs: int = Field(6, ge=1, description="an epoch shows every caption once")
    batch_size: int = Field(256, ge=2, description="captions a step")
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    warmup_steps: int = Field(100, ge=0, description="steps over which the rate rises from 0")
    dropout: float = Field(0.3, ge=0, lt=1)
    piece_dropout: float = Field(0.1, ge=0, lt=1, description="share of pieces that a step does not show")
    gallery: int = Field(1024, ge=1, description="random pictures that a step ranks beside its own")
    scale: float = Field(20.0, gt=0, description="inverse temperature")
    text_weight: float = Field(1.0, ge=0, description="of finding the English captions")
    whole_weight: float = Field(1.0, ge=0, description="of drawing the mean state to the English one")
    average: float = Field(0.995, ge=0, lt=1, description="decay of the running average of weights")
    clip: float = Field(2.0, gt=0, description="largest gradient norm")
    seed: int = Field(0, ge=0, lt=2**63)


@dataclass(frozen=True)
class Taught:
    """Languages as they were learnt, ready to be written; `recalls` are of the selected epoch, with English's."""

    config: PolyglotConfig
    cutter: PieceCutter
    weights: dict[str, Tensor]
    guess: LanguageGuess
    recalls: dict[str, float]


@dataclass(frozen=True)
class _Teacher:
    """A frozen text side with what it must find: a row per training picture."""

    method: Method
    images: Float[Tensor, "n d"]
    texts: Float[Tensor, "n d"]


@dataclass(frozen=True)
class _Lessons:
    """Captions in other languages as pieces, and the row of each one's picture."""

    sentences: tuple[Pieces, ...]
    image: Int[Tensor, " m"]
    lengths: Int[Tensor, " m"]


@dataclass(frozen=True)
class _Exam:
    """What a language is examined by: its captions of the pictures held out."""

    sentences: tuple[Pieces, ...]
    relevant: Bool[Tensor, "m n"]


def teach_languages(
    models: Sequence[TrainedModel],
    english: Mapping[str, Corpus],
    others: Mapping[str, Mapping[str, Corpus]],
    settings: TeachingConfig,
    *,
    progress: Progress = Silent(),
) -> Taught:
    """Languages for runs with one text encoder, of which the first run's cosine is what epochs are selected by.

    `english` has the training pictures with their English captions under "train", those to select by under "val";
    `others` the same of each language. All that is random comes from the seed. Raises `ModelError` for runs that
    cannot be taught: their sentences are no states, or their embeddings are codes.
    """
    encoder = _english_encoder(models)
    device, random = models[0].device, RandomState(settings.seed, device=models[0].device)
    trained_on, held_out = english["train"], english["val"]
    with progress.task("encoding what is known", 2 * len(models)) as task:
        teachers = []
        for model in models:
            teachers += _teachers(model, trained_on, progress=progress)
            task.advance()
        if not teachers:
            raise ModelError(f"{models[0].run} gives codes alone, by which nothing can be taught; give a dense run.")
        gallery = models[0].encode_corpus_images(held_out, progress=progress).encoded.embedding
        wholes = _wholes(models[0], trained_on, progress=progress)
        asked = models[0].encode_corpus_texts(held_out, progress=progress).embedding
        task.advance(len(models))
    recalls = {ENGLISH: _recall(asked @ gallery.T, _relevant(held_out))}
    captions = [caption for corpora in others.values() for caption in corpora["train"].captions]
    cutter = PieceCutter.trained(captions, size=settings.pieces)
    lessons = _lessons(others, cutter, max_words=encoder.max_words)
    exams = {
        language: _Exam(_cut(corpora["val"].captions, cutter, encoder.max_words), _relevant(corpora["val"]))
        for language, corpora in others.items()
        if corpora["val"].captions
    }
    sizes = StudentConfig(
        pieces=cutter.size, state_width=encoder.state_width, width=settings.width, gru_width=settings.gru_width
    )
    with random.drawing():
        student = Student(sizes, dropout=settings.dropout).to(device)
    _begin_at(student, lessons, wholes)
    school = _School(student, teachers, lessons, wholes, exams, gallery, settings, random, device)
    best, weights = school.teach(progress)
    guess = LanguageGuess.fitted(
        {ENGLISH: trained_on.captions, **{language: corpora["train"].captions for language, corpora in others.items()}},
        english_words=_words_of_model(encoder),
    )
    taught: dict[str, Any] = {"settings": settings.model_dump(), "recall_at_10": recalls | best["recalls"], **best}
    del taught["recalls"]
    scripts = dict(zip(guess.languages, guess.scripts, strict=True))
    config = PolyglotConfig(
        english=encoder.fingerprint, languages=guess.languages, scripts=scripts, student=sizes, taught=taught
    )
    return Taught(config, cutter, weights, guess, recalls | best["recalls"])


class _School:
    """Teaches one student; keeps a running average of its weights, and of that the best epoch."""

    def __init__(
        self,
        student: Student,
        teachers: Sequence[_Teacher],
        lessons: _Lessons,
        wholes: Float[Tensor, "n w"],
        exams: Mapping[str, _Exam],
        gallery: Float[Tensor, "g d"],
        settings: TeachingConfig,
        random: RandomState,
        device: str,
    ) -> None:
        self.student, self.teachers, self.lessons, self.wholes = student, teachers, lessons, wholes
        self.exams, self.gallery, self.settings = exams, gallery, settings
        self.random, self.device = random, device
        self.spread = float(wholes.var(dim=0).sum())
        self.optimiser = torch.optim.AdamW(
            student.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.average = {name: value.detach().clone() for name, value in student.named_parameters()}
        self.steps_done = 0

    def teach(self, progress: Progress) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """The facts of the best epoch, and the weights that it ended with."""
        best: dict[str, Any] = {}
        kept: dict[str, Tensor] = {}
        for epoch in range(1, self.settings.epochs + 1):
            started = time.monotonic()
            with self.random.drawing():
                loss = self._epoch(epoch, progress)
            recalls = self._examine()
            mean = sum(recalls.values()) / max(1, len(recalls))
            rounded = {language: round(recall, 2) for language, recall in recalls.items()}
            progress.note(
                "taught", epoch=epoch, loss=round(loss, 4), **rounded, seconds=round(time.monotonic() - started, 1)
            )
            if not best or mean > best["mean_recall"]:
                best = {"epoch": epoch, "mean_recall": mean, "recalls": recalls}
                kept = {name: value.clone() for name, value in self.average.items()}
        return best, kept

    def _epoch(self, epoch: int, progress: Progress) -> float:
        self.student.train()
        batches = self._batches()
        total = self.settings.epochs * len(batches)
        losses = 0.0
        with progress.task(f"teaching, epoch {epoch}", len(batches)) as task:
            for rows in batches:
                for group in self.optimiser.param_groups:
                    group["lr"] = self.settings.learning_rate * _rate(
                        self.steps_done, total, warmup=self.settings.warmup_steps
                    )
                losses += self._step(rows)
                task.advance()
        return losses / len(batches)

    def _batches(self) -> list[Int[Tensor, " b"]]:
        """All captions once, in random batches of captions of like length."""
        size, lengths = self.settings.batch_size, self.lessons.lengths
        order = torch.randperm(len(lengths))
        pools = [pool[lengths[pool].argsort(stable=True)] for pool in torch.split(order, POOL * size)]
        batches = [batch for pool in pools for batch in torch.split(pool, size)]
        return [batches[place] for place in torch.randperm(len(batches)).tolist()]

    def _step(self, rows: Int[Tensor, " b"]) -> float:
        sentences = [self.lessons.sentences[row] for row in rows.tolist()]
        images = self.lessons.image[rows].to(self.device)
        shown, place = self._gallery_of(images)
        texts = self._read(sentences, drop=self.settings.piece_dropout)
        assert texts.whole is not None, "a student gives wholes"
        loss = self.settings.whole_weight * (texts.whole - self.wholes[images]).square().sum(dim=1).mean() / self.spread
        for teacher in self.teachers:
            said = teacher.method.encode_texts(texts).embedding
            found = info_nce(teacher.images[shown] @ said.T, place, scale=self.settings.scale)
            alike = info_nce(teacher.texts[shown] @ said.T, place, scale=self.settings.scale)
            loss = loss + (found + self.settings.text_weight * alike) / len(self.teachers)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), self.settings.clip)
        self.optimiser.step()
        self.steps_done += 1
        decay = min(self.settings.average, (1 + self.steps_done) / (10 + self.steps_done))
        for name, value in self.student.named_parameters():
            self.average[name].lerp_(value.detach(), 1 - decay)
        return float(loss.detach())

    def _gallery_of(self, images: Int[Tensor, " b"]) -> tuple[Int[Tensor, " g"], Int[Tensor, " b"]]:
        """The pictures that a step ranks, those of its captions and random others; and which is each caption's."""
        others = torch.randint(len(self.wholes), (self.settings.gallery,), device=images.device)
        shown = torch.unique(torch.cat([images, others]))
        return shown, torch.searchsorted(shown, images)

    def _read(self, sentences: Sequence[Pieces], *, drop: float = 0.0) -> TextBatch:
        """Sentences as a method reads them; a share `drop` of their pieces is unknown to the student."""
        batch = PieceBatch.of(sentences).to(self.device)
        if drop:
            hidden = torch.rand(batch.ids.shape, device=batch.ids.device) < drop
            batch = PieceBatch(batch.ids.masked_fill(hidden, 1), batch.word, batch.mask, batch.words)
        states, mask = self.student(batch)
        words = tuple(one.words for one in sentences)
        graphs = None
        if any(teacher.method.reads_graphs for teacher in self.teachers):
            nothing = [SceneGraph((), ())] * len(words)
            graphs = batch_graphs([""] * len(words), nothing, lengths=[*map(len, words)]).to(self.device)
        return TextBatch(mask, words, states=states, graphs=graphs, whole=masked_mean(states, mask))

    @torch.no_grad()
    def _examine(self) -> dict[str, float]:
        """Recall of each language's held-out captions, by the averaged weights."""
        current = {name: value.detach().clone() for name, value in self.student.named_parameters()}
        self.student.load_state_dict(self.average)
        self.student.eval()
        method = self.teachers[0].method
        found = {}
        for language, exam in self.exams.items():
            blocks = [
                method.encode_texts(self._read(exam.sentences[start : start + 512])).embedding
                for start in range(0, len(exam.sentences), 512)
            ]
            found[language] = _recall(torch.cat(blocks) @ self.gallery.T, exam.relevant)
        self.student.load_state_dict(current)
        return found


def _english_encoder(models: Sequence[TrainedModel]) -> TextEncoder:
    """The text encoder of all runs, or what it imitates where they were taught before."""
    from crossgraph.encoders.polyglot import PolyglotTextEncoder

    if own := [model.run for model in models if model.config.texts.trainable]:
        raise ModelError(
            f"{own[0]} trained layers of its sentence encoder, which no student imitates yet; teach runs "
            "with texts.trainable=false."
        )
    encoders = {model.text_encoder.fingerprint: model.text_encoder for model in models}
    if len(encoders) > 1:
        raise ModelError("the runs read sentences with different text encoders; teach each of them alone.")
    (encoder,) = encoders.values()
    if isinstance(encoder, PolyglotTextEncoder):
        encoder = encoder.english
    if not encoder.state_width or not encoder.reads_sentences:
        raise ModelError(
            f"{models[0].run} reads sentences with {encoder.name!r}, which gives no word states that a student could "
            "imitate; train with texts.encoder=minilm."
        )
    return encoder


def _teachers(model: TrainedModel, corpus: Corpus, *, progress: Progress) -> list[_Teacher]:
    """What a run teaches by; nothing for one that gives codes, through which no error flows back."""
    images = model.encode_corpus_images(corpus, progress=progress).encoded
    if images.code is not None:
        return []
    texts = model.encode_corpus_texts(corpus, progress=progress).embedding
    model.method.requires_grad_(False)
    return [_Teacher(model.method, images.embedding.clone(), F.normalize(_means(texts, corpus), dim=-1))]


def _wholes(model: TrainedModel, corpus: Corpus, *, progress: Progress) -> Float[Tensor, "n d"]:
    """The mean of the English wholes of each picture."""
    table = model.text_features(corpus.captions, progress=progress)
    wholes = [
        masked_mean(batch.states, batch.mask)
        for start in range(0, len(table), 512)
        if (batch := table.rows(range(start, min(start + 512, len(table))))).states is not None
    ]
    return _means(torch.cat(wholes).to(model.device), corpus)


def _means(rows: Float[Tensor, "m d"], corpus: Corpus) -> Float[Tensor, "n d"]:
    """The mean over the captions of each picture; zero where it has none."""
    links = torch.tensor(corpus.caption_image, device=rows.device)
    sums = rows.new_zeros(len(corpus), rows.shape[1]).index_add_(0, links, rows)
    counts = torch.bincount(links, minlength=len(corpus)).clamp(min=1)
    return sums / counts[:, None]


def _begin_at(student: Student, lessons: _Lessons, wholes: Float[Tensor, "n w"]) -> None:
    """Let the student begin as the best linear one: each piece has a vector, and their mean says the English whole.

    A ridge regression of the wholes' first principal components on the pieces of captions, as `mean_of_words` weighs
    them; `PRIOR` captions' worth of evidence holds a rare piece at the mean. The GRU begins with saying nothing.
    """
    mean = wholes.mean(dim=0)
    width = student.embedding.weight.shape[1]
    axes = torch.linalg.svd(wholes - mean, full_matrices=False).Vh[:width]
    targets = ((wholes - mean) @ axes.T)[lessons.image].cpu().numpy()
    weights = _piece_weights(lessons.sentences, student.config.pieces)
    alpha = PRIOR * float(weights.multiply(weights).sum() / weights.nnz)
    fitted = Ridge(alpha=alpha, fit_intercept=False, solver="sparse_cg", tol=1e-2).fit(weights, targets)
    with torch.no_grad():
        student.embedding.weight.zero_()
        student.shortcut.weight.zero_()
        student.embedding.weight[:, : len(axes)].copy_(torch.from_numpy(np.asarray(fitted.coef_).T))
        student.shortcut.weight[:, : len(axes)].copy_(axes.T)
        student.out.weight.zero_()
        student.out.bias.copy_(mean)


def _piece_weights(sentences: Sequence[Pieces], pieces: int) -> csr_matrix:
    """What share each piece has in the mean state of each sentence, if words and their pieces are averaged."""
    rows: list[int] = []
    columns: list[int] = []
    shares: list[float] = []
    for row, sentence in enumerate(sentences):
        of_word = Counter(sentence.word)
        rows += [row] * len(sentence.ids)
        columns += sentence.ids
        shares += [1 / (of_word[word] * len(sentence.words)) for word in sentence.word]
    return csr_matrix((np.asarray(shares, np.float32), (rows, columns)), shape=(len(sentences), pieces))


def _lessons(others: Mapping[str, Mapping[str, Corpus]], cutter: PieceCutter, *, max_words: int) -> _Lessons:
    parts = [corpora["train"] for corpora in others.values()]
    sentences = tuple(one for corpus in parts for one in _cut(corpus.captions, cutter, max_words))
    image = torch.cat([torch.tensor(corpus.caption_image) for corpus in parts])
    return _Lessons(sentences, image, torch.tensor([len(one.ids) for one in sentences]))


def _cut(captions: Sequence[str], cutter: PieceCutter, max_words: int) -> tuple[Pieces, ...]:
    return tuple(cutter.cut(caption, max_words=max_words)[0] for caption in captions)


def _relevant(corpus: Corpus) -> Bool[Tensor, "m n"]:
    return relevance(corpus.caption_image, len(corpus)).T


def _recall(scores: Float[Tensor, "m n"], relevant: Bool[Tensor, "m n"]) -> float:
    """How many captions in a hundred find their picture among the first `K`."""
    return float(100 * first_answers(scores, relevant).hits(K).mean())


def _rate(step: int, total: int, *, warmup: int) -> float:
    """The share of the learning rate at a step: up over `warmup` steps, then down along a line."""
    return min(1.0, (step + 1) / (warmup + 1)) * max(0.02, 1 - step / total)


def _words_of_model(encoder: TextEncoder) -> list[str]:
    """Words of four letters or more that the English model has a piece of its own for."""
    if not isinstance(encoder, TransformerTextEncoder):
        return []
    return [word for word in encoder.tokenizer.get_vocab() if word.isascii() and word.isalpha() and len(word) > 3]
