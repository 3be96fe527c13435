"""Sentences in other languages: text-to-image recall in English, German and Chinese over the same pictures.

    python bench/default_model/languages.py --model RUN --data flickr8k [--json FILE]

`--data` holds `captions.jsonl` (English), `captions_de_zh.jsonl` (for the same pictures, keys `de` and `zh`) and
`images/`. Split val. Each caption is one query, its own picture alone is
relevant. First over the pictures that have sentences in every language, then for each language over all of its own. The
last column is R@10 over that of English on the same pictures.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from command_line import add_rerank, options_of, print_table, write_numbers
from dense_search import Pictures, ratio, recalls

from crossgraph.verbs import load_search_model

Sentences = dict[str, dict[str, list[str]]]
"""By picture, then by language."""


def read_sentences(folder: Path, split: str) -> Sentences:
    """The sentences of one split in every language there is."""
    found: Sentences = {}
    for name in ("captions.jsonl", "captions_de_zh.jsonl"):
        for line in (folder / name).read_text(encoding="utf-8").splitlines():
            said = json.loads(line)
            if said["split"] == split:
                of_image = found.setdefault(said["image"], {})
                of_image.update({"en": said["captions"]} if "captions" in said else {})
                of_image.update({key: said[key] for key in ("de", "zh") if said.get(key)})
    return found


def main() -> None:
    """Print one row a language and set of pictures."""
    options = options_of(__doc__, data="Flickr8k's folder")
    options.add_argument("--split", default="val")
    add_rerank(options)
    asked = options.parse_args()
    model = load_search_model(asked.model, device=asked.device)
    sentences = read_sentences(asked.data, asked.split)
    languages = ("en", "de", "zh")
    common = [name for name, of_image in sentences.items() if all(language in of_image for language in languages)]
    headings = ["pictures", "language", "queries", "R@1", "R@5", "R@10", "R@10 of English"]
    rows: list[list[str | int | float]] = []
    for images, asked_in in ((common, languages), (list(sentences), ("en", "zh"))):
        pictures = Pictures(model, [asked.data / "images" / name for name in images], rerank=asked.rerank)
        english = 0.0
        for language in asked_in:
            pairs = [(row, text) for row, name in enumerate(images) for text in sentences[name].get(language, ())]
            relevant = torch.tensor([row for row, _ in pairs])[:, None] == torch.arange(len(images))
            found = recalls(pictures.scores([text for _, text in pairs]), relevant)
            english = found[-1] if language == "en" else english
            rows.append([len(images), language, len(pairs), *found, ratio(found[-1], english)])
    print_table(headings, rows, title=f"{asked.model}: text-to-image recall, split {asked.split}.")
    write_numbers(asked.json, asked, {"rows": [dict(zip(headings, row, strict=True)) for row in rows]})


if __name__ == "__main__":
    main()
