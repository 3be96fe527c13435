"""Requests made from the description of the API, and what of their answers is not as described."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, cast

import hypothesis
import requests
import schemathesis
from PIL import Image
from schemathesis import Case
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

CONFIG = {
    # A sentence that is no filter, or an id that is nobody's, is right by its form and refused all the same.
    "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", 304, 403, 404, 409, 410, 416, 422]}},
}
REAL = 0.7  # of the cases that are right by the description
SENTENCES = ("two dogs", "a red ball", "Käse über der Straße", "\u202eشجرة", "x" * 900)
FILTERS: Sequence[str] = ("width > 100", "label = 'ball'", "stars >= 3 and not place = 'Ulm'")
REGIONS = ("0,0;1,0;1,1;0,1",)
FACETS = ("label", "folder", "size", "note.stars")
CHOICES = ("label:ball", "size:small", "note.place:Ulm")


@dataclass
class Found:
    """What came of the cases of one operation: `cases` of them, by status, and what was wrong, by its kind."""

    cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    failures: dict[str, list[str]] = field(default_factory=dict)

    @property
    def server_errors(self) -> int:
        """Answers of 500 or above."""
        return sum(count for status, count in self.statuses.items() if status >= 500)

    @property
    def violations(self) -> int:
        """Answers that are not as described."""
        return sum(map(len, self.failures.values()))


@dataclass(frozen=True)
class Known:
    """What is there, by what it is called in paths and parameters: `ids` of pictures, of `jobs`, `runs`, uploads."""

    ids: Sequence[str]
    jobs: Sequence[str] = ()
    runs: Sequence[str] = ()
    evaluations: Sequence[str] = ()
    uploads: Sequence[str] = ()
    picture: bytes = b""


def fuzz(url: str, known: Known, *, cases: int, seed: int, only: str | None = None) -> dict[str, Found]:
    """So many cases over all operations of the server at `url`, half of them wrong by the description if they can be.

    An operation that has fewer different cases leaves the rest to the others. The same `seed` makes the same cases.
    """
    schema = schemathesis.openapi.from_url(
        f"{url}/v1/openapi.json", config=SchemathesisConfig.from_dict(CONFIG), timeout=60
    )
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    operations = [one for one in operations if only is None or only in one.label]
    operations.sort(key=lambda one: (len(list(one.iter_parameters())) + 5 * bool(one.body), one.label))
    left, chance = cases, random.Random(seed)
    told: dict[str, Found] = {}
    with requests.Session() as session:
        for place, operation in enumerate(operations):
            found = told[operation.label] = Found()
            share = left // (len(operations) - place)
            for mode in (GenerationMode.NEGATIVE, GenerationMode.POSITIVE):
                wanted = share // 2 if mode is GenerationMode.NEGATIVE else share - found.cases
                _run(operation, mode, max(1, wanted), seed, chance, known, session, found)
            left -= found.cases
    return told


def _run(
    operation: Any,
    mode: GenerationMode,
    most: int,
    seed: int,
    chance: random.Random,
    known: Known,
    session: requests.Session,
    found: Found,
) -> None:
    start = found.cases

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=most,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def one(case: Case[Any]) -> None:
        if found.cases - start >= most:
            return
        if mode is GenerationMode.POSITIVE:
            make_real(case, known, chance)
        if isinstance(case.body, dict) and case.body.get("kind") == "migrate":  # to another model: it takes minutes
            case.body["kind"] = "verify"
        found.cases += 1
        response = case.call(session=session, timeout=60)
        found.statuses[response.status_code] += 1
        for kind in problems(case, response):
            found.failures.setdefault(kind[0], []).append(kind[1])

    try:
        one()
    except hypothesis.errors.Unsatisfiable:
        return  # such as an operation without parameters, of which nothing can be wrong


def problems(case: Case[Any], response: Any) -> Iterable[tuple[str, str]]:
    """What of an answer is not as described: its kind, and how to ask for it again."""
    try:
        case.validate_response(response)
    except FailureGroup as group:
        failures = [one for one in group.exceptions if isinstance(one, Failure)]
    except Failure as failure:
        failures = [failure]
    else:
        failures = []
    told = [
        (one.title, f"{one.message[:600]}\n{case.as_curl_command()[:600]}\n{response.text[:300]}") for one in failures
    ]
    if response.status_code >= 400 and not says_what_to_do(response):
        told.append(("no problem+json", f"{response.headers}\n{response.text[:300]}\n{case.as_curl_command()[:600]}"))
    return told


def says_what_to_do(response: Any) -> bool:
    """Whether an answer of an error is one that the API promises."""
    kind = response.headers.get("content-type", [""])[0]
    if response.request.url.split("?")[0].endswith("/health/ready") and response.status_code == 503:
        return True
    if kind != "application/problem+json":
        return False
    body = response.json()
    named = response.headers.get("x-request-id", [""])[0]
    return bool(body["status"] == response.status_code and body["detail"] and body["request_id"] == named)


def make_real(case: Case[Any], known: Known, chance: random.Random) -> None:
    """Put what is there into most cases that were made up: otherwise nearly all of them ask for nobody."""
    if chance.random() > REAL:
        return
    names = {"/v1/jobs": known.jobs, "/v1/runs": known.runs, "/v1/evaluations": known.evaluations}
    of_path = next((values for start, values in names.items() if case.path.startswith(start)), known.ids)
    if isinstance(case.path_parameters, dict) and "id" in case.path_parameters and of_path:
        case.path_parameters["id"] = chance.choice(of_path)
    if isinstance(case.path_parameters, dict) and "name" in case.path_parameters:
        case.path_parameters["name"] = "default"
    searches = case.path.startswith(("/v1/search", "/v1/compare"))
    if isinstance(case.query, dict):
        if searches and case.method == "GET":
            case.query.setdefault("q", "")
        _make_real(case.query, known, chance)
    if isinstance(case.body, dict):
        if searches:
            case.body.setdefault("q", "")
        _make_real(case.body, known, chance)
        if "picture" in case.body:
            case.body["picture"] = cast(Any, known.picture)


def _make_real(values: dict[str, Any], known: Known, chance: random.Random) -> None:
    terms = [f"0.5:item:{one}" for one in known.ids[:9]] + [f"2:image:{one}" for one in known.uploads]
    alone = {**dict.fromkeys(("a", "b", "item"), known.ids), **dict.fromkeys(("q", "query"), SENTENCES)}
    alone |= {"where": FILTERS, "region": REGIONS, "only": FACETS}
    lists = {**dict.fromkeys(("ids", "like", "dislike"), known.ids), "term": terms, "facet": CHOICES}
    for name, wanted in alone.items():
        if values.get(name) is not None:
            values[name] = chance.choice(wanted)
    for name, wanted in lists.items():
        if isinstance(values.get(name), list):
            values[name] = [chance.choice(wanted) for _ in values[name]]
    for term in values.get("terms") or ():
        if isinstance(term, dict) and term.get("kind", "text") != "text":
            term["value"] = chance.choice(known.ids if term["kind"] == "item" else known.uploads)


def known_of(url: str) -> Known:
    """What is there on a server: every picture, one upload, one job where it may be begun, all runs."""

    def listed(what: str) -> list[str]:
        answer = requests.get(f"{url}/v1/{what}", timeout=60)
        return [one["id"] for one in answer.json()] if answer.ok else []

    kept = BytesIO()
    Image.new("RGB", (40, 30), "red").save(kept, "PNG")
    sent = requests.post(f"{url}/v1/uploads", files={"picture": kept.getvalue()}, timeout=60).json()
    requests.post(f"{url}/v1/jobs", json={"kind": "verify"}, timeout=60)
    ids = [one["id"] for one in requests.get(f"{url}/v1/items?k=200", timeout=60).json()["items"]]
    return Known(ids, listed("jobs"), listed("runs"), listed("evaluations"), [sent["id"]], kept.getvalue())
