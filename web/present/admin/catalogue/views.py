"""Values of the catalogue, as its templates show them: amounts and shares already in words."""

from dataclasses import dataclass

from web.present.views import Tone, When


@dataclass(frozen=True, slots=True)
class SparkView:
    """A small line: `points` of an SVG polyline in a field of 120 by 28, and what it shows in words."""

    points: str
    label: str


@dataclass(frozen=True, slots=True)
class DayView:
    day: str
    calls: str
    tokens: str
    cost: str


@dataclass(frozen=True, slots=True)
class FiguresView:
    """One model over the period; `quality` says over how many judged answers, with its interval."""

    tier: str
    model: str
    calls: int
    tokens: str
    cost: str
    p50: str
    p95: str
    errors: str
    tone: Tone
    quality: str
    interval: str
    spark: SparkView
    days: tuple[DayView, ...]


@dataclass(frozen=True, slots=True)
class PriceView:
    """A price a million tokens; `problem` says why there is none."""

    deployment: str
    model: str
    read: str
    cached: str
    written: str
    source: str
    since: When | None
    upcoming: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class PriceEntryView:
    deployment: str
    model: str
    read: str
    cached: str
    written: str
    since: str
    state: str
    tone: Tone
    by: str
    source: str


@dataclass(frozen=True, slots=True)
class PriceFormView:
    """The form for a new entry, as it was filled in. `field` names the field that `error` is about."""

    models: tuple[tuple[str, str], ...]
    currency: str
    model: str = ""
    input_price: str = ""
    output_price: str = ""
    cached_price: str = ""
    since: str = ""
    source: str = ""
    error: str | None = None
    code: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class DeploymentView:
    name: str
    state: str
    tone: Tone
    since: When | None
    calls: str
    last_error: str | None


@dataclass(frozen=True, slots=True)
class PromptView:
    """A prompt in the list. `role` says where it speaks; `helps` what it does where it speaks on no rung."""

    id: str
    href: str
    tiers: str
    role: str
    tone: Tone
    cases: int
    problem: str
    sha256: str
    helps: str


@dataclass(frozen=True, slots=True)
class DifferenceView:
    """What lies between two prompts; `by` and `interval` are empty where `n` questions are too few."""

    name: str
    words: str
    tone: Tone
    by: str
    interval: str
    n: int


@dataclass(frozen=True, slots=True)
class RungPromptView:
    """What speaks on a rung."""

    tier: str
    prompt_id: str
    prompt_href: str
    since: When | None
    by: str
    trial: str
    compared: tuple[tuple[str, ...], ...]
    differences: tuple[DifferenceView, ...]
    promote_href: str | None
    rollback_href: str | None
    stop_href: str | None


@dataclass(frozen=True, slots=True)
class PromptEventView:
    at: When | None
    by: str
    words: str


@dataclass(frozen=True, slots=True)
class TrialPlanView:
    """What a trial would ask and cost. `suggested` is a bound as the form takes it."""

    against: str
    asks: str
    about: str
    most: str
    suggested: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrialFormView:
    """What to try a prompt on. `field` names the field that `error` is about."""

    past: bool = False
    limit: str = "50"
    most: str = ""
    currency: str = ""
    error: str | None = None
    code: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class TrialView:
    """A trial as a table: a name a line and what each side has for it."""

    id: str
    href: str
    at: When | None
    by: str
    title: str
    state: str
    tone: Tone
    is_running: bool
    is_stopping: bool
    done: int
    total: int
    percent: int
    cost: str
    sides: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    differences: tuple[DifferenceView, ...]
    verdict: str
    notes: tuple[str, ...]
    broken: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class CaseView:
    """A test case. `given` are the two answers that a judge is to compare."""

    id: str
    kind: str
    question: str
    rules: str
    given: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShareFormView:
    percent: str = "5"
    error: str | None = None
    code: str = ""
