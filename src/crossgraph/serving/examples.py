"""Examples that stand in the description of the API: a value of each parameter, an answer of each kind."""

from __future__ import annotations

from typing import Any

VERSION = "12-12-3"
ITEM: dict[str, Any] = {
    "id": "3f0a9d2c5b7e8140",
    "name": "IMG_0042.jpg",
    "path": None,
    "width": 4000,
    "height": 3000,
    "bytes": 2_481_152,
    "captions": ["two dogs run along a beach"],
    "labels": ["dog", "beach"],
    "modified": "2024-05-18T16:20:11Z",
    "taken": "2024-05-18T14:20:11Z",
    "notes": {"stars": 5},
    "thumbnail": "/v1/items/3f0a9d2c5b7e8140/thumbnail",
    "picture": "/v1/items/3f0a9d2c5b7e8140/picture",
    "alt": "two dogs run along a beach",
}
OTHER = {
    **ITEM,
    "id": "b81d77e04c2f9a35",
    "name": "IMG_0107.jpg",
    "captions": [],
    "notes": {},
    "thumbnail": "/v1/items/b81d77e04c2f9a35/thumbnail",
    "picture": "/v1/items/b81d77e04c2f9a35/picture",
    "alt": "dog, beach",
}
SEARCH: dict[str, Any] = {
    "query": "two dogs on a beach",
    "kind": "text",
    "target": "images",
    "stage": "rerank",
    "why": "",
    "mode": "best",
    "offset": 0,
    "searched": 7000,
    "compared": {"codes": 7000, "shortlist": 800, "rerank": 50},
    "timings_ms": {"encode": 8.1, "codes": 0.6, "shortlist": 1.9, "rerank": 31.4, "total": 42.3},
    "verdict": "strong",
    "probability": 0.97,
    "weaker_below": 0.31,
    "nothing_below": 0.18,
    "notes": [],
    "version": VERSION,
    "results": [
        {
            "rank": 1,
            "score": 0.57,
            "match": "semantic",
            "caption": None,
            "ranks": {"codes": 4, "shortlist": 2, "rerank": 1},
            "scores": {"codes": 0.72, "shortlist": 0.44, "rerank": 0.57},
            "similar": [],
            "item": ITEM,
        }
    ],
}
JOB: dict[str, Any] = {
    "id": "5b1c07d2a9ee",
    "kind": "sync",
    "state": "running",
    "doing": "indexing",
    "done": 128,
    "total": 640,
    "facts": {"added": 120, "skipped": 8},
    "result": {},
    "error": "",
    "started": "2024-06-01T09:30:00Z",
    "ended": None,
}
GALLERY: dict[str, Any] = {
    "name": "default",
    "pictures": 7000,
    "captions": 35000,
    "version": VERSION,
    "columns": {"width": "number", "label": "text", "date": "time"},
    "manage": False,
    "show_paths": False,
}
HEALTH = {"status": "ready", "phase": "ready", "seconds": 6.2, "seconds_last_time": 5.8}
MODEL: dict[str, Any] = {
    "name": "default",
    "fingerprint": "9c1f03aa7be2d455",
    "bytes": 61_000_000,
    "stages": [
        {
            "role": "shortlist",
            "method": "dual_encoder",
            "images": "efficientnet-lite2",
            "texts": "minilm",
            "parameters": 15_000_000,
            "trained_on": "flickr8k",
            "fingerprint": "9c1f03aa7be2d455",
        }
    ],
    "calibrated_for": ["images"],
    "languages": None,
}
JUDGEMENT = {"at": "2024-06-01T09:30:00+00:00", "query": "two dogs", "item": ITEM["id"], "verdict": "relevant"}
RUN: dict[str, Any] = {"id": "kidrr-0", "name": "kidrr-0", "kind": "run", "method": "kidrr", "seed": 0}
EVALUATION: dict[str, Any] = {"id": "test", "name": "test", "readable": True}

