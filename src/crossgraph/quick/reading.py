"""The text half of a cascade's dense stage: sentences to vectors, where all of it can be had without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from safetensors import SafetensorError, safe_open

from crossgraph.encoders.language_guess import CONFIG, ENGLISH, FILES, GUESS, TOKENIZER, LanguageGuess
from crossgraph.encoders.language_guess import WEIGHTS as STUDENT
from crossgraph.encoders.names import resolve
from crossgraph.encoders.pieces import read_pieces
from crossgraph.encoders.text import MAX_WORDS, MINILM
from crossgraph.encoders.understanding import Understanding
from crossgraph.encoders.word_pieces import NETWORK
from crossgraph.errors import CrossgraphError
from crossgraph.gallery.stages.cascade_manifest import CascadeManifest, Part
from crossgraph.quick.dual_encoder import QuickDualEncoder
from crossgraph.quick.english import QuickEnglish
from crossgraph.quick.student import QuickStudent

MANIFEST, WEIGHTS = "manifest.json", "weights.safetensors"  # as in training.checkpoint, which needs torch


@dataclass(frozen=True)
class Languages:
    """What tells English from the languages that were taught beside it, what reads those, and their scripts."""

    guess: LanguageGuess
    student: QuickStudent
    taught: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path, *, max_words: int) -> Languages:
        """Those in a folder of `encoders.polyglot`."""
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        with safe_open(folder / STUDENT, framework="numpy") as tensors:
            weights = tensors.get_tensor(GUESS)
        names = tuple(config["languages"])
        scripts = {name: tuple(config["scripts"][name]) for name in names}
        taught = tuple(dict.fromkeys(script for name in names for script in scripts[name]))
        guess = LanguageGuess(names, tuple(scripts[name] for name in names), weights)
        student = QuickStudent(folder / TOKENIZER, folder / STUDENT, max_words=max_words)
        return cls(guess, student, taught)


@dataclass(frozen=True)
class QuickReader:
    """Reads sentences for the dense stage of a cascade, in the languages that it knows.

    `shares` are, of each run that reads the query, the shares of its training captions with letters of each script;
    `files` are those that what is read here hangs on.
    """

    english: QuickEnglish
    dense: QuickDualEncoder
    languages: Languages | None
    shares: tuple[Mapping[str, float], ...]
    files: tuple[Path, ...]

    @classmethod
    def open(cls, folder: Path, manifest: CascadeManifest) -> QuickReader | None:
        """The reader of the cascade in `folder`; None where its sentences are not read by MiniLM and a dual encoder."""
        try:
            return cls._open(folder, manifest)
        except (CrossgraphError, OSError, ValueError, KeyError, TypeError, SafetensorError):
            return None  # whoever loads the whole model says what is wrong with it

    @classmethod
    def _open(cls, folder: Path, manifest: CascadeManifest) -> QuickReader | None:
        if manifest.dense is None or manifest.codes is None or isinstance(manifest.codes, Part):
            return None
        roles = ("dense",) if manifest.rerank is None else ("rerank", "dense")
        told = {role: json.loads((folder / role / MANIFEST).read_text(encoding="utf-8")) for role in roles}
        texts: dict[str, Any] = told["dense"]["text_encoder"]
        if texts.get("name") != MINILM or any(
            one["text_encoder"]["fingerprint"] != texts["fingerprint"] for one in told.values()
        ):
            return None
        if told["dense"]["config"]["texts"].get("trainable"):
            return None
        trained = told["dense"]["config"]
        dense = QuickDualEncoder.open(trained["method"], trained["model"], folder / "dense" / WEIGHTS)
        place = resolve(MINILM, kind="text encoder", download=False).folder
        assert place is not None, "it lies in a package"
        max_words = texts.get("max_words", MAX_WORDS)
        english = QuickEnglish.open(place, max_words=max_words)
        if dense is None or english is None:
            return None
        files = [place / NETWORK, *(folder / role / name for role in roles for name in (MANIFEST, WEIGHTS))]
        languages = None
        if texts["kind"] == "polyglot":
            own = (folder / "dense" / texts["folder"]).resolve()
            languages = Languages.read(own, max_words=max_words)
            files += [own / name for name in FILES]
        elif texts["kind"] != "transformer":
            return None
        shares = tuple(told[role]["data"].get("scripts", {}) for role in roles)
        return cls(english, dense, languages, shares, tuple(files))

    def vector(self, sentence: str) -> Float[np.ndarray, " d"]:
        """The shortlist vector of a sentence."""
        if self.languages is None or self.languages.guess(sentence) == ENGLISH:
            return self.dense.vector(self.english.states(sentence))
        return self.dense.vector(self.languages.student.states(sentence))

    def understanding(self, sentence: str) -> Understanding:
        """What of a sentence is read and known, by every run that reads the query."""
        read = self._read(sentence)
        found, *others = (read.judged_by(shares) for shares in self.shares)
        for other in others:
            found = found.together_with(other)
        return found

    def _read(self, sentence: str) -> Understanding:
        if self.languages is None:
            return self.english.understanding(sentence)
        guess, student = self.languages.guess, self.languages.student
        language = guess(sentence)
        if language == ENGLISH:
            read = self.english.understanding(sentence)
        else:
            read = read_pieces(sentence, student.cutter, max_words=student.max_words)
        return replace(read, language=language, languages=guess.languages, taught=self.languages.taught)
