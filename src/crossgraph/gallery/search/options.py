"""What a search is asked for besides its query: one set of options for the command line, Python and whatever else asks.

Names, defaults, limits and what is said of each stand here and nowhere else.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, ValidationError, model_validator

from crossgraph.errors import ConfigError, unknown_name
from crossgraph.gallery.stages.modes import DEFAULT, MODES, Mode

Target: TypeAlias = Literal["images", "captions"]
Sort: TypeAlias = Literal["score", "name", "date"]


class SearchOptions(BaseModel):
    """How many answers, of what, in which order, and for how much work. Raises `ConfigError` for what cannot be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    k: int = Field(10, ge=1, description="How many answers.")
    mode: str = Field(
        DEFAULT, description="How much work: fast, balanced or best.", json_schema_extra={"enum": list(MODES)}
    )
    candidates: int | None = Field(
        None, ge=0, description="How many the codes hand on, instead of the mode's number; 0: they answer alone."
    )
    shortlist: int | None = Field(None, ge=1, description="How many are re-ranked, instead of the mode's number.")
    probe: int | None = Field(
        None, ge=1, description="Lists of every shard to look into, of a gallery on disk; else a sixteenth."
    )
    rerank: bool = Field(True, description="Order candidates by the fine score.")
    target: Target = Field("images", description="What answers: pictures, or their captions.")
    exact: bool = Field(True, description="Put the very caption, tag or file name first.")
    offset: int = Field(0, ge=0, description="Pass over so many answers.")
    sort: Sort = Field("score", description="The order of the answers given.")
    where: str | None = Field(
        None, description="Only pictures that fit, as in \"date > '2024-01-01' and label = 'Airport'\"."
    )
    among: tuple[str, ...] | None = Field(
        None, description="Only the pictures with these ids, of those that are there."
    )
    fold: bool = Field(False, description="Show pictures that look alike as one answer, or each by itself.")

    @property
    def work(self) -> Mode:
        """How many each stage hands to the next: the mode, with the numbers that were given."""
        mode = MODES[self.mode]
        shortlist = mode.shortlist if self.shortlist is None else self.shortlist
        return Mode(
            candidates=mode.candidates if self.candidates is None else self.candidates,
            shortlist=shortlist if self.rerank else None,
        )

    @property
    def off(self) -> str:
        """Why these options do not re-rank; empty if they do."""
        if not self.rerank:
            return "re-ranking was turned off"
        return "" if self.work.shortlist else f"mode {self.mode} does not re-rank"

    @model_validator(mode="wrap")
    @classmethod
    def _refused_plainly(cls, values: Any, check: ModelWrapValidatorHandler[SearchOptions]) -> SearchOptions:
        try:
            found = check(values)
        except ValidationError as error:
            raise ConfigError(" ".join(_problem(item) for item in error.errors())) from None
        if found.mode not in MODES:
            raise ConfigError(unknown_name("mode", found.mode, MODES))
        return found


def _problem(item: Any) -> str:
    """One thing that is wrong with the options, as a sentence."""
    name, got, limits = ".".join(map(str, item["loc"])) or "the options", item["input"], item.get("ctx", {})
    match item["type"]:
        case "extra_forbidden":
            return unknown_name("search option", name, SearchOptions.model_fields)
        case "literal_error":
            return unknown_name(name, str(got), limits["expected"].replace("'", "").replace(" or ", ", ").split(", "))
        case "greater_than_equal":
            return f"{name} must be at least {limits['ge']}, got {got}."
    return f"{name}: {item['msg'][0].lower()}{item['msg'][1:]}, got {got!r}."