MODELS: dict[str, Any] = {
    "ItemOut": ITEM,
    "ItemsOut": {"total": 7000, "offset": 0, "items": [ITEM], "version": VERSION},
    "SearchOut": SEARCH,
    "UploadOut": {"id": "0c9d4f7ab2e1835606f7d9aa", "width": 1600, "height": 1200, "seconds": 21600},
    "FacetsOut": {
        "among": 7000,
        "kept": 7000,
        "facets": [
            {
                "name": "label",
                "label": "Label",
                "values": [{"choice": "label:dog", "label": "dog", "count": 1311, "chosen": False, "depth": 0}],
                "more": 4,
            }
        ],
    },
    "ExplainOut": {
        "item": ITEM["id"],
        "sentence": "two dogs",
        "method": "kidrr",
        "score": 0.57,
        "explained": None,
        "how": "apart",
        "said": "The numbers say how well each word was found, in the method's own units. They do not add up to the "
        "score.",
        "boxes": [[0.0, 0.0, 0.5, 1.0], [0.5, 0.0, 1.0, 1.0]],
        "words": [
            {"word": "two", "score": 0.2, "contribution": None, "weights": [0.5, 0.5]},
            {"word": "dogs", "score": 0.7, "contribution": None, "weights": [0.9, 0.1]},
        ],
        "matches": [],
        "code": None,
        "notes": [],
        "version": VERSION,
    },
    "CompareOut": {
        "query": "two dogs",
        "first": ITEM,
        "second": OTHER,
        "above": "first",
        "decided": "rerank",
        "stages": [
            {
                "stage": "rerank",
                "first": {"rank": 1, "score": 0.57},
                "second": {"rank": 4, "score": 0.41},
                "ahead": "first",
                "difference": 0.16,
            }
        ],
        "words": [{"word": "dogs", "first": 0.7, "second": 0.5, "difference": 0.2}],
        "nodes": [],
        "unit": "score",
        "blend": None,
        "sentences": ["IMG_0042.jpg stands above IMG_0107.jpg since it was re-ranked."],
        "notes": [],
        "version": VERSION,
    },
    "GalleryOut": GALLERY,
    "StatsOut": {
        "rows": 7000,
        "captions": 35000,
        "annotated": 20,
        "bytes": 48_000_000,
        "fragments": 1,
        "equal": 3,
        "alike": 12,
        "skipped": 1,
        "skipped_reasons": {"the file is empty": 1},
        "removed": 2,
        "unfollowed": 1,
        "unfollowed_reasons": {"no row of the caption file names it": 1},
        "sources": ["Pictures"],
        "method": "kidrr",
        "model": "9c1f03aa7be2d455",
        "optimized_at": None,
        "optimized_saved": None,
        "migrating": False,
    },
    "ModelOut": MODEL,
    "MapOut": {
        "version": VERSION,
        "method": "t-SNE",
        "old": False,
        "groups": [{"name": "dog", "count": 1311}],
        "clusters": [{"name": "beach", "x": 0.41, "y": 0.22, "count": 90}],
        "points": [{"id": ITEM["id"], "x": 0.4182, "y": 0.2203, "group": 0}],
    },
    "JudgementOut": JUDGEMENT,
    "JobOut": JOB,
    "HealthOut": HEALTH,
    "SearchBody": {
        "q": "two dogs on a beach",
        "terms": [{"weight": -0.5, "kind": "text", "value": "ball"}],
        "where": "width >= 800",
        "k": 5,
    },
}
"""By the name of what is answered or sent."""

PARAMETERS: dict[str, Any] = {
    "id": ITEM["id"],
    "item": ITEM["id"],
    "a": ITEM["id"],
    "b": OTHER["id"],
    "like": [ITEM["id"]],
    "dislike": [OTHER["id"]],
    "region": "0.1,0.1;0.6,0.1;0.6,0.5",
    "mode": "best",
    "sort": "score",
    "target": "images",
    "exact": True,
    "rerank": True,
    "fold": True,
    "k": 20,
    "offset": 0,
    "only": "label",
    "most": 12,
    "order": "newest",
    "size": 320,
    "download": False,
    "word": 1,
    "match": 0,
    "If-None-Match": '"1f0c8a9b7d6e5f4031c2b3a4"',
    "Range": "bytes=0-1023",
}
"""By the name of the parameter."""

OF_PATHS: dict[str, str] = {"/v1/jobs": JOB["id"], "/v1/runs": RUN["id"], "/v1/evaluations": EVALUATION["id"]}
"""The `id` of what is below a path that is not of pictures."""

ANSWERS: dict[str, Any] = {
    "/v1/items/{id}/captions": {"application/json": ["two dogs run along a beach", "dogs playing by the sea"]},
    "/v1/runs": {"application/json": [RUN]},
    "/v1/runs/{id}": {"application/json": {**RUN, "validation": {}, "steps": {}, "settings": {"method": "kidrr"}}},
    "/v1/evaluations": {"application/json": [EVALUATION]},
    "/v1/evaluations/{id}": {"application/json": {"id": "test", "name": "test", "kind": "captions"}},
    "/v1/galleries": {"application/json": [GALLERY]},
    "/v1/models": {"application/json": [MODEL]},
    "/v1/feedback": {"application/json": [JUDGEMENT]},
    "/v1/jobs": {"application/json": [JOB]},
    "/v1/export": {
        "application/json": [{"id": ITEM["id"], "name": ITEM["name"], "width": 4000, "height": 3000}],
        "text/csv": "id,name,width,height\r\n3f0a9d2c5b7e8140,IMG_0042.jpg,4000,3000\r\n",
        "text/plain": "/home/me/Pictures/IMG_0042.jpg\n",
    },
    "/v1/jobs/{id}/events": {"text/event-stream": 'event: job\ndata: {"id": "5b1c07d2a9ee", ...}\n\n'},
    "/v1/explain.svg": {"image/svg+xml": '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 3"></svg>'},
    "/metrics": {"text/plain": "# TYPE crossgraph_ready gauge\ncrossgraph_ready 1.0\n"},
}
"""By path and media type, where what is answered has no name of its own, or is a list."""
