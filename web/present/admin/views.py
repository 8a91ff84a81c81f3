"""Values of what admins look after, as their templates show them."""

from dataclasses import dataclass

from web.present.views import Tone, When


@dataclass(frozen=True, slots=True)
class SourceView:
    name: str
    href: str
    sync_command: str
    kind: str
    location: str
    state: str
    tone: Tone
    documents: int
    last_run: When | None
    summary: str
    access: str = ""


@dataclass(frozen=True, slots=True)
class RungView:
    """A rung of the ladder: what answers, whether it can, what it takes and how much it did."""

    name: str
    label: str
    height: int
    rungs: int
    answers: str
    state: str
    tone: Tone
    problem: str | None
    price: str
    answered: int
    share_percent: int


@dataclass(frozen=True, slots=True)
class ServerView:
    """The chat server. `url` is nothing where none is set up."""

    url: str | None
    state: str
    tone: Tone
    base_model: str | None
    loaded: tuple[str, ...]
    problem: str | None


@dataclass(frozen=True, slots=True)
class ReaderView:
    """The reading adapter that Rung brings along, from its model card; or why it cannot be used."""

    name: str = ""
    base: str = ""
    trained: str = ""
    size: str = ""
    sha256: str = ""
    scores: tuple[tuple[str, str], ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class JudgementView:
    """Two scores between 0 and 100 over the same questions, and the verdict in words."""

    verdict: str
    tone: Tone
    percent: int
    against: str
    against_percent: int
    questions: int
    reason: str
    judged: When | None


@dataclass(frozen=True, slots=True)
class VersionView:
    version: int
    served_name: str
    state: str
    tone: Tone
    is_loaded: bool
    base_model: str
    rank: int
    size: str
    sha256: str
    examples: int
    documents: int
    serves: str
    created: When | None
    created_by: str
    judgement: JudgementView | None
    problem: str


@dataclass(frozen=True, slots=True)
class AdapterView:
    """An adapter. `shown` is the version whose card stands on top: in service, else the newest.

    `refusal` says why the candidate cannot be published.
    """

    name: str
    href: str
    state: str
    tone: Tone
    versions: tuple[VersionView, ...]
    shown: VersionView
    in_service: VersionView | None
    previous: VersionView | None
    candidate: VersionView | None
    refusal: str | None
    assigned: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AssignmentView:
    id: str
    scope: str
    adapter: str
    adapter_href: str
    works: bool


@dataclass(frozen=True, slots=True)
class OptionGroup:
    """Choices under one heading; `label` is empty for choices without one."""

    label: str
    options: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class AssignFormView:
    """The form that gives questions to an adapter, with what was chosen and what is wrong with it."""

    targets: tuple[OptionGroup, ...]
    adapters: tuple[str, ...]
    target: str = ""
    adapter: str = ""
    error: str | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class ExamplesView:
    """What training would learn from now. `enough` where there are any to train on and to judge by."""

    summary: str
    serves: str
    dropped: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class EventView:
    at: When | None
    by: str
    action: str
    version: str
    detail: str


@dataclass(frozen=True, slots=True)
class ConfirmView:
    """A question before something changes: what will, what stays, and the button's words."""

    title: str
    changes: tuple[str, ...]
    button: str
    action: str
    back_href: str
    fields: tuple[tuple[str, str], ...] = ()
    refusal: str | None = None
    error: str | None = None
    code: str = ""
