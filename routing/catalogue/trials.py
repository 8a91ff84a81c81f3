"""Trials: a prompt beside the one in service, on its test set and on past questions, before anybody sees it.

Each call is paid for by whoever tries, answers go to nobody, and nothing of them is learned from.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from app.core.clock import Clock, new_id, utc_now
from app.core.db import Database
from app.core.errors import BudgetExceededError, ConfigurationError, InputError, ProviderError
from app.core.identity import Caller
from app.core.usage import Meter, Work
from routing.adapters.choice import MayReadAll
from routing.adapters.learning.examples import CallerOf, normalised
from routing.adapters.learning.judging import compare, token_f1
from routing.adapters.learning.past import Past, PastAnswer
from routing.catalogue.choice import PromptChooser, ThisPrompt, require_admin, who
from routing.catalogue.figures import percentile
from routing.catalogue.files import Case, failures_of
from routing.catalogue.prompts import PromptDesk
from routing.catalogue.shelf import Side, Trial, TrialShelf
from routing.catalogue.tables import PromptTrialAnswerRow, PromptTrialRow
from routing.citation import without_marks
from routing.tier import Tier, TierAnswer, TierAttempt, TierRequest, TierSpec, Turn

On = Literal["tests", "past"]
MOST_PAST = 500

Progress = Callable[[int, int], None]
"""Told how many questions are done, of how many."""

TierWith = Callable[[TierSpec, PromptChooser], Tier]


@dataclass(frozen=True, slots=True)
class Trials:
    """What runs trials. `tier_with` makes the rung of a spec, asking this chooser for its prompt."""

    database: Database
    desk: PromptDesk
    specs: Sequence[TierSpec]
    tier_with: TierWith
    meter: Meter
    caller_of: CallerOf
    may_read_all: MayReadAll
    clock: Clock = utc_now

    def list(self, workspace_id: str, prompt_id: str | None = None) -> tuple[Trial, ...]:
        """The trials of a workspace, newest first."""
        return TrialShelf(self.database).list(workspace_id, prompt_id)

    def run(
        self,
        caller: Caller,
        prompt_id: str,
        *,
        on: On = "tests",
        limit: int = 50,
        tier: str | None = None,
        report: Progress = lambda _done, _of: None,
    ) -> Trial:
        """Tries a prompt against the one in service, and stores what came of it.

        Args:
            on: `tests` asks the prompt's test set; `past` the newest past questions as well, of people who
                may still read every document that was found for them.
            limit: the most past questions.

        Raises:
            ForbiddenError: `admin_only`.
            NotFoundError: `no_such_prompt`; InputError: `wrong_rung`, `bad_limit`.
            ConfigurationError: `bad_prompt`, `bad_test_set`, or `tier_unavailable`.
        """
        require_admin(caller, "try prompts")
        if not 1 <= limit <= MOST_PAST:
            raise InputError(f"A trial takes 1 to {MOST_PAST} past questions.", code="bad_limit")
        rung = self.desk.rung_of(prompt_id, tier)
        if problems := self.desk.files.card(prompt_id).problems:
            raise ConfigurationError(
                f"{prompt_id} cannot be tried: {'; '.join(problems)}.", code="bad_prompt"
            )
        serving = next(s for s in self.desk.serving(caller.workspace_id) if s.tier == rung)
        tests = self.desk.files.tests(prompt_id).cases
        past, left_out = self._past(caller.workspace_id, limit) if on == "past" else ((), 0)
        running = _Running(self, caller, rung, tuple(dict.fromkeys((prompt_id, serving.prompt_id))))
        stopped = running.ask_all(tests, past, report)
        return running.store(prompt_id, serving.prompt_id, left_out, stopped)

    def rung(self, name: str, prompt_id: str) -> Tier:
        """A rung that this prompt speaks on. ConfigurationError `tier_unavailable` where it cannot."""
        spec = next(spec for spec in self.specs if spec.name == name)
        tier = self.tier_with(spec, ThisPrompt(prompt_id))
        if tier.unavailable is not None:
            raise ConfigurationError(tier.unavailable, code="tier_unavailable")
        return tier

    def _past(self, workspace_id: str, limit: int) -> tuple[tuple[tuple[PastAnswer, TierRequest], ...], int]:
        """The questions to ask again, and how many were left out."""
        found: list[tuple[PastAnswer, TierRequest]] = []
        seen: set[str] = set()
        left_out = 0
        for past in Past(self.database).newest(workspace_id):
            if len(found) == limit:
                break
            same = normalised(past.question.standalone)
            if not same or same in seen:
                continue
            seen.add(same)
            request = self._request(past)
            if request is None:
                left_out += 1
            else:
                found.append((past, request))
        return tuple(found), left_out

    def _request(self, past: PastAnswer) -> TierRequest | None:
        """The question as its asker would ask it now; nothing where somebody may no longer read all of it."""
        question = past.question
        caller = self.caller_of(question.user_id)
        documents = {p.document_id for q in (question, *past.before) for p in q.passages}
        if caller is None or (documents and not self.may_read_all(caller, documents)):
            return None
        turns = tuple(Turn(q.text, q.answer) for q in past.before)
        return TierRequest(question.text, question.standalone, question.passages, caller, turns)


@dataclass(frozen=True, slots=True)
class _Said:
    """One answer of a trial with all calls that it took."""

    answer: TierAnswer | None
    attempts: tuple[Work, ...]
    problem: str
    duration_ms: int


class _Running:
    """One trial while it runs."""

    def __init__(self, trials: Trials, caller: Caller, rung: str, prompt_ids: Sequence[str]) -> None:
        self._trials = trials
        self._caller = caller
        self._rung = rung
        self._tiers = {prompt_id: trials.rung(rung, prompt_id) for prompt_id in prompt_ids}
        self._id = new_id()
        self._rows: list[PromptTrialAnswerRow] = []
        self._broken: dict[str, list[tuple[str, str]]] = {prompt_id: [] for prompt_id in prompt_ids}
        self._model = ""

    def ask_all(
        self,
        tests: Sequence[Case],
        past: Sequence[tuple[PastAnswer, TierRequest]],
        report: Progress,
    ) -> str:
        """Asks everything of both sides. Gives why it ended early, if it did."""
        total = len(tests) + len(past)
        try:
            for done, case in enumerate(tests, 1):
                for prompt_id in self._tiers:
                    self._ask_case(prompt_id, case)
                report(done, total)
            for done, (answer, request) in enumerate(past, len(tests) + 1):
                for prompt_id in self._tiers:
                    self._ask_past(prompt_id, answer, request)
                report(done, total)
        except BudgetExceededError as error:
            return error.message
        return ""

    def store(self, prompt_id: str, against: str, left_out: int, stopped: str) -> Trial:
        sides = [self._side(side) for side in self._tiers]
        row = PromptTrialRow(
            id=self._id,
            workspace_id=self._caller.workspace_id,
            tier=self._rung,
            prompt_id=prompt_id,
            against=against,
            model=self._model,
            at=self._trials.clock(),
            by=who(self._caller),
            cost_nano=sum(row.cost_nano for row in self._rows),
            left_out=left_out,
            stopped=stopped,
            verdict=self._verdict(prompt_id, against),
            figures=[asdict(side) for side in sides],
        )
        with self._trials.database.write() as session:
            session.add(row)
        return TrialShelf(self._trials.database).get(self._caller.workspace_id, self._id)

    def _ask_case(self, prompt_id: str, case: Case) -> None:
        def judge(said: _Said) -> float:
            broken = failures_of(case, said.answer) if said.answer else (said.problem,)
            if broken:
                self._broken[prompt_id].append((case.id, "; ".join(broken)))
            return 0.0 if broken else 1.0

        self._ask(prompt_id, case.id, "test", case.request(self._caller), judge)

    def _ask_past(self, prompt_id: str, past: PastAnswer, request: TierRequest) -> None:
        def judge(said: _Said) -> float | None:
            return agreement(past, said.answer) if past.accepted else None

        self._ask(prompt_id, past.question.id, "past", request, judge)

    def _ask(
        self,
        prompt_id: str,
        case_id: str,
        kind: str,
        request: TierRequest,
        judge: Callable[[_Said], float | None],
    ) -> None:
        tier, meter = self._tiers[prompt_id], self._trials.meter
        reservation = meter.reserve(self._caller, f"trial-{new_id()}", [tier.at_most()])
        try:
            said = _said(tier, request)
        except BaseException:
            meter.release(reservation, "a trial ended before its answer")
            raise
        row = PromptTrialAnswerRow(
            trial_id=self._id,
            prompt_id=prompt_id,
            case_id=case_id,
            workspace_id=self._caller.workspace_id,
            kind=kind,
            text=said.answer.text if said.answer and kind == "test" else "",
            abstained=said.answer.abstained if said.answer else False,
            score=judge(said),
            problem=said.problem,
            input_tokens=sum(work.input_tokens for work in said.attempts),
            output_tokens=sum(work.output_tokens for work in said.attempts),
            cost_nano=sum(work.cost_nano for work in said.attempts),
            duration_ms=said.duration_ms,
        )
        if not said.attempts:
            meter.release(reservation, "a trial's call was not made")
        with self._trials.database.write() as session:
            session.add(row)
            if said.attempts:
                # Its own work is the baseline: no saving is claimed for a trial.
                meter.commit(session, reservation, said.attempts, said.attempts[-1])
        self._model = said.attempts[-1].model if said.attempts else self._model
        self._rows.append(row)

    def _side(self, prompt_id: str) -> Side:
        rows = [row for row in self._rows if row.prompt_id == prompt_id]
        tests, past = ([r for r in rows if r.kind == kind] for kind in ("test", "past"))
        rated = [row.score for row in past if row.score is not None]
        # The first call of a process loads the library, which is no prompt's doing.
        times = sorted(row.duration_ms for row in rows if not row.problem and row is not self._rows[0])
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

    def _verdict(self, prompt_id: str, against: str) -> str:
        """Whether the agreement with accepted answers differs by more than chance, in words."""
        if prompt_id == against:
            return "It is the prompt in service: there is nothing to compare it with."
        pairs: dict[str, dict[str, float]] = {}
        for row in self._rows:
            if row.kind == "past" and row.score is not None:
                pairs.setdefault(row.case_id, {})[row.prompt_id] = row.score
        both = [pair for pair in pairs.values() if len(pair) == 2]
        if not both:
            return "No past question with an accepted answer was asked of both."
        found = compare([pair[prompt_id] for pair in both], [pair[against] for pair in both])
        return f"Agreement with accepted answers: {found.reason.replace('held-out', 'accepted')}."


def agreement(past: PastAnswer, said: TierAnswer | None) -> float:
    """How far an answer agrees with the one people accepted, from 0 to 1: the words in common (F1); where
    nothing was to be found, that nothing was."""
    if said is None:
        return 0.0
    if past.abstained or said.abstained:
        return 1.0 if past.abstained == said.abstained else 0.0
    return token_f1(without_marks(said.text), without_marks(past.question.answer))


def _said(tier: Tier, request: TierRequest) -> _Said:
    """One answer, or how it failed: a failure is part of what a trial finds out."""
    started = time.monotonic()
    attempts: list[Work] = []
    answer: TierAnswer | None = None
    problem = ""
    try:
        for output in _outputs(tier, request):
            attempts.append(output.work)
            answer = output if isinstance(output, TierAnswer) else answer
    except ProviderError as error:
        problem = error.message
    return _Said(answer, tuple(attempts), problem, round((time.monotonic() - started) * 1000))


def _outputs(tier: Tier, request: TierRequest) -> Iterator[TierAttempt | TierAnswer]:
    for output in tier.answer(request):
        if isinstance(output, (TierAttempt, TierAnswer)):
            yield output
