"""Shadow samples: some questions, drawn at random, are also answered by the top rung, unseen, and compared.

Whether a question is drawn depends on its id alone, never on how it was answered: what the labels say of the
drawn ones holds for all of them. It is done as the asker, with what the asker may read, and shown to nobody.
It is not charged: the ledger keeps its cost under the question's id with `shadow:` before it.
"""

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import structlog
from sqlmodel import Session, func, select

from app.core.clock import Clock, utc_now
from app.core.db import Database
from app.core.errors import BudgetExceededError, ProviderError, RungError
from app.core.usage import Meter, Reservation, Work
from routing.policy.evidence.agreement import agreement
from routing.policy.evidence.sample import Judge, Sample
from routing.policy.shown.words import SHADOW
from routing.policy.tables import LabelRow
from routing.tables import AttemptRow
from routing.tier import Ladder, Tier, TierAnswer, TierAttempt, TierRequest, TierStep, resting

_log = structlog.get_logger()

MOST_WAITING = 100
"""Further samples are let go: which ones depends on the time alone."""

_WHO, _TEAM = "shadow-samples", "shadow-samples"
"""Whom the ledger names: no person's and no team's budget pays for it, the workspace's does."""

_UNSEEN = "Checked in the background, at our own cost; nobody was shown it."


@dataclass(frozen=True, slots=True)
class _Judged:
    """Whether the cheap answer was wrong, by what, and the work of finding out."""

    wrong: bool | None
    judged_by: str
    note: str
    works: tuple[tuple[Work, str], ...]


