"""What a trial asks: the cases of a test set, and past questions as their askers would ask them now."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from app.core.identity import Caller
from retrieval.passage import Passage
from routing.adapters.choice import MayReadAll
from routing.adapters.learning.examples import CallerOf, normalised
from routing.adapters.learning.judging import token_f1
from routing.adapters.learning.past import Past, PastAnswer
from routing.catalogue.cases import Case, failures_of
from routing.citation import without_marks
from routing.tier import TierAnswer, TierRequest, Turn

Kind = Literal["test", "past"]

SearchAs = Callable[[Caller, str], tuple[Passage, ...]]
"""Finds passages again, as this caller."""

_MOST_LOOKED_AT = 2_000
"""Older questions than the newest this many are not asked again."""

Judgement = tuple[float | None, str]
"""How good an answer is, from 0 to 1, nothing where nobody can tell; and what was wrong with it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of a trial. `judge` is given the answer, or nothing and why there is none. `is_rated` says
    whether a past question's answer can be judged."""

    id: str
    kind: Kind
    request: TierRequest
    judge: Callable[[TierAnswer | None, str], Judgement]
    is_rated: bool


@dataclass(frozen=True, slots=True)
class PastQuestions:
    """Past questions to ask again, and how many were passed over as their asker may not read all now."""

    asked: tuple[Asked, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Askers:
    """Whom past questions are asked as, and what they may read."""

    caller_of: CallerOf
    may_read_all: MayReadAll
    search_as: SearchAs | None = None


def of_tests(cases: Sequence[Case], caller: Caller) -> tuple[Asked, ...]:
    """Every case, to be judged by its rules."""
    return tuple(
        Asked(case.id, "test", case.request(caller), partial(_by_rules, case), is_rated=True)
        for case in cases
    )


def of_past(past: Past, workspace_id: str, limit: int, askers: Askers) -> PastQuestions:
    """The newest past questions, each once; first those with an answer that somebody accepted, since only
    they tell how good an answer is."""
    chosen: list[Asked] = []
    left_out = 0
    for answer in _accepted_first(_once(past.newest(workspace_id))):
        if len(chosen) == limit:
            break
        request = _request(answer, askers)
        if request is None:
            left_out += 1
            continue
        judge = partial(_by_agreement, answer)
        chosen.append(Asked(answer.question.id, "past", request, judge, is_rated=answer.accepted))
    return PastQuestions(tuple(chosen), left_out)


def agreement(past: PastAnswer, said: TierAnswer | None) -> float:
    """How far an answer agrees with the one people accepted, from 0 to 1: the words in common (F1); where
    nothing was to be found, that nothing was."""
    if said is None:
        return 0.0
    if past.abstained or said.abstained:
        return 1.0 if past.abstained == said.abstained else 0.0
    return token_f1(without_marks(said.text), without_marks(past.question.answer))


def _by_rules(case: Case, said: TierAnswer | None, problem: str) -> Judgement:
    broken = failures_of(case, said) if said is not None else (problem,)
    return (0.0 if broken else 1.0), "; ".join(broken)


def _by_agreement(past: PastAnswer, said: TierAnswer | None, problem: str) -> Judgement:
    return (agreement(past, said) if past.accepted else None), problem


def _once(answers: Iterator[PastAnswer]) -> Iterator[PastAnswer]:
    seen: set[str] = set()
    for looked_at, answer in enumerate(answers):
        if looked_at == _MOST_LOOKED_AT:
            return
        same = normalised(answer.question.standalone)
        if same and same not in seen:
            seen.add(same)
            yield answer


def _accepted_first(answers: Iterator[PastAnswer]) -> Iterator[PastAnswer]:
    others = []
    for answer in answers:
        if answer.accepted:
            yield answer
        else:
            others.append(answer)
    yield from others


def _request(past: PastAnswer, askers: Askers) -> TierRequest | None:
    """The question as its asker would ask it now; nothing where they may no longer read all of it."""
    question = past.question
    caller = askers.caller_of(question.user_id)
    documents = {p.document_id for q in (question, *past.before) for p in q.passages}
    if caller is None or (documents and not askers.may_read_all(caller, documents)):
        return None
    return TierRequest(
        question.text,
        question.standalone,
        question.passages,
        caller,
        tuple(Turn(q.text, q.answer) for q in past.before),
        search_again=None if askers.search_as is None else partial(askers.search_as, caller),
    )
