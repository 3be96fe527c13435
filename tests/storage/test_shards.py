"""Shards of a gallery in an object store."""

from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.tables.disk_matrix import DiskMatrix
from crossgraph.gallery.upkeep.shards import shard, shard_recall
from tests.gallery.upkeep.test_shards import ASKED, ROWS, with_codes, write
from tests.storage.conftest import address, store_url

__all__ = ["address", "store_url"]

ALL = 10**6


def test_a_gallery_in_an_object_store_is_searched_in_shards_as_in_memory(address: str) -> None:
    model = with_codes()
    gallery = Gallery.create(address, model)
    with gallery.changing():
        write(gallery, 0, ROWS, seed=0)
    assert {(one.table, one.column) for one in shard(gallery)} >= {("items", "vector"), ("items", "code")}
    whole, disk = (Gallery.open(address, model, memory=memory) for memory in ("whole", "disk"))
    assert isinstance(disk.snapshot().vectors, DiskMatrix)
    for sentence in ASKED:
        found, wanted = (one.search(sentence, SearchOptions(k=20, probe=ALL)) for one in (disk, whole))
        assert [(one.id, one.score) for one in found.results] == [(one.id, one.score) for one in wanted.results]
    assert {one.recall_10 for one in shard_recall(disk, queries=5, probes=[ALL])} == {1.0}
