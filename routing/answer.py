"""The use case: a question in, updates out; answered on the cheapest rung that is good enough, stored,
metered.

The browser, the API, the command line and Slack all call `Answerer`; the course of one question is in
`routing.flow`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from app.core.clock import Clock, new_id, utc_now
from app.core.db import Database
from app.core.errors import ConflictError, InputError, TooLargeError
from app.core.identity import Caller
from app.core.usage import Meter
from retrieval.passage import Passage, SearchFilters
from retrieval.search import validate_question
from routing.difficulty import Difficulty, stage1, stage2
from routing.flow import Flow
from routing.history import stored
from routing.history.access import MayRead
from routing.history.feedback import ReasonCode, reason_to_store
from routing.history.records import Records
from routing.parts import Finder, Parts
from routing.policy import OnePolicy, Policies, Room
from routing.policy.evidence.sample import NoSamples, Sampler
from routing.policy.shown.explain import RoutePlan, explain
from routing.question import Asking, AskRequest, standalone_question
from routing.tables import QueryRow
from routing.tier import AUTO, EarlierAnswer, Ladder, Tier, TierRequest, Turn
from routing.updates import RouteUpdate, Update

LONGEST_REASON = 2_000
"""Most characters of a reason given with feedback."""

ASKED_FOR_BETTER = "the asker wanted a better answer"

_INTERRUPTED_AFTER_SECONDS = 900.0
_NO_FILTERS = SearchFilters()


@dataclass(frozen=True, slots=True)
class RoutePreview:
    """How a question would be answered, without answering it. Its `route` has no query id."""

    standalone: str
    passages: tuple[Passage, ...]
    route: RouteUpdate
    stages: tuple[Difficulty, ...]
    plan: RoutePlan


class Answerer:
    """Answers questions for one installation."""

    def __init__(
        self,
        *,
        database: Database,
        searcher: Finder,
        ladder: Ladder,
        meter: Meter,
        may_read_document: MayRead,
        policies: Policies | None = None,
        sampler: Sampler | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self._records = Records(database, clock)
        self._parts = Parts(
            database,
            searcher,
            ladder,
            meter,
            self._records,
            policies or OnePolicy(),
            sampler or NoSamples(),
        )
        self._may_read = may_read_document

    @property
    def ladder(self) -> Ladder:
        return self._parts.ladder

    def ask(self, caller: Caller, request: AskRequest) -> Iterator[Update]:
        """Answers a question, update by update. Errors in the input are raised here, before the first update.

        A reader that leaves early (closes the iterator) changes nothing: the answer is finished, stored and
        metered all the same.

        Raises:
            InputError: the question cannot be used, or `no_such_tier`, `tier_unavailable`.
            NotFoundError: `no_such_conversation`.
        """
        return self.answer(self.prepare(caller, request))

    def prepare(self, caller: Caller, request: AskRequest) -> Asking:
        """Checks a question and writes it down as running. Raises as `ask` does."""
        question = validate_question(request.question)
        self._check_tier(request.tier)
        turns: tuple[Turn, ...] = ()
        if request.conversation_id is not None:
            self._records.own_conversation(caller, request.conversation_id)
            turns = self._turns(caller, request.conversation_id)
        return self._begin(caller, replace(request, question=question), turns)

    def answer(self, asking: Asking) -> Iterator[Update]:
        """Answers a prepared question, to its end even when the iterator is closed early."""
        return _to_the_end(Flow(self._parts, asking).updates())

    def escalate(self, caller: Caller, query_id: str) -> Iterator[Update]:
        """Asks the same question one rung up, in the same conversation.

        Raises:
            NotFoundError: `no_such_query`.
            ConflictError: `no_better_tier`, `still_running`.
            InputError: `tier_unavailable`.
        """
        return self.answer(self.prepare_escalation(caller, query_id))

    def prepare_escalation(self, caller: Caller, query_id: str) -> Asking:
        """Writes the question of an earlier query down again, one rung up. Raises as `escalate` does."""
        row = self._records.own_query(caller, query_id)
        if row.state == "running":
            raise ConflictError(
                "This question is still being answered; wait for its end.", code="still_running"
            )
        better = self.better_tier(row.tier or self.ladder.cheapest.name)
        if better is None:
            raise ConflictError("The best rung has answered this already.", code="no_better_tier")
        self._check_tier(better.name)
        request = AskRequest(row.question, row.conversation_id, better.name, stored.filters(row))
        turns = self._turns(caller, row.conversation_id, before=row.id)
        asking = self._begin(caller, request, turns, escalated_from=row.id)
        return replace(asking, earlier=self._earlier(caller, row))

    def better_tier(self, name: str) -> Tier | None:
        """The rung above, available or not: it says itself why not.

        Nothing at the top, nor for a rung that is no longer in the ladder.
        """
        known = any(tier.name == name for tier in self.ladder.tiers)
        return self.ladder.above(name) if known else None

    def route(self, caller: Caller, question: str, *, filters: SearchFilters = _NO_FILTERS) -> RoutePreview:
        """The difficulty, the rung and the passages of a question, without an answer; nothing is stored or
        charged.

        Raises:
            InputError: the question cannot be used.
        """
        text = validate_question(question)
        found = self._parts.searcher.search(caller, text, filters=filters)
        passages = found.passages
        room, request = Room(self.ladder.ready()), TierRequest(text, text, passages, caller)
        kind = room.usable[0].kind
        first, second = stage1(text, kind, found.vector), stage2(text, text, passages, kind)
        policy = self._parts.policies.of(caller.workspace_id).looking()

        def price_of(tier: Tier) -> int:
            return self._parts.meter.price_of(tier.expected(request))

        decision = policy.start(second, passages, room, self.ladder, price_of)
        route = RouteUpdate("", decision.tier.name, second.probability, second.reasons)
        plan = explain(policy, self.ladder, room.usable, price_of)
        return RoutePreview(text, passages, route, (first, second), plan)

    def feedback(
        self,
        caller: Caller,
        query_id: str,
        good: bool,
        reason: str = "",
        code: ReasonCode | None = None,
    ) -> None:
        """Keeps what the asker thinks of an answer; the last word counts. `code` says why it was bad.

        Raises:
            NotFoundError: `no_such_query`.
            InputError: `code_with_good`, for a good answer that is said to be bad in some way.
            TooLargeError: `reason_too_long`.
        """
        if len(reason) > LONGEST_REASON:
            raise TooLargeError(
                f"Write at most {LONGEST_REASON:,} characters as the reason.", code="reason_too_long"
            )
        if good and code is not None:
            raise InputError("A good answer has no code of what was wrong.", code="code_with_good")
        self._records.feedback(caller, query_id, good, reason_to_store(code, reason))

    def close_interrupted(self, older_than_seconds: float = _INTERRUPTED_AFTER_SECONDS) -> int:
        """At start-up: marks questions as failed whose process died meanwhile; returns how many."""
        return self._records.close_interrupted(older_than_seconds)

    def _check_tier(self, name: str) -> None:
        if name == AUTO:
            return
        tier = self.ladder.get(name)
        if tier.unavailable is not None:
            raise InputError(tier.unavailable, code="tier_unavailable")

    def _begin(
        self,
        caller: Caller,
        request: AskRequest,
        turns: tuple[Turn, ...],
        *,
        escalated_from: str | None = None,
    ) -> Asking:
        query_id = new_id()
        standalone = standalone_question(request.question, turns)
        conversation_id = self._records.begin(caller, query_id, request, escalated_from=escalated_from)
        return Asking(query_id, conversation_id, caller, request, standalone, turns)

    def _earlier(self, caller: Caller, row: QueryRow) -> EarlierAnswer | None:
        """What was answered before; nothing where it cites what the caller may no longer read."""
        cited = self._records.cited_documents([row.id])[row.id]
        if row.state != "finished" or not all(self._may_read(caller, document) for document in cited):
            return None
        return EarlierAnswer(row.tier, row.answer_text, row.abstained, ASKED_FOR_BETTER)

    def _turns(self, caller: Caller, conversation_id: str, *, before: str | None = None) -> tuple[Turn, ...]:
        """Earlier turns; an answer from documents that the caller may no longer read is left out."""
        turns = self._records.turns(conversation_id, before=before)
        cited = self._records.cited_documents([query_id for query_id, _ in turns])
        return tuple(
            turn if all(self._may_read(caller, d) for d in cited[query_id]) else replace(turn, answer="")
            for query_id, turn in turns
        )


def _to_the_end(updates: Iterator[Update]) -> Iterator[Update]:
    try:
        for update in updates:  # noqa: UP028 - `yield from` would close the course with its reader
            yield update
    finally:
        for _ in updates:
            continue
