"""What the API of sources takes and gives. Secrets only ever go in."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.core.identity import parse_access
from ingest.sources import AccessChoice, Schedule

Who = Annotated[str, Field(max_length=300)]


class RunOut(BaseModel):
    """A sync run. `wording` says in words how it ended, such as `complete with 3 failures`; `code` is why it
    waits, is paused or failed."""

    id: str
    state: str
    wording: str
    started_at: datetime
    finished_at: datetime | None
    listed: int
    upserted: int
    unchanged: int
    deleted: int
    failed: int
    skipped: int
    kind: str
    code: str
    message: str
    to_remove: int
    resume_at: datetime | None
    asked_by: str


class AccessShape(BaseModel):
    """`mode` is `source` (each document as the source says, `default` where it says nothing) or `fixed`
    (`default` alone). `default` holds `everyone` or `group:NAME`; empty means nobody."""

    model_config = ConfigDict(extra="forbid")

    mode: Literal["source", "fixed"]
    default: list[Who] = Field(default_factory=list, max_length=500)

    def choice(self) -> AccessChoice:
        return AccessChoice(self.mode, parse_access(self.default))


class ScheduleShape(BaseModel):
    """Without `every_minutes` only by hand; `watch` takes changes in as they happen, where the kind can."""

    model_config = ConfigDict(extra="forbid")

    every_minutes: int | None
    watch: bool = False
    prune_share_max: float = Field(0.3, ge=0, le=1)

    def schedule(self) -> Schedule:
        return Schedule(self.every_minutes, self.watch, self.prune_share_max)


class SourceOut(BaseModel):
    """`state` is `draft`, `active` or `paused`."""

    name: str
    kind: str
    documents: int
    last_run: RunOut | None
    state: str
    chunks: int
    syncing: bool
    created_at: datetime
    created_by: str
    next_sync_at: datetime | None
    access: AccessShape
    schedule: ScheduleShape


class SourcesOut(BaseModel):
    sources: list[SourceOut]


class SecretOut(BaseModel):
    """That a secret is set: never what it is."""

    field: str
    set_at: datetime
    set_by: str


class SourceDetailOut(SourceOut):
    settings: dict[str, Any]
    secrets: list[SecretOut]


class NewSource(BaseModel):
    """A draft: it is read once it is started."""

    model_config = ConfigDict(extra="forbid")

    kind: Annotated[str, Field(max_length=50)]
    name: Annotated[str, Field(max_length=200)]
    settings: dict[str, Any]


class SettingsIn(BaseModel):
    """All settings. A secret that is not among them stays; those named in `forget` are taken away. `name`
    renames a draft."""

    model_config = ConfigDict(extra="forbid")

    settings: dict[str, Any]
    forget: list[Annotated[str, Field(max_length=100)]] = Field(default_factory=list, max_length=50)
    name: Annotated[str, Field(max_length=200)] | None = None


class RetryIn(BaseModel):
    """Which failures: these ids, those of a code, or all where both are left out."""

    model_config = ConfigDict(extra="forbid")

    external_ids: list[Annotated[str, Field(max_length=4000)]] | None = Field(None, max_length=1000)
    code: Annotated[str, Field(max_length=100)] | None = None


class RunIdOut(BaseModel):
    run_id: str


class ConnectorOut(BaseModel):
    """A kind of source. `settings` is a JSON schema; `secrets` names the settings that are secrets."""

    kind: str
    title: str
    summary: str
    needs: str
    tells_access: bool
    settings: dict[str, Any]
    secrets: list[str]


class ConnectorsOut(BaseModel):
    connectors: list[ConnectorOut]


class FindingOut(BaseModel):
    ok: bool
    what: str
    remedy: str


class CheckOut(BaseModel):
    ok: bool
    message: str
    findings: list[FindingOut]


class NoteOut(BaseModel):
    """What of a document could not be read."""

    code: str
    text: str


class PreviewDocumentOut(BaseModel):
    """`places` are pages and sections as citations name them, `pages` how many there are, `language` an
    ISO 639-1 code or empty."""

    external_id: str
    title: str
    text: str
    chunks: int
    headings: list[str]
    url: str | None
    author: str | None
    updated_at: datetime | None
    media_type: str
    access: list[str]
    size_bytes: int
    places: list[str]
    pages: int | None
    language: str
    notes: list[NoteOut]


class FailureOut(BaseModel):
    external_id: str
    code: str
    reason: str
    skipped: bool


class PreviewOut(BaseModel):
    """`ended`: the source has no more than this; `in_time`: the time sufficed for ten."""

    documents: list[PreviewDocumentOut]
    failures: list[FailureOut]
    ended: bool
    in_time: bool


class EstimateOut(BaseModel):
    documents: int
    at_least: bool
    size_bytes: int | None
    seconds: float
    documents_per_second: float
    measured: bool
    space_bytes: int


class ProgressOut(BaseModel):
    """How far the open run is; `open` is false where none is, and the rest empty. `has_worker` is whether a
    worker is there that would take it up."""

    open: bool
    has_worker: bool
    run_id: str | None = None
    state: str | None = None
    documents_done: int | None = None
    documents_total: int | None = None
    documents_per_second: float | None = None
    chunks_per_second: float | None = None
    seconds_left: float | None = None
    reason: str = ""
    resume_at: datetime | None = None


class FailureGroupOut(BaseModel):
    code: str
    reason: str
    skipped: bool
    count: int
    latest: list[FailureOut]


class FailuresOut(BaseModel):
    groups: list[FailureGroupOut]


class FailureListOut(BaseModel):
    """A page of the failures of one cause; `count` is how many there are in all."""

    count: int
    failures: list[FailureOut]


class ChangeOut(BaseModel):
    """`kind` is `new`, `changed`, `moved`, `removed` or `access`."""

    external_id: str
    kind: str
    title: str
    at: datetime


class ChangesOut(BaseModel):
    run_id: str | None
    changes: list[ChangeOut]


class RunsOut(BaseModel):
    runs: list[RunOut]


class AuditOut(BaseModel):
    at: datetime
    actor: str
    action: str
    details: dict[str, str | int | float | bool | None]


class AuditsOut(BaseModel):
    entries: list[AuditOut]


class RemovedOut(BaseModel):
    documents: int
