"""The course of one question: reserve, search, score, answer, judge, climb, store, receipt."""

import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from functools import cached_property

import structlog

from app.core.errors import BudgetExceededError, ProviderError, RungError, UnavailableError
from app.core.usage import Receipt, Reservation, Work
from retrieval.passage import Passage
from retrieval.search import QuestionVector, SearchResult
from routing.baseline import baseline_of
from routing.citation import SpanCitation, closest
from routing.difficulty import stage1, stage2, stage3
from routing.history.records import Outcome
from routing.parts import Parts
from routing.policy import Decision, Policy, Room
from routing.policy.evidence.sample import sample_of
from routing.question import Asking
from routing.tier import (
    AUTO,
    EarlierAnswer,
    Signals,
    Tier,
    TierAnswer,
    TierAttempt,
    TierRequest,
    TierStep,
    resting,
)
from routing.updates import (
    AnswerUpdate,
    Attempt,
    Citation,
    DeltaUpdate,
    EscalationUpdate,
    PassagesUpdate,
    ProblemUpdate,
    ReceiptUpdate,
    RouteUpdate,
    StepUpdate,
    Update,
)

_log = structlog.get_logger()

PASSAGES = 10
"""How many passages a question gets."""

_CLOSEST = 3
"""How many passages are cited when nothing is answered for certain."""

CLOSEST = "{why} These passages come closest."

OVER_BUDGET = "{whose} leaves no room for a better rung, so only cheaper ones were used."


