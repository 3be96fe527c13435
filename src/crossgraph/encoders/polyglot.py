"""Sentences in several languages as the states of one frozen English model: English by the model, others by a student.

    FOLDER/config.json          languages, their scripts, sizes, and which English model the student imitates
    FOLDER/tokenizer.json       its pieces of words
    FOLDER/student.safetensors  its weights, and those of the guess of languages, in half precision

A student is taught by `crossgraph teach` (`training.teaching`). Whatever reads the English model's states reads these.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from crossgraph.encoders.fingerprint import encoder_fingerprint
from crossgraph.encoders.language_guess import CONFIG, ENGLISH, GUESS, TOKENIZER, WEIGHTS, LanguageGuess
from crossgraph.encoders.pieces import PieceCutter, read_pieces
from crossgraph.encoders.student import PieceBatch, Student, StudentConfig
from crossgraph.encoders.text import MAX_WORDS, TextEncoder, TextFeatures
from crossgraph.encoders.understanding import Understanding
from crossgraph.errors import ModelError
from crossgraph.files import write_atomically
from crossgraph.layers.pooling import masked_mean

BATCH = 64


class PolyglotConfig(BaseModel):
    """What a folder of taught languages is: `english` is the fingerprint of the model that the student imitates."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    english: str
    languages: tuple[str, ...]
    scripts: dict[str, tuple[str, ...]]
    student: StudentConfig
    taught: dict[str, Any] = {}
    """How it was taught, for people: seed, epoch, recalls."""


class PolyglotTextEncoder(TextEncoder):
    """English sentences as `english` encodes them, those in the languages of `folder` by the student there.

    A sentence in any other language is read as English. Raises `ModelError` where the folder is incomplete, or was
    taught for another English model.
    """

    def __init__(self, english: TextEncoder, folder: Path, *, max_words: int = MAX_WORDS, device: str = "cpu") -> None:
        config = read_polyglot_config(folder)
        if config.english != english.fingerprint:
            raise ModelError(
                f"the languages in {folder} were taught for text encoder {config.english}, but here is "
                f"{english.name!r} with {english.fingerprint}. Install the same weights, or teach them again."
            )
        self.english, self.config, self.folder = english, config, folder
        self.name, self.max_words = "polyglot", max_words
        self.vocabulary_size, self.state_width, self.whole_width = 0, english.state_width, english.state_width
        self.device = torch.device(device)
        self.cutter = PieceCutter.read(folder / TOKENIZER)
        weights = _read_weights(folder / WEIGHTS)
        guess = weights.pop(GUESS)
        self.guess = LanguageGuess(
            config.languages, tuple(config.scripts[one] for one in config.languages), guess.numpy()
        )
        self.student = Student(config.student).requires_grad_(False).eval()
        try:
            self.student.load_state_dict({name: value.float() for name, value in weights.items()})
        except RuntimeError as error:
            raise ModelError(f"{folder / WEIGHTS} does not fit {CONFIG}; teach the languages again.") from error
        self.student.to(self.device)
        settings = {
            "english": english.fingerprint,
            "max_words": max_words,
            "languages": list(config.languages),
            "scripts": {language: list(scripts) for language, scripts in config.scripts.items()},
            "student": config.student.model_dump(),
            "pieces": json.loads(self.cutter.text())["model"]["vocab"],
        }
        self.fingerprint = encoder_fingerprint("polyglot", settings, [guess, *weights.values()])

    @property
    def languages(self) -> tuple[str, ...]:
        """English, then those that were taught."""
        return self.config.languages

    def language_of(self, sentence: str) -> str:
        """The language that a sentence is read in."""
        return self.guess(sentence)

    def reader_of(self, sentence: str) -> TextEncoder:
        """The English model for English, so that what it encoded once need not be encoded again."""
        return self.english if self.guess(sentence) == ENGLISH else self

    def encode(self, captions: Sequence[str]) -> list[TextFeatures]:
        """One state per word of each caption, and their mean as the whole, from whichever of the two reads it."""
        english = [row for row, caption in enumerate(captions) if self.guess(caption) == ENGLISH]
        found = dict(zip(english, self.english.encode([captions[row] for row in english]), strict=True))
        others = sorted(set(range(len(captions))) - found.keys(), key=lambda row: len(captions[row]))
        for start in range(0, len(others), BATCH):
            rows = others[start : start + BATCH]
            found.update(zip(rows, self._encode_batch([captions[row] for row in rows]), strict=True))
        return [found[row] for row in range(len(captions))]

    @torch.inference_mode()
    def _encode_batch(self, captions: list[str]) -> list[TextFeatures]:
        sentences = [self.cutter.cut(caption, max_words=self.max_words)[0] for caption in captions]
        states, mask = self.student(PieceBatch.of(sentences).to(self.device))
        wholes = masked_mean(states, mask).to(torch.float16).cpu().numpy()
        halves = states.to(torch.float16).cpu().numpy()
        return [
            TextFeatures(one.words, states=np.ascontiguousarray(halves[row, : len(one.words)]), whole=wholes[row])
            for row, one in enumerate(sentences)
        ]

    def understanding(self, text: str) -> Understanding:
        """What of a text is read, in its language; a word is unknown that has a character which no piece has."""
        language = self.guess(text)
        if language == ENGLISH:
            read = self.english.understanding(text)
        else:
            read = read_pieces(text, self.cutter, max_words=self.max_words)
        taught = tuple(dict.fromkeys(script for one in self.languages for script in self.config.scripts[one]))
        return replace(read, language=language, languages=self.languages, taught=taught)

    def describe(self) -> dict[str, object]:
        """The English model's name, the folder beside it (hints both) and the languages."""
        return {
            "kind": "polyglot",
            "name": self.english.describe()["name"],
            "folder": str(self.folder),
            "languages": list(self.languages),
            "max_words": self.max_words,
            "fingerprint": self.fingerprint,
        }


def read_polyglot_config(folder: Path) -> PolyglotConfig:
    """The settings of the languages in `folder`; raises `ModelError` where there are none, or damaged ones."""
    try:
        return PolyglotConfig.model_validate_json((folder / CONFIG).read_bytes())
    except FileNotFoundError:
        raise ModelError(f"{folder} holds no taught languages: it has no {CONFIG}. Copy the whole run.") from None
    except (OSError, ValidationError) as error:
        raise ModelError(f"{folder / CONFIG} cannot be read: {error}. Teach the languages again.") from error


def write_polyglot(
    folder: Path, config: PolyglotConfig, cutter: PieceCutter, student: Mapping[str, Tensor], guess: LanguageGuess
) -> None:
    """Write what `PolyglotTextEncoder` reads; `student` are its weights."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().cpu().to(torch.float16).contiguous() for name, value in student.items()}
    write_atomically(folder / WEIGHTS, save({**weights, GUESS: torch.from_numpy(guess.weights)}))
    write_atomically(folder / TOKENIZER, cutter.text().encode())
    write_atomically(folder / CONFIG, config.model_dump_json(indent=2).encode())


def _read_weights(file: Path) -> dict[str, Tensor]:
    try:
        with safe_open(file, framework="pt") as tensors:
            found = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{file} cannot be read: {error}. Restore it, or teach the languages again.") from error
    if GUESS not in found:
        raise ModelError(f"{file} lacks {GUESS}; teach the languages again.")
    return found
