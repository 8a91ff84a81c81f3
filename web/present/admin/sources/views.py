"""Values of sources, as their templates show them."""

from dataclasses import dataclass

from web.present.charts import Rect
from web.present.views import Option, Tone, When

SPARK_WIDTH, SPARK_HEIGHT = 100, 24


@dataclass(frozen=True, slots=True)
class SparkView:
    """Changes of the latest runs as small bars; `says` is the same in words."""

    says: str
    rects: tuple[Rect, ...]
    width: int = SPARK_WIDTH
    height: int = SPARK_HEIGHT


@dataclass(frozen=True, slots=True)
class SourceRowView:
    name: str
    href: str
    kind: str
    icon: str
    state: str
    tone: Tone
    reason: str
    documents: int
    last_run: When | None
    next_run: str
    spark: SparkView | None
    is_draft: bool


@dataclass(frozen=True, slots=True)
class TileView:
    href: str
    icon: str
    title: str
    summary: str
    needs: str


@dataclass(frozen=True, slots=True)
class StepView:
    label: str
    href: str | None
    is_current: bool


@dataclass(frozen=True, slots=True)
class FieldView:
    """A field of the form. `kept` says of a secret that it is set, since when and by whom."""

    id: str
    name: str
    kind: str
    label: str
    help: str
    value: str
    required: bool
    placeholder: str
    options: tuple[Option, ...] = ()
    whole: bool = False
    error: str = ""
    kept: str = ""
    forget_name: str = ""
    """The name of the box that takes a secret away; empty where it cannot be."""


@dataclass(frozen=True, slots=True)
class SettingsFormView:
    """`name` is nothing where the source is there already; `unfold`: an advanced field is at fault."""

    action: str
    button: str
    back_href: str
    name: FieldView | None
    fields: tuple[FieldView, ...]
    advanced: tuple[FieldView, ...]
    unfold: bool
    error: str = ""
    errors: int = 0


@dataclass(frozen=True, slots=True)
class FindingView:
    ok: bool
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class CheckView:
    ok: bool
    message: str
    findings: tuple[FindingView, ...]
    settings_href: str
    next_href: str | None


@dataclass(frozen=True, slots=True)
class PreviewDocumentView:
    title: str
    path: str
    text: str
    facts: tuple[tuple[str, str], ...]
    access: str
    access_tone: Tone


@dataclass(frozen=True, slots=True)
class PreviewView:
    summary: str
    tone: Tone
    documents: tuple[PreviewDocumentView, ...]
    failures: tuple[tuple[str, str, str], ...]
    """Path, kind of failure and reason of each."""
    error: str
    code: str
    next_href: str | None


@dataclass(frozen=True, slots=True)
class EstimateView:
    facts: tuple[tuple[str, str], ...]
    note: str
    error: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class AccessFormView:
    """Who may see a source and how often it is read, as it was written.

    `who` is `source`, `everyone` or `groups`; `otherwise` is who may see what the source says nothing of:
    `nobody`, `everyone` or `groups`. `others` are people and other entries that only stay or go.
    """

    action: str
    button: str
    back_href: str
    tells_access: bool
    who: str
    otherwise: str
    groups: tuple[Option, ...]
    every: tuple[Option, ...]
    prune_percent: str
    errors: dict[str, str]
    starts: bool


@dataclass(frozen=True, slots=True)
class ActView:
    """A button; `fields` go along with it. A `get` leads to a page that asks once more."""

    label: str
    action: str
    look: str = "outline"
    fields: tuple[tuple[str, str], ...] = ()
    get: bool = False


@dataclass(frozen=True, slots=True)
class BarView:
    """How far a run is. `done` of `total` documents; no total where it cannot be told yet."""

    done: int
    total: int | None
    percent: int | None
    rate: str
    left: str


@dataclass(frozen=True, slots=True)
class LiveView:
    """The part of a source's page that is looked at again and again while something goes on.

    `run` names what is shown: when it is another, the whole page is loaded anew.
    """

    href: str
    run: str
    every_seconds: int
    state: str
    tone: Tone
    headline: str
    next_step: str
    bar: BarView | None
    at_source: int | None
    here: int
    failed: int
    acts: tuple[ActView, ...]


@dataclass(frozen=True, slots=True)
class FailureItemView:
    path: str
    reason: str
    external_id: str


@dataclass(frozen=True, slots=True)
class FailureGroupView:
    code: str
    title: str
    advice: str
    count: int
    skipped: bool
    items: tuple[FailureItemView, ...]
    more: int
    all_href: str


@dataclass(frozen=True, slots=True)
class FailureListView:
    """A page of the failures of one cause. `first` and `last` count from 1."""

    href: str
    back_href: str
    retry_href: str
    group: FailureGroupView
    filter_text: str
    first: int
    last: int
    count: int
    previous_href: str | None
    next_href: str | None


@dataclass(frozen=True, slots=True)
class RunRowView:
    started: When | None
    state: str
    tone: Tone
    kind: str
    by: str
    summary: str
    took: str
    counts: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class ChangeView:
    kind: str
    title: str
    path: str
    at: When | None


@dataclass(frozen=True, slots=True)
class AuditView:
    words: str
    by: str
    at: When | None


@dataclass(frozen=True, slots=True)
class StatusView:
    """A source's page but for what is live."""

    name: str
    href: str
    icon: str
    kind: str
    location: str
    access: str
    access_warning: str
    schedule: str
    documents: int
    chunks: int
    added: str
    sync_command: str
    acts: tuple[ActView, ...]
