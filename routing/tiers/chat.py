"""A rung that asks a chat model: fenced passages in, an answer with checked citations out."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from app.core.errors import ProviderError
from app.core.usage import Outcome, Work
from routing.catalogue.choice import OwnPrompts, PromptChooser
from routing.citation import CheckedAnswer, check_citations
from routing.llm import ChatCall, ChatCallError, ChatDelta, ChatEnd, ChatModel, ChatUsage
from routing.llm.prices import ModelPrices, Prices
from routing.llm.prompt import BuiltPrompt, build_prompt
from routing.text.links import without_links
from routing.text.words import content_words, coverage, names
from routing.tier import (
    ChatSettings,
    RungKind,
    Signals,
    TierAnswer,
    TierAttempt,
    TierDelta,
    TierOutput,
    TierRequest,
)
from routing.tiers.reader import NOTHING_FOUND
from routing.tiers.selection import kinds_asked, offers
from routing.tiers.words import Words, known_addresses, says_not_found

UNSUPPORTED = "The model's answer is not supported by any passage, so it is not shown."

LINKS_REMOVED = "The model wrote links; they were taken out."

LONGEST_WAIT_SECONDS = 5.0
"""A provider that asks for a longer pause than this is not tried again: the person would wait for nothing."""

PAUSE_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class ChatBackend:
    """A model that can be called and what its tokens cost."""

    model: ChatModel
    prices: Prices


@dataclass(frozen=True, slots=True)
class Plan:
    """One call and what belongs to it. `model` is what receipts say was called."""

    prompt: BuiltPrompt
    call: ChatCall
    model: str
    notes: tuple[str, ...] = ()


class ChatTier:
    """Answers through a chat model.

    Args:
        backend: the model, or the reason in words why there is none.
        currency: the plan's.
        prompts: chooses the prompt of each question; the rung's own without.
    """

    kind: RungKind = "chat"
    immediate = False

    def __init__(
        self,
        name: str,
        label: str,
        settings: ChatSettings,
        backend: ChatBackend | str,
        currency: str,
        prompts: PromptChooser | None = None,
    ) -> None:
        self.name = name
        self.label = label
        self._settings = settings
        self._backend = backend
        self._currency = currency
        self._prompts = prompts or OwnPrompts()

    @property
    def backend(self) -> ChatBackend | str:
        """What this rung calls, or why it has nothing to call."""
        return self._backend

    def base_model(self) -> str:
        """The name of the model without any adapter, as a call takes it; empty for the deployment's own."""
        return ""

    @property
    def unavailable(self) -> str | None:
        return self._backend if isinstance(self._backend, str) else self._backend.prices.problem

    @property
    def baseline_note(self) -> str | None:
        """What to know about the modelled price of this rung while it is not set up."""
        if self.unavailable is None:
            return None
        reference = self._settings.reference
        known = reference is not None and reference.currency == self._currency
        if known:
            return "The premium rung is not set up: its price is modelled from tiers.toml's reference prices."
        return f"The premium rung is not set up, and tiers.toml has no reference price in {self._currency}."

    def at_most(self) -> Work:
        return self._modelled(self._settings.max_input_tokens, self._settings.max_output_tokens)

    def expected(self, request: TierRequest) -> Work:
        settings = self._settings
        prompt = build_prompt(self._prompt_id(request), request, settings.passages, settings.max_input_tokens)
        tokens = min(-(-prompt.bytes // 4), settings.max_input_tokens)
        return self._modelled(tokens, settings.expected_output_tokens)

    def answer(self, request: TierRequest) -> Iterator[TierOutput]:
        """Streams the answer. Tries again only what may help, and only before any text came.

        Raises:
            ProviderError: after the failed attempts were yielded.
        """
        if isinstance(self._backend, str):
            raise ProviderError(self._backend, code="tier_unavailable")
        if self._backend.prices.problem is not None:
            raise ProviderError(self._backend.prices.problem, code="tier_unavailable")
        started = time.monotonic()
        try:
            plan = self._plan(self._backend, request)
        except ChatCallError as error:
            duration_ms = round((time.monotonic() - started) * 1000)
            work = Work(self.name, self._backend.model.name, "failed", duration_ms=duration_ms)
            yield TierAttempt(work, error.message)
            raise
        yield from self._attempts(self._backend, request, plan)

    def _prompt_id(self, request: TierRequest) -> str:
        """The prompt in service, or the one on trial where this question belongs to its share."""
        workspace_id = request.caller.workspace_id
        return self._prompts.prompt_for(self.name, self._settings.prompt, workspace_id, request.query_id)

    def _plan(self, backend: ChatBackend, request: TierRequest) -> Plan:
        """What to send. Raises ChatCallError where that cannot be told."""
        settings = self._settings
        prompt = build_prompt(self._prompt_id(request), request, settings.passages, settings.max_input_tokens)
        limit = request.limits.output_tokens or settings.max_output_tokens
        return Plan(prompt, ChatCall(prompt.messages, limit), backend.model.name)

    def _again(self, plan: Plan, error: ChatCallError, tried: set[str]) -> Plan | None:
        """What to try after a failure before any text; nothing where trying again would not help."""
        wait = error.retry_after_seconds or PAUSE_SECONDS
        if "again" in tried or not error.retryable or wait > LONGEST_WAIT_SECONDS:
            return None
        tried.add("again")
        time.sleep(wait)
        return plan

    def _attempts(self, backend: ChatBackend, request: TierRequest, plan: Plan) -> Iterator[TierOutput]:
        tried: set[str] = set()
        while True:
            started = time.monotonic()
            said = False
            try:
                for output in self._call(backend, plan, request, started):
                    said = said or isinstance(output, TierDelta)
                    yield output
            except ChatCallError as error:
                yield TierAttempt(self._work(backend, plan, error.usage, "failed", started), error.message)
                next_plan = None if said else self._again(plan, error, tried)
                if next_plan is None:
                    raise
                plan = next_plan
            else:
                return

    def _call(
        self, backend: ChatBackend, plan: Plan, request: TierRequest, started: float
    ) -> Iterator[TierOutput]:
        said = Words(known_addresses(plan.prompt.passages))
        end: ChatEnd | None = None
        for part in backend.model.stream(plan.call):
            if isinstance(part, ChatDelta):
                if text := said.take(part.text):
                    yield TierDelta(text)
            else:
                end = part
        if end is None:
            raise ProviderError(f"The {self.label.lower()}'s answer has no end.", code="provider_error")
        if not said.text.strip():
            reason = f"The {self.label.lower()} returned no text."
            yield TierAttempt(self._work(backend, plan, end.usage, "failed", started), reason)
            raise ProviderError(f"{reason} Ask again, or choose another rung.", code="provider_empty_answer")
        if text := said.rest():
            yield TierDelta(text)
        yield self._checked(backend, plan, request, said.text, end, started)

    def _checked(
        self,
        backend: ChatBackend,
        plan: Plan,
        request: TierRequest,
        text: str,
        end: ChatEnd,
        started: float,
    ) -> TierAnswer:
        clean = without_links(text, known_addresses(plan.prompt.passages))
        checked = check_citations(clean, plan.prompt.passages)
        not_found = says_not_found(text)
        abstained = not_found or not checked.citations
        shown = NOTHING_FOUND if not_found else UNSUPPORTED if abstained else checked.text
        return TierAnswer(
            text=shown,
            citations=() if abstained else checked.citations,
            abstained=abstained,
            signals=_signals(request.standalone, checked, end),
            work=self._work(backend, plan, end.usage, "abstained" if abstained else "answered", started),
            prompt_id=plan.prompt.id,
            notes=(*plan.notes, *_notes(checked, end), *((LINKS_REMOVED,) if clean != text else ())),
        )

    def _work(
        self, backend: ChatBackend, plan: Plan, usage: ChatUsage, outcome: Outcome, started: float
    ) -> Work:
        return Work(
            tier=self.name,
            model=plan.model,
            outcome=outcome,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost_nano=backend.prices.cost_nano(usage.input_tokens, usage.output_tokens, usage.cached_tokens),
            duration_ms=round((time.monotonic() - started) * 1000),
            provider_request_id=usage.request_id,
            estimated=usage.estimated,
        )

    def _modelled(self, input_tokens: int, output_tokens: int) -> Work:
        model: str
        prices: Prices
        if isinstance(self._backend, str) or self._backend.prices.problem is not None:
            model, prices = "reference", self._reference()
        else:
            model, prices = self._backend.model.name, self._backend.prices
        cost = prices.cost_nano(input_tokens, output_tokens)
        return Work(self.name, model, "answered", input_tokens, output_tokens, cost, estimated=True)

    def _reference(self) -> ModelPrices:
        reference = self._settings.reference
        if reference is None or reference.currency != self._currency:
            return ModelPrices(Decimal(0), Decimal(0), Decimal(0), "none")
        return ModelPrices(reference.input_price, reference.output_price, reference.input_price, "tiers.toml")


def _signals(question: str, checked: CheckedAnswer, end: ChatEnd) -> Signals:
    """What the answer and what it cites hold of the question; how sure the model was of its words."""
    cited = " ".join(
        f"{c.passage.title} {' '.join(c.passage.heading_path)} {c.quote}" for c in checked.citations
    )
    offered = set(content_words(f"{checked.text} {cited}"))
    marks = len(checked.citations) + checked.dropped
    return Signals(
        coverage=coverage(set(content_words(question)), offered),
        names=coverage(set(named), offered) if (named := names(question)) else None,
        kind=offers(checked.text, asked) if (asked := kinds_asked(question)) else None,
        mean_logprob=end.mean_logprob,
        least_logprob=end.least_logprob,
        supported=len(checked.citations) / marks if marks else None,
    )


def _notes(checked: CheckedAnswer, end: ChatEnd) -> list[str]:
    notes = []
    if checked.dropped:
        what = "1 citation" if checked.dropped == 1 else f"{checked.dropped} citations"
        were = "was" if checked.dropped == 1 else "were"
        notes.append(f"{what} that no passage supports {were} dropped.")
    if end.finish_reason == "length":
        notes.append("The answer was cut at the length limit.")
    if end.usage.estimated:
        notes.append("The provider reported no usage: the tokens are our estimate.")
    return notes
