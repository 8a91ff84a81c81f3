"""The ladder: what a rung is, and the ordered table of rungs in `tiers.toml`, cheapest first."""

import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.core.errors import ConfigurationError, InputError
from app.core.identity import Caller
from app.core.usage import Work
from retrieval.passage import Passage
from routing.citation import SpanCitation
from routing.reading.signs import ReadingSigns

LADDER_FILE = Path(__file__).with_name("tiers.toml")

AUTO = "auto"
"""What people name when Rung should choose the rung itself."""


RungKind = Literal["reader", "chat"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ReaderSettings(_Strict):
    """Settings of a rung that quotes the answering sentences."""

    passages: int = Field(ge=1, le=20, description="How many of the top passages are read.")
    abstain_below: float = Field(
        ge=0, le=1, description="Probability that the best sentence answers, under which nothing is said."
    )


class ReferencePrices(_Strict):
    """Prices a million tokens, for the modelled baseline while the rung is not set up."""

    currency: str = Field(pattern=r"^[A-Z]{3}$")
    input_price: Decimal = Field(ge=0, strict=False)
    output_price: Decimal = Field(ge=0, strict=False)


class ChatSettings(_Strict):
    """Settings of a rung that asks a chat model."""

    deployment: Literal["local", "premium"] = Field(description="Whose address, key and prices it uses.")
    prompt: str = Field(min_length=1, description="File in routing/llm/prompts, without its ending.")
    passages: int = Field(ge=1, le=50)
    max_input_tokens: int = Field(ge=500)
    max_output_tokens: int = Field(ge=50)
    expected_output_tokens: int = Field(ge=1)
    longest_answer_seconds: float = Field(gt=0)
    closed_book_tokens: int = Field(
        0, ge=0, le=200, description="For local alone: the most it may say without passages; 0 asks nothing."
    )
    steps: int = Field(1, ge=1, le=20, description="Calls one question may take; one never searches again.")
    max_step_tokens: int = Field(1500, ge=200, description="Most tokens of passages that one step may add.")
    max_total_tokens: int | None = Field(
        None, ge=1000, description="Most tokens, read and written, of all calls of one question."
    )
    max_cost: Decimal | None = Field(
        None, gt=0, strict=False, description="Most that one question may cost us, in the plan's currency."
    )
    reference: ReferencePrices | None = Field(None, description="For premium alone.")

    @model_validator(mode="after")
    def _reference_for_premium_alone(self) -> "ChatSettings":
        if (self.deployment == "premium") != (self.reference is not None):
            raise ValueError("the premium deployment needs [tier.chat.reference], and no other has it")
        if self.deployment != "premium" and self.steps > 1:
            raise ValueError("only the premium deployment works in steps")
        return self


class TierSpec(_Strict):
    """One `[[tier]]` of the file. Exactly the settings of its kind must stand beside it."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")
    kind: RungKind
    label: str = Field(min_length=1)
    reader: ReaderSettings | None = None
    chat: ChatSettings | None = None

    @model_validator(mode="after")
    def _settings_of_its_kind(self) -> "TierSpec":
        given = {kind for kind in ("reader", "chat") if getattr(self, kind) is not None}
        if given != {self.kind}:
            raise ValueError(f"a rung of kind {self.kind} needs the table [tier.{self.kind}] and no other")
        return self


class _LadderFile(_Strict):
    tier: tuple[TierSpec, ...] = Field(min_length=1, strict=False)

    @model_validator(mode="after")
    def _names_differ(self) -> "_LadderFile":
        names = [spec.name for spec in self.tier]
        if len(set(names)) < len(names) or AUTO in names:
            raise ValueError(f"names must differ from each other and from {AUTO}")
        return self


def load_specs(path: Path = LADDER_FILE) -> tuple[TierSpec, ...]:
    """The rungs of a ladder file, cheapest first.

    Raises:
        ConfigurationError: `bad_ladder`, names the file and each key that cannot be used.
    """
    try:
        return _LadderFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).tier
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}", code="bad_ladder") from error
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])) or 'tier'}: {e['msg']}" for e in error.errors()]
        raise ConfigurationError(
            f"{path} cannot be used:\n  " + "\n  ".join(lines), code="bad_ladder"
        ) from error


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question of the conversation and what was answered."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class TierLimits:
    """What one question may use on a rung; `None` leaves the rung's own setting.

    steps: calls of a model, the last one included. tokens: input and output of all of them together.
    """

    output_tokens: int | None = None
    steps: int | None = None
    tokens: int | None = None
    cost_nano: int | None = None


SearchAgain = Callable[[str], tuple[Passage, ...]]
"""Finds passages for a sub-question, with the same access and filters as the question's own search."""


@dataclass(frozen=True, slots=True)
class EarlierAnswer:
    """What a cheaper rung said to this question, and why it was not enough."""

    tier: str
    text: str
    abstained: bool
    reason: str


@dataclass(frozen=True, slots=True)
class TierRequest:
    """What a rung gets to answer. `standalone` is the question with what it refers to, to compare with.

    `caller` asks: a rung may answer differently for different people, never with what they may not read.
    `search_again` is there where the rung may look for more; `earlier` where a cheaper rung has tried.
    `query_id` is what the question is stored as.
    """

    question: str
    standalone: str
    passages: tuple[Passage, ...]
    caller: Caller
    history: tuple[Turn, ...] = ()
    limits: TierLimits = TierLimits()
    search_again: SearchAgain | None = None
    earlier: EarlierAnswer | None = None
    query_id: str = ""


@dataclass(frozen=True, slots=True)
class TierDelta:
    """The next piece of text."""

    text: str


@dataclass(frozen=True, slots=True)
class TierAttempt:
    """A call that failed, or that was a step on the way, with what it used. The call that answers is in the
    answer itself."""

    work: Work
    reason: str


@dataclass(frozen=True, slots=True)
class Signals:
    """How far to trust an answer. `None` where a rung has no such sign.

    score: probability that the chosen sentence answers, against that none does. margin: its lead over the
    likeliest different answer. coverage: share of the question's words in the answer. names: the same of
    what it names and numbers. kind: whether it holds the kind of thing asked for. agreement: passages that
    say the same. mean_logprob, least_logprob: of the answer's tokens, natural logarithms, by the model that
    wrote it. supported: share of its citations that the passages support. closed_book: how far the answer
    agrees with what the same model says without any passage, from 0 to 1; closed_book_text: what it said.
    reading: what the reading model made of all passages.
    """

    score: float | None = None
    margin: float | None = None
    mean_logprob: float | None = None
    least_logprob: float | None = None
    supported: float | None = None
    coverage: float | None = None
    names: float | None = None
    kind: float | None = None
    agreement: int | None = None
    closed_book: float | None = None
    closed_book_text: str | None = None
    reading: ReadingSigns | None = None


StepKind = Literal["search", "answer"]


@dataclass(frozen=True, slots=True)
class TierStep:
    """One step of a rung that works in several, once it is done. It becomes part of the answer's trail.

    `text` says what was done ("looking for the 2025 travel policy"); `passages` are those newly found, and
    `work` the call that decided on the step, also where its tokens are counted in an attempt.
    """

    kind: StepKind
    text: str
    query: str
    passages: tuple[Passage, ...]
    work: Work


@dataclass(frozen=True, slots=True)
class TierAnswer:
    """A rung's whole answer. Its citations are checked: `[n]` in the text is the nth of them."""

    text: str
    citations: tuple[SpanCitation, ...]
    abstained: bool
    signals: Signals
    work: Work
    prompt_id: str | None = None
    notes: tuple[str, ...] = ()


TierOutput = TierDelta | TierAttempt | TierStep | TierAnswer


class Tier(Protocol):
    """A way of answering at a known price."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> RungKind:
        """What kind of rung it is: what is told by an answer differs with it."""
        ...

    @property
    def label(self) -> str:
        """What people read, such as "Premium model"."""
        ...

    @property
    def unavailable(self) -> str | None:
        """Why the rung cannot be used now and what to do about it; nothing when it can."""
        ...

    @property
    def immediate(self) -> bool:
        """True when the whole answer is there at once, so that it is judged before a word is shown."""
        ...

    @property
    def baseline_note(self) -> str | None:
        """What to know about the modelled price of this rung; nothing when it is used as it is set up."""
        ...

    def at_most(self) -> Work:
        """The most work one answer may be, before anything is known of the question."""
        ...

    def expected(self, request: TierRequest) -> Work:
        """The work this request would probably be, for a baseline."""
        ...

    def answer(self, request: TierRequest) -> Iterator[TierOutput]:
        """Yields deltas, steps and failed attempts, then exactly one answer.

        Raises:
            ProviderError: the rung failed; its failed attempts were yielded before.
        """
        ...


ONE_CALL = "The passages covered the question, so it was answered in one call, without another search."
"""Noted where a rung that works in steps was not free to search again: there was no need."""


@dataclass(frozen=True, slots=True)
class PastCalls:
    """Calls that a rung made for so many past questions, one or more each."""

    calls: int
    questions: int


@runtime_checkable
class WorksInSteps(Protocol):
    """A rung that may make several calls for one question."""

    def expected_in_steps(self, request: TierRequest, past: PastCalls) -> Work:
        """As `Tier.expected`, with the calls that such a question took in the past, where it would be free to
        search again. What the earlier calls cost stands in `steps_cost_nano`."""
        ...


@runtime_checkable
class Rests(Protocol):
    """A rung that is left out for some seconds after its server did not answer."""

    @property
    def resting(self) -> str | None:
        """Why it is left out now; nothing when it is not."""
        ...


def resting(tier: Tier) -> str | None:
    """Why a rung is left out for some seconds; nothing when it is not, and for rungs that never rest."""
    return tier.resting if isinstance(tier, Rests) else None


class Ladder:
    """The rungs in order, cheapest first; the last is the baseline of every saving."""

    def __init__(self, tiers: Sequence[Tier]) -> None:
        if not tiers:
            raise ConfigurationError("The ladder has no rung.", code="bad_ladder")
        self.tiers = tuple(tiers)

    @property
    def cheapest(self) -> Tier:
        return self.tiers[0]

    @property
    def top(self) -> Tier:
        return self.tiers[-1]

    def available(self) -> tuple[Tier, ...]:
        """The rungs that can be used now, cheapest first."""
        return tuple(tier for tier in self.tiers if tier.unavailable is None)

    def ready(self) -> tuple[Tier, ...]:
        """The available rungs without those that rest; all of them where every one rests."""
        available = self.available()
        return tuple(tier for tier in available if resting(tier) is None) or available

    def get(self, name: str) -> Tier:
        """The rung of this name.

        Raises:
            InputError: `no_such_tier`.
        """
        for tier in self.tiers:
            if tier.name == name:
                return tier
        names = ", ".join((AUTO, *(tier.name for tier in self.tiers)))
        raise InputError(f"There is no rung {name!r}; choose one of {names}.", code="no_such_tier")

    def above(self, name: str) -> Tier | None:
        """The next rung up that can be used; where none can, the top, which says why. Nothing at the top."""
        higher = self.tiers[self.tiers.index(self.get(name)) + 1 :]
        return next((tier for tier in higher if tier.unavailable is None), higher[-1] if higher else None)
