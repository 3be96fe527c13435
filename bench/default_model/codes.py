"""How much of a dense search codes keep: random planes, learned planes and hashing runs, by number of bits.

    python bench/default_model/codes.py --model DENSE_RUN --data DATA [--split val] [--hash RUN ...] [--bits 64 128 256]

Learned planes are fitted on the train split: `itq`, and `pca`, the first principal directions not rotated. The gallery
is every picture of the train split and of `--split`; queries are the captions of `--split`. Candidates are the nearest
by Hamming distance, ties settled by expectation: of those at the last distance that fits, each is among them with equal
probability. Printed are, in percent: how often the picture of a caption is among the first 10, 50, 100 and 1,000
candidates, beside the dense vectors themselves; and which share of the first 10 by dense vectors is among so many
candidates. "itq, sides apart" has a centre for pictures and one for captions, so that sums of both would have no code;
crossgraph has one centre half-way. `--json` writes the numbers to a file too.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn.functional import normalize

from crossgraph.bits import pack_array
from crossgraph.data.corpus import Corpus
from crossgraph.data.sources import open_corpus
from crossgraph.evaluation.markdown import markdown_table
from crossgraph.gallery.stages.code_index import hamming
from crossgraph.gallery.stages.codes import LearnedPlanes, Quantisation, RandomPlanes
from crossgraph.gallery.stages.quantisation import (
    MOST_ROWS,
    fit_quantisation,
    learn_planes,
    principal_directions,
)
from crossgraph.progress_bars import choose_progress
from crossgraph.training.model import TrainedModel
from crossgraph.verbs import load_model

CANDIDATES = (10, 50, 100, 1000)
NEAR = 10
BLOCK = 256


@dataclass(frozen=True)
class Encoded:
    """Pictures and captions by one run: vectors, codes where it gives them, and whose caption each is."""

    images: Float[Tensor, "n d"]
    texts: Float[Tensor, "m d"]
    owners: Int[Tensor, " m"]
    image_codes: UInt8[Tensor, "n bytes"] | None
    text_codes: UInt8[Tensor, "m bytes"] | None


@dataclass(frozen=True)
class Row:
    """One way to find candidates: for each of `CANDIDATES`, percent of the owners and of the dense best among them."""

    codes: str
    bits: int
    own: list[float]
    kept: list[float]


def encode(model: TrainedModel, corpus: Corpus) -> Encoded:
    """All of one split; every picture must be readable."""
    progress = choose_progress()
    images = model.encode_corpus_images(corpus, progress=progress)
    if images.skipped:
        raise SystemExit(f"{len(images.skipped)} pictures cannot be read, {images.skipped[0]}; mend the data.")
    texts = model.encode_corpus_texts(corpus, progress=progress)
    vectors = images.encoded.embedding.float().cpu(), texts.embedding.float().cpu()
    return Encoded(*vectors, torch.tensor(corpus.caption_image), images.encoded.code, texts.code)


def among_first(scores: Float[Tensor, "q n"], wanted: Int[Tensor, "q w"]) -> list[float]:
    """For each of `CANDIDATES` the probability, in percent, that a wanted row is among so many; a mean over all.

    Of those that tie with it, each is as likely before as after.
    """
    sums = torch.zeros(len(CANDIDATES), dtype=torch.float64)
    for start in range(0, len(scores), BLOCK):
        block, rows = scores[start : start + BLOCK], wanted[start : start + BLOCK]
        for column in rows.T:
            own = block.gather(1, column[:, None])
            better, equal = (block > own).sum(1).double(), (block == own).sum(1).double()
            sums += torch.stack([((k - better) / equal).clamp(0, 1).sum() for k in CANDIDATES])
    return (100 * sums / wanted.numel()).tolist()


def by_distance(queries: UInt8[np.ndarray, "q bytes"], gallery: UInt8[np.ndarray, "n bytes"]) -> Float[Tensor, "q n"]:
    """Less distance is a higher score."""
    return torch.from_numpy(-np.stack([hamming(gallery, query) for query in queries]).astype(np.float32))


def measured(
    name: str, bits: int, scores: Sequence[Float[Tensor, "q n"]], owners: Int[Tensor, " q"], near: Int[Tensor, "q near"]
) -> Row:
    """The numbers of one way to find candidates, means over some `scores`."""
    own, kept = (
        torch.tensor([among_first(one, wanted) for one in scores], dtype=torch.float64).mean(0).tolist()
        for wanted in (owners[:, None], near)
    )
    return Row(name, bits, own, kept)


def print_table(rows: Sequence[Row]) -> None:
    """Print one line a row."""
    headings = ["codes", "bits", *(f"own in {k:,}" for k in CANDIDATES), *(f"top {NEAR} in {k:,}" for k in CANDIDATES)]
    lines = [[row.codes, str(row.bits or ""), *(f"{share:.1f}" for share in (*row.own, *row.kept))] for row in rows]
    print(markdown_table(headings, lines))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="the dense run")
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--hash", nargs="+", default=[], metavar="RUN", help="hashing runs")
    parser.add_argument("--bits", type=int, nargs="+", default=[64, 128, 256, 512])
    parser.add_argument("--seeds", type=int, default=3, help="random planes are a mean over so many")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to this file too")
    asked = parser.parse_args()
    model, corpus = load_model(asked.model, device=asked.device), open_corpus(asked.data)
    split, train = model.split_of(corpus, asked.split), model.split_of(corpus, "train")
    queries, learned_of = encode(model, split), encode(model, train)
    images = torch.cat([queries.images, learned_of.images])
    cosines = queries.texts @ images.T
    near = cosines.topk(min(NEAR, len(images)), dim=1).indices
    rows = [measured("dense vectors", 0, [cosines], queries.owners, near)]
    for bits in asked.bits:
        random = [RandomPlanes(bits, images.shape[1], seed) for seed in range(asked.seeds)]
        learned = LearnedPlanes(fit_quantisation([learned_of.images, learned_of.texts], bits=bits))
        principal = LearnedPlanes(principal_quantisation(learned_of, bits))
        for name, planes in (("random planes", random), ("pca", [principal]), ("itq", [learned])):
            scores = [scores_of(one, queries.texts, images) for one in planes]
            rows.append(measured(name, bits, scores, queries.owners, near))
        rows.append(
            measured("itq, sides apart", bits, [apart(learned_of, queries, images, bits)], queries.owners, near)
        )
    for run in asked.hash:
        hashing = load_model(run, device=asked.device)
        bits, scores_of_run = by_run(hashing, split, train)
        rows.append(measured(f"{hashing.method.name}, {Path(run).name}", bits, [scores_of_run], queries.owners, near))
    print(
        f"{asked.model}: {len(queries.texts):,} captions of {asked.split}, {len(images):,} pictures, vectors of "
        f"{images.shape[1]}; random planes: mean of {asked.seeds} seeds.\n"
    )
    print_table(rows)
    if asked.json is not None:
        said = {name: str(value) if isinstance(value, Path) else value for name, value in vars(asked).items()}
        asked.json.write_text(
            json.dumps({"asked": said, "candidates": CANDIDATES, "rows": [asdict(row) for row in rows]}, indent=1),
            encoding="utf-8",
        )


def scores_of(
    planes: RandomPlanes | LearnedPlanes, texts: Float[Tensor, "q d"], images: Float[Tensor, "n d"]
) -> Float[Tensor, "q n"]:
    """The scores of captions with pictures by the codes of planes."""
    return by_distance(planes.codes_of_vectors(texts.numpy()), planes.codes_of_vectors(images.numpy()))


def principal_quantisation(learned_of: Encoded, bits: int) -> Quantisation:
    """The first principal directions as planes, about the centre that `itq` has; as many bits as there are directions
    where fewer."""
    sides = [normalize(side, dim=1) for side in (learned_of.images, learned_of.texts)]
    centre = torch.stack([side.mean(0) for side in sides]).mean(0)
    rows = torch.cat([(side - centre) / len(side) ** 0.5 for side in sides])
    return Quantisation(centre.numpy(), principal_directions(rows)[:, :bits].float().numpy())


def apart(learned_of: Encoded, queries: Encoded, images: Float[Tensor, "n d"], bits: int) -> Float[Tensor, "q n"]:
    """Scores by planes learned of pictures and captions about a centre of their own each."""
    sides = [normalize(side, dim=1) for side in (learned_of.images, learned_of.texts)]
    centres = [side.mean(0) for side in sides]
    drawn = [side[torch.randperm(len(side), generator=torch.Generator().manual_seed(0))[:MOST_ROWS]] for side in sides]
    about = [side - centre for side, centre in zip(drawn, centres, strict=True)]
    planes = learn_planes(about, bits, torch.Generator().manual_seed(0))
    pictures, captions = (
        pack_array(((normalize(vectors, dim=1) - centre) @ planes > 0).numpy())
        for vectors, centre in zip((images, queries.texts), centres, strict=True)
    )
    return by_distance(captions, pictures)


def by_run(model: TrainedModel, split: Corpus, train: Corpus) -> tuple[int, Float[Tensor, "q n"]]:
    """How many bits the codes of a hashing run have, and the scores of captions with pictures by them."""
    queries, others = encode(model, split), encode(model, train)
    if queries.text_codes is None or queries.image_codes is None or others.image_codes is None:
        raise SystemExit(f"{model.run} ({model.method.name}) gives no codes; name a hashing run.")
    gallery = torch.cat([queries.image_codes, others.image_codes]).cpu().numpy()
    return queries.images.shape[1], by_distance(queries.text_codes.cpu().numpy(), gallery)


if __name__ == "__main__":
    main()