class ShadowSampler:
    """Implements `sample.Sampler`. Close it, so that what is under way is finished.

    Args:
        judge: compares where words do not decide; makes none of a rung that is not set up.
    """

    def __init__(
        self,
        database: Database,
        *,
        ladder: Callable[[], Ladder],
        meter: Meter,
        judge: Callable[[], Judge | None],
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._ladder = ladder
        self._meter = meter
        self._judge = judge
        self._clock = clock
        self._pool: ThreadPoolExecutor | None = None
        self._waiting = 0
        self._lock = threading.Lock()

    def offer(self, sample: Sample, share: float) -> None:
        """See `Sampler.offer`."""
        if not drawn(sample.query_id, share):
            return
        with self._lock:
            if self._waiting >= MOST_WAITING:
                _log.warning("a shadow sample was let go: too many wait", query_id=sample.query_id)
                return
            self._waiting += 1
            if self._pool is None:
                self._pool = ThreadPoolExecutor(1, thread_name_prefix="shadow")
            self._pool.submit(self._run, sample)

    def close(self) -> None:
        """Waits for what was drawn, and stops."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True)

    def _run(self, sample: Sample) -> None:
        try:
            self.check(sample)
        except RungError as error:
            _log.warning("a shadow sample failed", query_id=sample.query_id, code=error.code)
        except Exception:  # noqa: BLE001 - logged with its traceback; nobody waits for it
            _log.exception("a shadow sample failed unexpectedly", query_id=sample.query_id)
        finally:
            with self._lock:
                self._waiting -= 1

    def check(self, sample: Sample) -> None:
        """Checks one question now: a label, its attempts and its cost are stored together.

        Where the top rung or the judge fails, or the budget has no room, there is no label.
        """
        top, judge = self._ladder().top, self._judge()
        if top.unavailable is not None or resting(top) is not None:
            _log.info("no shadow sample: the top rung cannot be used", query_id=sample.query_id)
            return
        try:
            reservation = self._reserve(sample, top, judge)
        except BudgetExceededError as error:
            _log.info("no shadow sample: the budget has no room", query_id=sample.query_id, why=error.code)
            return
        try:
            judged = self._compare(sample, top, judge)
        except BaseException:
            self._meter.release(reservation, "the check broke off")
            raise
        self._store(sample, reservation, judged, top)

    def _reserve(self, sample: Sample, top: Tier, judge: Judge | None) -> Reservation:
        most = top.at_most()
        if judge is not None:
            most = replace(most, cost_nano=most.cost_nano + judge.at_most().cost_nano)
        payer = replace(sample.caller, user_id=_WHO, team=_TEAM, email="")
        return self._meter.reserve(payer, SHADOW + sample.query_id, [most])

    def _compare(self, sample: Sample, top: Tier, judge: Judge | None) -> _Judged:
        better, works = sample.better, list[tuple[Work, str]]()
        if better is None:
            answer, works = _ask(top, sample)
            if answer is None:
                return _Judged(None, "", "", tuple(works))
            if answer.abstained:
                return _Judged(True, "agreement", f"{top.label} found no answer", tuple(works))
            better = answer.text
        found = agreement(sample.answer, better)
        if found != "unsure":
            return _Judged(found == "different", "agreement", "", tuple(works))
        if judge is None:
            return _Judged(None, "", "", tuple(works))
        verdict = judge.compare(sample.standalone, sample.answer, better)
        works.append((verdict.work, verdict.reason or "Compared two answers."))
        if verdict.same is None:
            return _Judged(None, "", "", tuple(works))
        return _Judged(not verdict.same, judge.id, "", tuple(works))

    def _store(self, sample: Sample, reservation: Reservation, judged: _Judged, top: Tier) -> None:
        with self._database.write() as session:
            if judged.wrong is not None:
                session.merge(self._label(sample, judged))
            self._add_attempts(session, sample, judged)
            if judged.works:
                works = [work for work, _ in judged.works]
                self._meter.commit(session, reservation, works, Work(top.name, "none", "shadow"))
        if not judged.works:
            self._meter.release(reservation, "nothing had to be asked")

    def _label(self, sample: Sample, judged: _Judged) -> LabelRow:
        return LabelRow(
            query_id=sample.query_id,
            how="shadow",
            workspace_id=sample.caller.workspace_id,
            tier=sample.tier,
            kind=sample.kind,
            wrong=bool(judged.wrong),
            judged_by=judged.judged_by,
            probability=sample.probability,
            note=judged.note,
            created_at=self._clock(),
        )

    @staticmethod
    def _add_attempts(session: Session, sample: Sample, judged: _Judged) -> None:
        last = session.exec(
            select(func.max(AttemptRow.ordinal)).where(AttemptRow.query_id == sample.query_id)
        ).one()
        for ordinal, (work, reason) in enumerate(judged.works, 0 if last is None else last + 1):
            session.add(
                AttemptRow(
                    query_id=sample.query_id,
                    ordinal=ordinal,
                    workspace_id=sample.caller.workspace_id,
                    tier=work.tier,
                    model=work.model,
                    outcome=work.outcome,
                    reason=f"{reason} {_UNSEEN}".strip(),
                    input_tokens=work.input_tokens,
                    output_tokens=work.output_tokens,
                    cost_nano=work.cost_nano,
                    duration_ms=work.duration_ms,
                    provider_request_id=work.provider_request_id,
                    estimated=work.estimated,
                )
            )


def drawn(query_id: str, share: float) -> bool:
    """Whether a question is drawn, at this share: the same for the same id, always."""
    number = int.from_bytes(hashlib.sha256(f"shadow {query_id}".encode()).digest()[:8])
    return number < share * 2**64


def _ask(top: Tier, sample: Sample) -> tuple[TierAnswer | None, list[tuple[Work, str]]]:
    """The top rung's answer, nothing where it failed, and all its work with what it was for."""
    request = TierRequest(
        sample.question,
        sample.standalone,
        sample.passages,
        caller=sample.caller,
        history=sample.history,
        search_again=sample.search_again,
        query_id=sample.query_id,
    )
    answer: TierAnswer | None = None
    works: list[tuple[Work, str]] = []
    try:
        for output in top.answer(request):
            match output:
                case TierAttempt():
                    works.append((replace(output.work, outcome="shadow"), output.reason))
                case TierAnswer():
                    answer = output
                    works.append((replace(output.work, outcome="shadow"), ""))
                case TierStep():
                    _log.debug("a shadow sample searched again", query_id=sample.query_id)
                case _:
                    continue
    except ProviderError as error:
        _log.warning("a shadow sample got no answer", query_id=sample.query_id, code=error.code)
        return None, works
    return answer, works