class Flow:
    """One question on its way. `updates` is run once."""

    def __init__(self, parts: Parts, asking: Asking) -> None:
        self._parts = parts
        self._asking = asking
        self._outcome = Outcome(search_text=asking.standalone)
        self._reservation: Reservation | None = None
        self._vector: QuestionVector | None = None
        self._over_budget: str | None = None
        self._earlier = asking.earlier

    def updates(self) -> Iterator[Update]:
        """Ends with a receipt, or with a problem, after which nothing is held or charged."""
        try:
            yield from self._answer()
        except RungError as error:
            _log.warning("a question failed", query_id=self._id, code=error.code, error=error.message)
            yield self._failed(error.code, error.message)
        except Exception:  # noqa: BLE001 - logged with its traceback, and told to the asker as a problem
            _log.exception("a question failed unexpectedly", query_id=self._id)
            message = f"Something went wrong inside Rung. Ask again; an admin finds {self._id} in the log."
            yield self._failed("internal_error", message)

    @cached_property
    def _policy(self) -> Policy:
        """As it is when the question is asked: a change takes effect with the next one."""
        return self._parts.policies.of(self._asking.caller.workspace_id)

    @property
    def _id(self) -> str:
        return self._asking.query_id

    def _answer(self) -> Iterator[Update]:
        started = time.monotonic()
        room = self._reserve()
        yield self._search()
        tier, route = self._route(room)
        yield route
        answer, tier = yield from self._climb(tier, room)
        update = self._answer_update(answer, tier)
        self._outcome.answer = update
        self._outcome.prompt_id = answer.prompt_id
        self._outcome.notes.extend(answer.notes)
        self._outcome.timings_ms["total"] = _ms_since(started)
        receipt = self._store(answer)
        yield update
        yield ReceiptUpdate(self._id, receipt, self._attempts())
        if (share := self._policy.shadow_share) > 0:
            it = sample_of(self._asking, self._outcome, self._earlier, self._parts.ladder, self._search_again)
            if it is not None:
                self._parts.sampler.offer(it, share)

    def _reserve(self) -> Room:
        """Holds the most this question may cost; leaves out the dearest rungs until it fits."""
        named, ladder = self._asking.request.tier, self._parts.ladder
        usable = ladder.ready() if named == AUTO else (ladder.get(named),)
        if not usable:
            raise UnavailableError("No rung can be used; an admin has to set one up.", code="no_tier")
        for count in range(len(usable), 1, -1):
            try:
                self._hold(usable[:count])
            except BudgetExceededError as error:
                _log.info("over_budget", query_id=self._id, tier=usable[count - 1].name, why=error.code)
                self._over_budget = OVER_BUDGET.format(whose=error.whose)
                continue
            return self._room(usable, count)
        self._hold(usable[:1])
        return self._room(usable, 1)

    def _hold(self, tiers: tuple[Tier, ...]) -> None:
        at_most = [tier.at_most() for tier in tiers]
        self._reservation = self._parts.meter.reserve(self._asking.caller, self._id, at_most)

    def _room(self, usable: tuple[Tier, ...], count: int) -> Room:
        if self._over_budget is not None:
            self._outcome.notes.append(self._over_budget)
        rest = [(tier, why) for tier in self._parts.ladder.available() if (why := resting(tier)) is not None]
        left_out = tuple(why for tier, why in rest if tier not in usable)
        return Room(usable[:count], self._over_budget or "", left_out)

    def _search(self) -> PassagesUpdate:
        started = time.monotonic()
        found = self._find(self._asking.standalone)
        self._outcome.passages, self._vector = found.passages[:PASSAGES], found.vector
        self._outcome.timings_ms |= {"search": _ms_since(started), "embed": round(found.embed_ms, 1)}
        return PassagesUpdate(self._id, self._outcome.passages, found.took_ms)

    def _route(self, room: Room) -> tuple[Tier, RouteUpdate]:
        asking, passages, started = self._asking, self._outcome.passages, time.monotonic()
        kind = room.usable[0].kind
        first = stage1(asking.request.question, kind, self._vector)
        second = stage2(asking.request.question, asking.standalone, passages, kind)
        self._outcome.difficulty = second
        self._outcome.stages |= {first.stage: first.probability, second.stage: second.probability}
        tier, reasons = room.usable[0], second.reasons
        if asking.request.tier == AUTO:
            tier = self._policy.start(second, passages, room, self._parts.ladder, self._price_of).tier
        else:
            reasons = (f"{tier.label} was asked for", *reasons)
        if self._over_budget is not None:
            reasons = (*reasons, self._over_budget)
        if asking.request.tier == AUTO:
            reasons = (*reasons, *room.left_out)
        route = RouteUpdate(self._id, tier.name, second.probability, reasons)
        self._outcome.route = route
        self._outcome.timings_ms["route"] = _ms_since(started)
        return tier, route

    def _climb(self, tier: Tier, room: Room) -> Generator[Update, None, tuple[TierAnswer, Tier]]:
        """Answers on one rung after the other until an answer stays; returns it and its rung."""
        while True:
            started, asked = time.monotonic(), tier.name
            try:
                answer, held = yield from self._run(tier, room)
            except ProviderError as error:
                if self._asking.request.tier != AUTO:
                    raise
                better, room = self._after_failure(tier, room, error)
                if better is None:
                    return self._nothing_left(tier, error), tier
                yield self._escalation(tier, better, error.message, failed=True)
                tier = better
                continue
            finally:
                self._outcome.timings_ms[asked] = _ms_since(started)
            decision = self._judge(answer, tier, room)
            withdrawn = decision.action == "abstain" and decision.text != answer.text
            # A quick answer may be read while a better one is made; a held one is not shown to be replaced.
            replaced = decision.action == "escalate" and (answer.abstained or not tier.immediate)
            if not withdrawn and not replaced:
                yield from (DeltaUpdate(self._id, text) for text in held)
            if decision.action != "escalate":
                return (self._withdraw(answer, decision) if withdrawn else self._keep(answer, decision)), tier
            self._outcome.attempts.append((replace(answer.work, outcome="escalated"), decision.reason))
            self._earlier = EarlierAnswer(tier.name, answer.text, answer.abstained, decision.reason)
            yield self._escalation(tier, decision.tier, decision.reason)
            tier = decision.tier

    def _escalation(self, tier: Tier, better: Tier, reason: str, *, failed: bool = False) -> EscalationUpdate:
        self._outcome.escalation_reason = reason
        judged = None if failed else self._outcome.stages.get("answer")
        return EscalationUpdate(self._id, tier.name, better.name, reason, failed, judged)

    def _after_failure(self, tier: Tier, room: Room, error: ProviderError) -> tuple[Tier | None, Room]:
        """The next usable rung, if any, and the room without the one that failed."""
        _log.warning("a rung failed", query_id=self._id, tier=tier.name, code=error.code, error=error.message)
        return room.above(tier, self._parts.ladder), room.without(tier, error.message)

    def _nothing_left(self, tier: Tier, error: ProviderError) -> TierAnswer:
        """Says plainly what failed and cites what comes closest. An earlier answer was not good enough."""
        work = Work(tier.name, "none", "abstained")
        if not self._outcome.attempts:
            self._outcome.attempts.append((work, error.message))
        return self._abstention(CLOSEST.format(why=error.message), work)

    def _run(self, tier: Tier, room: Room) -> Generator[Update, None, tuple[TierAnswer, list[str]]]:
        """One rung's answer. Its deltas are held until it is judged where it may yet be replaced."""
        held: list[str] = []
        answer: TierAnswer | None = None
        climbs = self._asking.request.tier == AUTO and room.above(tier, self._parts.ladder) is not None
        for output in tier.answer(self._request()):
            if isinstance(output, TierAttempt):
                self._outcome.attempts.append((output.work, output.reason))
            elif isinstance(output, TierStep):
                yield self._step(tier, output)
            elif isinstance(output, TierAnswer):
                answer = output
            elif tier.immediate or climbs:
                held.append(output.text)
            else:
                yield DeltaUpdate(self._id, output.text)
        if answer is None:
            raise ProviderError(f"Rung {tier.name} ended without an answer.", code="provider_error")
        return answer, held

    def _step(self, tier: Tier, step: TierStep) -> StepUpdate:
        """Keeps a step for the trail. What it found joins the passages of the question."""
        known = {passage.chunk_id for passage in self._outcome.passages}
        new = tuple(passage for passage in step.passages if passage.chunk_id not in known)
        self._outcome.passages += new
        update = StepUpdate(
            query_id=self._id,
            ordinal=len(self._outcome.steps) + 1,
            tier=tier.name,
            kind=step.kind,
            text=step.text,
            query=step.query,
            passages=new,
            input_tokens=step.work.input_tokens,
            output_tokens=step.work.output_tokens,
            cost_nano=step.work.cost_nano,
            duration_ms=step.work.duration_ms,
        )
        self._outcome.steps.append(update)
        return update

    def _request(self) -> TierRequest:
        asking = self._asking
        return TierRequest(
            asking.request.question,
            asking.standalone,
            self._outcome.passages,
            caller=asking.caller,
            history=asking.history,
            limits=self._policy.limits,
            search_again=self._search_again,
            earlier=self._earlier,
            query_id=self._id,
        )

    def _search_again(self, query: str) -> tuple[Passage, ...]:
        """As the question itself was searched for: the same person, the same filters."""
        return self._find(query).passages[:PASSAGES]

    def _find(self, query: str) -> SearchResult:
        caller, filters = self._asking.caller, self._asking.request.filters
        return self._parts.searcher.search(caller, query, filters=filters, limit=PASSAGES)

    def _judge(self, answer: TierAnswer, tier: Tier, room: Room) -> Decision:
        ladder, asking, passages = self._parts.ladder, self._asking, self._outcome.passages
        if asking.request.tier != AUTO or tier is ladder.top:
            return Decision("abstain" if answer.abstained else "answer", tier, text=answer.text)
        third = stage3(asking.request.question, asking.standalone, passages, answer, tier.kind, self._vector)
        self._outcome.difficulty = third
        self._outcome.stages[third.stage] = third.probability
        return self._policy.judge(third, answer, tier, passages, room, ladder, self._price_of)

    def _price_of(self, tier: Tier) -> int:
        return self._parts.meter.price_of(tier.expected(self._request()))

    def _keep(self, answer: TierAnswer, decision: Decision) -> TierAnswer:
        self._outcome.attempts.append((answer.work, ""))
        if decision.action == "answer" and decision.reason:
            self._outcome.notes.append(decision.reason)
        return answer

    def _withdraw(self, answer: TierAnswer, decision: Decision) -> TierAnswer:
        """Says that the question is too hard, and cites what comes closest instead of the doubtful answer."""
        work = replace(answer.work, outcome="abstained")
        self._outcome.attempts.append((work, "The quick answer was not sure enough to be shown."))
        shown = self._abstention(decision.text, work)
        return replace(answer, text=shown.text, citations=shown.citations, abstained=True, work=work)

    def _abstention(self, words: str, work: Work) -> TierAnswer:
        citations = closest(self._asking.standalone, self._outcome.passages, _CLOSEST)
        text = " ".join((words, "".join(f"[{c.n}]" for c in citations))).strip()
        return TierAnswer(text, citations, abstained=True, signals=Signals(), work=work)

    def _answer_update(self, answer: TierAnswer, tier: Tier) -> AnswerUpdate:
        return AnswerUpdate(
            query_id=self._id,
            conversation_id=self._asking.conversation_id,
            text=answer.text,
            citations=tuple(_citation(citation) for citation in answer.citations),
            abstained=answer.abstained,
            tier=tier.name,
        )

    def _store(self, answer: TierAnswer) -> Receipt:
        """The answer, its route decision and its usage events, in one transaction."""
        if self._reservation is None:
            raise UnavailableError("Nothing was reserved for this question.", code="no_reservation")
        baseline = baseline_of(self._parts, self._request(), answer)
        note = self._parts.ladder.top.baseline_note
        if note is not None:
            self._outcome.notes.append(note)
        with self._parts.database.write() as session:
            self._parts.records.finish(session, self._id, self._outcome)
            receipt = self._parts.meter.commit(session, self._reservation, self._works(), baseline)
        return replace(receipt, notes=(*receipt.notes, *self._outcome.notes))

    def _works(self) -> list[Work]:
        return [work for work, _ in self._outcome.attempts]

    def _attempts(self) -> tuple[Attempt, ...]:
        return tuple(
            Attempt(
                tier=work.tier,
                model=work.model,
                outcome=work.outcome,
                reason=reason,
                input_tokens=work.input_tokens,
                output_tokens=work.output_tokens,
                cost_nano=work.cost_nano,
                duration_ms=work.duration_ms,
            )
            for work, reason in self._outcome.attempts
        )

    def _failed(self, code: str, message: str) -> ProblemUpdate:
        try:
            self._store_failure(code, message)
        except Exception:  # noqa: BLE001 - logged; the hold is settled and the question closed at the next start
            _log.exception("a failed question could not be stored", query_id=self._id)
        return ProblemUpdate(self._id, code, message)

    def _store_failure(self, code: str, message: str) -> None:
        """Keeps the question as failed. What its attempts cost us is written down; the asker pays nothing."""
        outcome, meter = self._outcome, self._parts.meter
        outcome.answer = None
        outcome.problem = (code, message)
        outcome.attempts = [
            (replace(work, outcome="failed") if work.outcome == "answered" else work, reason)
            for work, reason in outcome.attempts
        ]
        costly = any(work.cost_nano for work in self._works())
        with self._parts.database.write() as session:
            self._parts.records.finish(session, self._id, outcome)
            if self._reservation is not None and costly:
                baseline = Work(self._parts.ladder.top.name, "none", "failed")
                meter.commit(session, self._reservation, self._works(), baseline)
        if self._reservation is not None and not costly:
            meter.release(self._reservation, code)


def _citation(citation: SpanCitation) -> Citation:
    passage = citation.passage
    return Citation(
        n=citation.n,
        document_id=passage.document_id,
        chunk_id=passage.chunk_id,
        title=passage.title,
        url=passage.url,
        quote=citation.quote,
        place=citation.place,
        start=citation.start,
        end=citation.end,
        answer_start=citation.answer_start,
        answer_end=citation.answer_end,
    )


def _ms_since(started: float) -> float:
    return round((time.monotonic() - started) * 1000, 1)
