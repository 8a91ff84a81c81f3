"""One trial while it runs: both prompts asked everything, each answer stored and metered as it comes."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from app.core.clock import Clock, new_id
from app.core.db import Database
from app.core.errors import BudgetExceededError, ProviderError
from app.core.identity import Caller
from app.core.usage import Meter, Work
from routing.catalogue.figures import percentile
from routing.catalogue.tables import PromptTrialAnswerRow, PromptTrialRow
from routing.catalogue.trials.differences import Difference, paired, verdict
from routing.catalogue.trials.questions import Asked, Kind
from routing.catalogue.trials.shelf import Side
from routing.policy.shown.words import TRIAL
from routing.tier import Tier, TierAnswer, TierAttempt, TierRequest

_PAYER = "prompt-trials"
"""Whom the ledger names: no person's and no team's budget pays for it, the workspace's holds it."""

Progress = Callable[[int, int], None]
"""Told how many questions are done, of how many."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a running trial works with. `leaving` tells that this process is about to end."""

    database: Database
    meter: Meter
    clock: Clock
    leaving: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class _Said:
    """One answer of a trial with all calls that it took."""

    answer: TierAnswer | None
    attempts: tuple[Work, ...]
    problem: str
    duration_ms: int


class Running:
    """One trial. Its row stands already; `tiers` are the rung with each prompt, the tried one first."""

    def __init__(self, means: Means, caller: Caller, row: PromptTrialRow, tiers: Mapping[str, Tier]) -> None:
        self._means = means
        self._trial_id, self._workspace_id = row.id, row.workspace_id
        self._prompt_id, self._against = row.prompt_id, row.against
        self._most_nano = row.most_cost_nano
        self._payer = replace(caller, user_id=_PAYER, team=_PAYER, email="")
        self._tiers = tiers
        self._rows: list[PromptTrialAnswerRow] = []
        self._broken: dict[str, list[tuple[str, str]]] = {prompt_id: [] for prompt_id in tiers}
        self._model = ""

    def ask_all(self, questions: Sequence[Asked], report: Progress) -> None:
        """Asks everything of both sides and stores the end, whatever that is."""
        stopped = "Something went wrong inside Rung; the log has it."
        done = 0
        try:
            for asked in questions:
                stopped = self._reason_to_stop()
                if stopped:
                    break
                for prompt_id in self._tiers:
                    self._ask(prompt_id, asked)
                done += 1
                self._store(done)
                report(done, len(questions))
            else:
                stopped = ""
        except BudgetExceededError as error:
            stopped = error.message
        except BaseException:
            stopped = "Something went wrong inside Rung; the log has it."
            raise
        finally:
            self._store(done, ended_at=self._means.clock(), stopped=stopped)

    def _reason_to_stop(self) -> str:
        if self._means.leaving():
            return "Rung was stopped."
        with self._means.database.read() as session:
            row = session.get(PromptTrialRow, self._trial_id)
        if row is not None and row.stop_by:
            return f"{row.stop_by} stopped it."
        most = sum(tier.at_most().cost_nano for tier in self._tiers.values())
        spent = sum(answer.cost_nano for answer in self._rows)
        if self._most_nano is not None and spent + most > self._most_nano:
            return "The next question might have cost more than it was allowed to."
        return ""

    def _store(self, done: int, *, ended_at: datetime | None = None, stopped: str = "") -> None:
        differences = self._differences()
        with self._means.database.write() as session:
            row = session.get_one(PromptTrialRow, self._trial_id)
            row.done, row.model = done, self._model
            row.cost_nano = sum(answer.cost_nano for answer in self._rows)
            row.figures = [asdict(self._side(side)) for side in self._tiers]
            row.differences = [asdict(found) for found in differences]
            row.beat_at = self._means.clock()
            if ended_at is not None:
                row.state, row.ended_at, row.stopped = "ended", ended_at, stopped
                row.verdict = self._verdict(differences)
            session.add(row)

    def _ask(self, prompt_id: str, asked: Asked) -> None:
        tier, meter = self._tiers[prompt_id], self._means.meter
        reservation = meter.reserve(self._payer, f"{TRIAL}{new_id()}", [tier.at_most()])
        try:
            said = _said(tier, asked.request)
        except BaseException:
            meter.release(reservation, "a trial ended before its answer")
            raise
        row = self._row(prompt_id, asked, said)
        if not said.attempts:
            meter.release(reservation, "a trial's call was not made")
        with self._means.database.write() as session:
            session.add(row)
            if said.attempts:
                meter.commit(session, reservation, said.attempts, Work(tier.name, "none", "shadow"))
        self._model = said.attempts[-1].model if said.attempts else self._model
        self._rows.append(row)

    def _row(self, prompt_id: str, asked: Asked, said: _Said) -> PromptTrialAnswerRow:
        score, broken = asked.judge(said.answer, said.problem)
        if broken and asked.kind == "test":
            self._broken[prompt_id].append((asked.id, broken))
        return PromptTrialAnswerRow(
            trial_id=self._trial_id,
            prompt_id=prompt_id,
            case_id=asked.id,
            workspace_id=self._workspace_id,
            kind=asked.kind,
            text=said.answer.text if said.answer and asked.kind == "test" else "",
            abstained=said.answer.abstained if said.answer else False,
            score=score,
            problem=said.problem,
            input_tokens=sum(work.input_tokens for work in said.attempts),
            output_tokens=sum(work.output_tokens for work in said.attempts),
            cost_nano=sum(work.cost_nano for work in said.attempts),
            duration_ms=said.duration_ms,
        )

    def _of(self, prompt_id: str, kind: Kind) -> list[PromptTrialAnswerRow]:
        return [row for row in self._rows if row.prompt_id == prompt_id and row.kind == kind]

    def _side(self, prompt_id: str) -> Side:
        tests, past = self._of(prompt_id, "test"), self._of(prompt_id, "past")
        rows = [*tests, *past]
        rated = [row.score for row in past if row.score is not None]
        times = sorted(row.duration_ms for row in rows if self._is_timed(row))
        return Side(
            prompt_id=prompt_id,
            tests=len(tests),
            passed=sum(row.score == 1.0 for row in tests),
            broken=tuple(self._broken[prompt_id]),
            past=len(past),
            rated=len(rated),
            agreement=sum(rated) / len(rated) if rated else None,
            abstained=sum(row.abstained for row in past),
            failed=sum(bool(row.problem) for row in rows),
            cost_nano=sum(row.cost_nano for row in rows),
            input_tokens=sum(row.input_tokens for row in rows),
            output_tokens=sum(row.output_tokens for row in rows),
            p50_ms=percentile(times, 50),
            p95_ms=percentile(times, 95),
        )

    def _is_timed(self, row: PromptTrialAnswerRow) -> bool:
        # The first call of a process loads the library, which is no prompt's doing.
        return not row.problem and row is not self._rows[0]

    def _differences(self) -> tuple[Difference, ...]:
        """Over the questions that both were asked: past ones for quality, all of them for cost and time."""
        if len(self._tiers) < 2:
            return ()
        pairs: dict[str, dict[str, PromptTrialAnswerRow]] = {}
        for row in self._rows:
            pairs.setdefault(f"{row.kind} {row.case_id}", {})[row.prompt_id] = row
        both = [(pair[self._prompt_id], pair[self._against]) for pair in pairs.values() if len(pair) == 2]
        scores = [(a.score, b.score) for a, b in both if a.kind == "past" and a.score is not None]
        timed = [(a, b) for a, b in both if self._is_timed(a) and self._is_timed(b)]
        paid = [(a, b) for a, b in both if not a.problem and not b.problem]
        return (
            paired("agreement", [a for a, _ in scores], [b or 0.0 for _, b in scores]),
            paired("cost", [a.cost_nano for a, _ in paid], [b.cost_nano for _, b in paid]),
            paired("time", [a.duration_ms for a, _ in timed], [b.duration_ms for _, b in timed]),
        )

    def _verdict(self, differences: Sequence[Difference]) -> str:
        if not differences:
            return "It is the prompt in service: there is nothing to compare it with."
        return verdict(differences[0])


def _said(tier: Tier, request: TierRequest) -> _Said:
    """One answer, or how it failed: a failure is part of what a trial finds out. Nobody asked for any of it,
    so all of its work is of the kind that has a cost and no price."""
    started = time.monotonic()
    attempts: list[Work] = []
    answer: TierAnswer | None = None
    problem = ""
    try:
        for output in _outputs(tier, request):
            attempts.append(replace(output.work, outcome="shadow", steps_cost_nano=0))
            answer = output if isinstance(output, TierAnswer) else answer
    except ProviderError as error:
        problem = error.message
    return _Said(answer, tuple(attempts), problem, round((time.monotonic() - started) * 1000))


def _outputs(tier: Tier, request: TierRequest) -> Iterator[TierAttempt | TierAnswer]:
    for output in tier.answer(request):
        if isinstance(output, (TierAttempt, TierAnswer)):
            yield output
