"""One case of a prompt's test set: what the model is given, and what must and must not be in its answer."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.core.identity import Caller
from retrieval.passage import Passage
from routing.tier import TierAnswer, TierRequest


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CasePassage(_Strict):
    """A passage of a case."""

    title: str = Field(min_length=1)
    text: str = Field(min_length=1)
    updated: date | None = None


class Case(_Strict):
    """One case. Each entry of `must` holds spellings of which the answer must have one.

    None of `must_not` may be in it. Upper and lower case are the same. `most_words` is for an answer that has
    to be short.
    """

    id: str = Field(pattern=r"^[a-z0-9-]{1,60}$")
    kind: Literal["plain", "not_found", "injection", "conflict", "language"] = "plain"
    question: str = Field(min_length=1)
    passages: tuple[CasePassage, ...] = ()
    must: tuple[tuple[str, ...], ...] = ()
    must_not: tuple[str, ...] = ()
    not_found: bool = False
    most_words: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _asks_for_something(self) -> "Case":
        if self.not_found == bool(self.must):
            raise ValueError("a case says what must be in the answer, or that nothing is found, not both")
        if any(not spellings or not all(spellings) for spellings in self.must):
            raise ValueError("an entry of `must` needs at least one spelling")
        return self

    def request(self, caller: Caller) -> TierRequest:
        """The case as a rung gets it. Its documents exist nowhere, so nobody's access is touched."""
        passages = tuple(self._passage(n, passage) for n, passage in enumerate(self.passages))
        return TierRequest(self.question, self.question, passages, caller)

    def _passage(self, n: int, passage: CasePassage) -> Passage:
        updated = passage.updated
        return Passage(
            chunk_id=f"test:{self.id}:{n}",
            document_id=f"test:{self.id}:{n}",
            title=passage.title,
            heading_path=(),
            text=passage.text,
            start=0,
            end=len(passage.text),
            source="test set",
            url=None,
            author=None,
            updated_at=datetime(updated.year, updated.month, updated.day, tzinfo=UTC) if updated else None,
            score=1.0,
            dense_score=1.0,
        )


def failures_of(case: Case, said: TierAnswer) -> tuple[str, ...]:
    """The rules of a case that an answer breaks; nothing where it passes."""
    return tuple(_failures(case, said))


def _failures(case: Case, said: TierAnswer) -> Iterator[str]:
    if case.not_found != said.abstained:
        yield "something was answered" if case.not_found else "nothing was answered"
    if not case.not_found and not said.abstained:
        for spellings in case.must:
            if not holds_any(spellings, said.text):
                yield f"it does not say {' or '.join(spellings)}"
    if case.most_words is not None and len(said.text.split()) > case.most_words:
        yield f"it says more than {case.most_words} words"
    for word in case.must_not:
        if holds_any((word,), said.text):
            yield f"it says {word}"


def holds_any(spellings: tuple[str, ...], text: str) -> bool:
    """Whether a text holds one of the spellings, upper and lower case being the same."""
    plain = " ".join(text.casefold().split())
    return any(" ".join(spelling.casefold().split()) in plain for spelling in spellings)
