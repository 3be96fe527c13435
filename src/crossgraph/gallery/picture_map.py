"""All pictures of a gallery as points of a plane: what the model finds alike lies together.

Positions are t-SNE *(van der Maaten & Hinton 2008; Barnes-Hut 2014)* of at most `LANDMARKS` pictures, by scikit-learn,
over the first 50 principal components of their shortlist vectors, scaled to unit length; every other picture lies among
the landmarks that it is most like. They are computed once and kept in the gallery's folder, by the fingerprint of the
model. A picture that is new finds its place in the same way, so a map stays as people know it; it is old when more than
`OLD` of the pictures came or went since. Its parts are named anew from positions, labels and captions as they are now.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Bool, Float32, Int

from crossgraph.errors import GalleryError
from crossgraph.files import write_atomically
from crossgraph.gallery.search.filters import read_column
from crossgraph.gallery.search.folder_names import FolderNames
from crossgraph.gallery.search.state import State
from crossgraph.gallery.tables.manifest import Manifest
from crossgraph.gallery.tables.snapshot import Snapshot

LANDMARKS = 3000
"""Pictures of which t-SNE is computed: some ten seconds on one core."""

FEWEST = 30  # pictures; fewer are placed by their first two principal components
OLD = 0.2
NEIGHBOURS = 5
COMPONENTS = 50
GROUPS = 10
OTHER = "other"
EVERYWHERE = 1 / 3
"""A label of more than this share of all pictures names only those that none of the other frequent ones names."""
CLUSTER = 60  # landmarks for each cluster that gets a name
CLUSTERS = 14
SAME = 1e-6  # vectors that differ by less have no components
BLOCK = 4096
FORMAT = "1"
_LETTERS = re.compile(r"[^\W\d_]{3,}")
_DULL = frozenset(
    (
        *("and", "are", "for", "from", "has", "have", "her", "his", "into", "its", "near", "next", "not", "off", "one"),
        *(
            "other",
            "out",
            "over",
            "some",
            "that",
            "the",
            "their",
            "them",
            "there",
            "this",
            "two",
            "very",
            "was",
            "with",
        ),
        *("while", "who", "several", "many", "three", "front", "top", "side", "down", "large", "small", "around"),
    )
)


@dataclass(frozen=True)
class Cluster:
    """A part of the map with a name, about `count` pictures around a point."""

    name: str
    x: float
    y: float
    count: int


@dataclass(frozen=True)
class PictureMap:
    """Where each picture lies, in [0, 1] both ways, in order of id; `group` names its colour, one of `groups`.

    A group is the most frequent of a picture's labels, or, in a gallery without labels, its folder; the last may be
    `OTHER`. `old` says that so much changed since the positions were computed that they should be computed again.
    """

    ids: tuple[str, ...]
    x: Float32[np.ndarray, " n"]
    y: Float32[np.ndarray, " n"]
    group: Int[np.ndarray, " n"]
    groups: tuple[str, ...]
    clusters: tuple[Cluster, ...]
    method: str
    old: bool

    def inside(self, polygon: Sequence[tuple[float, float]]) -> tuple[str, ...]:
        """The ids of the pictures within a line that is drawn around them, of at least three points."""
        if len(polygon) < 3:
            raise GalleryError(f"a line around pictures has at least 3 points, got {len(polygon)}.")
        within = np.zeros(len(self.ids), np.bool_)
        for (x1, y1), (x2, y2) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
            if y1 == y2:
                continue
            spans = (self.y < y1) != (self.y < y2)
            within ^= spans & (self.x < (x2 - x1) * (self.y - y1) / (y2 - y1) + x1)
        return tuple(self.ids[row] for row in np.flatnonzero(within).tolist())


def picture_map(state: State) -> PictureMap:
    """The map as it is kept, or, where there is none or an old one, computed, which takes seconds, and kept."""
    found = kept_map(state)
    return compute_map(state) if found is None or found.old else found


def kept_map(state: State) -> PictureMap | None:
    """The map as it is kept, new pictures placed in it and those that are gone left out; None if there is none."""
    stored = _read(map_file(state.folder, state.manifest))
    if stored is None:
        return None
    table, method = stored
    items = state.snapshot.items
    where = pc.index_in(items["id"], table["id"])
    same = pc.equal(items["digest"], table["digest"].take(where))
    known = np.asarray(pc.fill_null(same, False).to_numpy(), np.bool_)
    if not known.any() and len(items):
        return None
    rows = np.asarray(pc.fill_null(where, 0).to_numpy(), np.int64)
    positions = np.zeros((len(items), 2), np.float32)
    positions[known] = np.stack([table["x"].to_numpy(), table["y"].to_numpy()], 1)[rows[known]]
    landmark = known & np.asarray(table["landmark"].to_numpy(), np.bool_)[rows] if len(table) else known
    changed = int((~known).sum()) + len(table) - int(known.sum())
    landmark = landmark if landmark.any() else known
    _place_others(state.snapshot, positions, ~known, landmark)
    return _made(state, positions, landmark, method, old=changed > OLD * max(len(table), 1))


def compute_map(state: State) -> PictureMap:
    """The map computed anew, and kept if the gallery can be written to. The same for the same pictures and model."""
    snapshot, count = state.snapshot, len(state.snapshot.items)
    landmarks = np.sort(np.random.default_rng(0).permutation(count)[:LANDMARKS])
    positions, landmark = np.full((count, 2), 0.5, np.float32), np.zeros(count, np.bool_)
    landmark[landmarks] = True
    method = "t-SNE" if len(landmarks) >= FEWEST else "PCA"
    if count:
        positions[landmarks] = _in_square(_plane(_unit(snapshot, landmarks)))
        _place_others(snapshot, positions, ~landmark, landmark)
    table = pa.table(
        {
            "id": snapshot.items["id"],
            "digest": snapshot.items["digest"],
            "x": positions[:, 0],
            "y": positions[:, 1],
            "landmark": landmark,
        }
    )
    about = {"format": FORMAT, "method": method}
    _write(map_file(state.folder, state.manifest), table.replace_schema_metadata(about))
    return _made(state, positions, landmark, method, old=False)


def map_file(folder: Path, manifest: Manifest) -> Path:
    """Where the map of the gallery in `folder` lies, by the model whose vectors it shows."""
    return folder / f"map-{manifest.shortlist or manifest.model}.parquet"


def _plane(vectors: Float32[np.ndarray, "n d"]) -> Float32[np.ndarray, "n 2"]:
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if float(np.ptp(vectors, axis=0).max()) < SAME:
        return np.zeros((len(vectors), 2), np.float32)
    components = min(COMPONENTS, *vectors.shape)
    reduced = PCA(components, svd_solver="full", random_state=0).fit_transform(vectors.astype(np.float64))
    if len(vectors) < FEWEST:
        plane = np.zeros((len(vectors), 2), np.float32)
        plane[:, : min(2, components)] = reduced[:, :2]
        return plane
    start = reduced[:, :2] / max(float(reduced[:, 0].std()), 1e-12) * 1e-4
    if start.shape[1] < 2:
        start = np.pad(start, ((0, 0), (0, 1)))
    neighbours = min(30.0, (len(vectors) - 1) / 3)
    found = TSNE(2, init=start, perplexity=neighbours, max_iter=500, random_state=0).fit_transform(reduced)
    return np.asarray(found, np.float32)


def _unit(snapshot: Snapshot, rows: Int[np.ndarray, " k"]) -> Float32[np.ndarray, "k d"]:
    vectors = snapshot.vectors[rows.tolist()]
    found: Float32[np.ndarray, "k d"] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return found


def _in_square(plane: Float32[np.ndarray, "n 2"]) -> Float32[np.ndarray, "n 2"]:
    """The same in [0, 1] both ways, in the middle, both axes by one scale."""
    low, high = plane.min(0), plane.max(0)
    found: Float32[np.ndarray, "n 2"] = 0.5 + (plane - (low + high) / 2) / max(float((high - low).max()), 1e-12)
    return found.clip(0, 1).astype(np.float32)


def _place_others(
    snapshot: Snapshot,
    positions: Float32[np.ndarray, "n 2"],
    others: Bool[np.ndarray, " n"],
    landmark: Bool[np.ndarray, " n"],
) -> None:
    """Write the positions of `others`: among the landmarks that each is most like, nearer to the more alike."""
    rows, near = np.flatnonzero(others), np.flatnonzero(landmark)
    if not len(rows) or not len(near):
        return
    known = _unit(snapshot, near)
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        likeness = _unit(snapshot, block) @ known.T
        best = np.argpartition(-likeness, min(NEIGHBOURS, len(near)) - 1, axis=1)[:, :NEIGHBOURS]
        apart = np.maximum(1 - np.take_along_axis(likeness, best, 1), 1e-6)
        weights = 1 / apart**2
        weights /= weights.sum(1, keepdims=True)
        positions[block] = (positions[near[best]] * weights[:, :, None]).sum(1).clip(0, 1)


def _made(
    state: State, positions: Float32[np.ndarray, "n 2"], landmark: Bool[np.ndarray, " n"], method: str, *, old: bool
) -> PictureMap:
    group, groups = _groups(state)
    clusters = _clusters(state.snapshot, positions, np.flatnonzero(landmark))
    ids = tuple(state.snapshot.items["id"].to_pylist())
    return PictureMap(ids, positions[:, 0], positions[:, 1], group, groups, clusters, method, old)


def _groups(state: State) -> tuple[Int[np.ndarray, " n"], tuple[str, ...]]:
    """Of each picture the most frequent of its labels, or its folder, as a place in a list; the rare are `OTHER`.

    What no picture is grouped by, as all that have it have a more frequent one, is not in the list.
    """
    snapshot = state.snapshot
    count = len(snapshot.items)
    lists = snapshot.items["labels"].combine_chunks()
    lists = pa.concat_arrays(lists.chunks) if isinstance(lists, pa.ChunkedArray) else lists
    texts, rows = pc.list_flatten(lists), np.asarray(pc.list_parent_indices(lists).to_numpy(), np.int64)
    if not len(texts):
        names = FolderNames.of(state.manifest.roots, snapshot.items["path"])
        coded = read_column(snapshot, "folder").combine_chunks().dictionary_encode()
        coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
        firsts = [(names.name(one) or "").partition("/")[0] or OTHER for one in coded.dictionary.to_pylist()]
        texts, rows = pa.array(firsts, pa.string()).take(coded.indices), np.arange(count)
    encoded = texts.dictionary_encode()
    codes = np.asarray(encoded.indices.to_numpy(), np.int64)
    times = np.bincount(codes, minlength=len(encoded.dictionary))
    order = np.argsort(-times, kind="stable")[:GROUPS]
    order = order[np.argsort(times[order] > EVERYWHERE * count, kind="stable")]
    rank = np.full(len(times), len(order))
    rank[order] = np.arange(len(order))
    best = np.full(count, len(order))
    np.minimum.at(best, rows, rank[codes])
    named = (*(encoded.dictionary[place].as_py() for place in order.tolist()), OTHER)
    used, group = np.unique(best, return_inverse=True)
    return group, tuple(named[place] for place in used.tolist())


def _clusters(
    snapshot: Snapshot, positions: Float32[np.ndarray, "n 2"], landmarks: Int[np.ndarray, " k"]
) -> tuple[Cluster, ...]:
    """Parts of the map, each named by the label, or the word of captions, that is most above its share elsewhere."""
    count = min(CLUSTERS, len(landmarks) // CLUSTER)
    if count < 2:
        return ()
    from sklearn.cluster import KMeans

    items = snapshot.items.select(["labels", "captions"]).take(pa.array(landmarks))
    words = [set(labels or ()) for labels in items["labels"].to_pylist()]
    if not any(words):
        words = [
            {word for text in texts or () for word in _LETTERS.findall(text.lower()) if word not in _DULL}
            for texts in items["captions"].to_pylist()
        ]
    every = Counter(word for one in words for word in one)
    fitted = KMeans(count, n_init=1, random_state=0).fit(positions[landmarks])
    found, taken = list[Cluster](), set[str]()
    for place in np.argsort(-np.bincount(fitted.labels_, minlength=count), kind="stable").tolist():
        inside = np.flatnonzero(fitted.labels_ == place).tolist()
        here = Counter(word for row in inside for word in words[row])
        share = {
            word: times / len(inside) * np.log((times / len(inside)) / (every[word] / len(words)))
            for word, times in here.items()
            if times > 1 and word not in taken
        }
        best = max(share, key=lambda word: (share[word], word), default="")
        if not best or share[best] <= 0:
            continue
        taken.add(best)
        x, y = np.median(positions[landmarks[inside]], axis=0).tolist()
        pictures = round(len(inside) * len(positions) / len(landmarks))
        found.append(Cluster(best, x, y, pictures))
    return tuple(found)


def _read(file: Path) -> tuple[pa.Table, str] | None:
    """What is kept; None if there is none, or none that this version reads: it is computed again then."""
    try:
        table = pq.read_table(io.BytesIO(file.read_bytes()))
        about = table.schema.metadata or {}
        if about.get(b"format") != FORMAT.encode():
            return None
        return table.select(["id", "digest", "x", "y", "landmark"]), about[b"method"].decode()
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return None


def _write(file: Path, table: pa.Table) -> None:
    content = io.BytesIO()
    pq.write_table(table, content, compression="zstd")
    try:
        write_atomically(file, content.getvalue(), durable=False)
    except OSError:
        return  # a gallery that cannot be written to has a map all the same
