"""What a tokenizer is, in our own words: its vocabulary, how it joins pieces, and what it does to a text of ours.

Not its file: libraries add keys, rename classes and write merges in other ways from version to version. Every stage is
asked about `PROBE`, which holds what tokenizers differ in, so that a lower-casing, a rule of splitting or a special
token that is other than before shows, however it is written down.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

PROBE = (
    "Two dogs' T-shirts, 3.50 each!",
    "Café naïve FAÇADE Ångström",
    "cafe\u0301 \ufb01sh \u2161",
    "一只狗 跑 ひと 개",
    "  tabs\tand   spaces\nlines ",
    "unbelievably antidisestablishmentarianism 1234567",
    "e-mail @user #tag a_b <s> [CLS] </s> “quoted” – dash…",
    "Straße İstanbul \u0635\u0648\u0631\u0629 \U0001f415",
)


def tokenizer_identity(tokenizer: Any, *, limit: int) -> dict[str, str]:
    """Hashes of the vocabulary, of merges or scores, and of what each stage makes of `PROBE`; the kind of model.

    `tokenizer` is a fast one of transformers, which is used as encoding uses it: cut to `limit` tokens.
    """
    backend = tokenizer.backend_tokenizer
    model = json.loads(backend.to_str())["model"]
    return {
        "kind": str(model["type"]),
        "vocabulary": _digest(sorted((number, piece) for piece, number in tokenizer.get_vocab().items())),
        "pieces": _digest(_pieces(model)),
        "probe": _digest([_stages(tokenizer, text, limit=limit) for text in PROBE]),
    }


def _pieces(model: dict[str, Any]) -> list[Any]:
    """Merges in their order as pairs, which files also hold as one text with a blank; or pieces with their scores."""
    if "merges" in model:
        return [merge.split(" ") if isinstance(merge, str) else list(merge) for merge in model["merges"]]
    return [list(piece) for piece in model["vocab"]] if isinstance(model["vocab"], list) else []


def _stages(tokenizer: Any, text: str, *, limit: int) -> list[Any]:
    backend = tokenizer.backend_tokenizer
    normal = text if backend.normalizer is None else backend.normalizer.normalize_str(text)
    words = (
        [] if backend.pre_tokenizer is None else [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(normal)]
    )
    tokens = tokenizer(text, truncation=True, max_length=limit, return_offsets_mapping=True)
    return [normal, words, list(tokens["input_ids"]), [list(span) for span in tokens["offset_mapping"]]]


def _digest(told: Any) -> str:
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
