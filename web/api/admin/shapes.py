"""Models, rungs and adapters as the API gives them."""

from collections.abc import Sequence
from datetime import date, datetime

from pydantic import BaseModel, ConfigDict, Field

from app.core.errors import RungError
from routing.adapters.adapter import Adapter, AdapterVersion, Assignment, Judgement, Scope, ServerState
from routing.catalogue.figures import ModelFigures
from routing.llm.deployments import HasDeployments
from web.deps import Services
from web.present.admin.views import RungView


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RungOut(BaseModel):
    """A rung, cheapest first. `unavailable` says why it cannot be used now and what to do.

    `answered` counts the workspace's answers of the last 30 days.
    """

    name: str
    label: str
    answers: str = Field(description="The model, and its adapters, in words.")
    unavailable: str | None
    price: str = Field(description="What the plan charges, in words.")
    answered: int
    share_percent: int


class ServerOut(BaseModel):
    """The chat server that carries the adapters; `url` is nothing where none is set up."""

    url: str | None
    reachable: bool
    base_model: str | None
    loaded: list[str]
    problem: str


class ReaderOut(BaseModel):
    """The reading adapter that Rung brings along; `problem` says why it cannot be used."""

    name: str | None = None
    base: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    trained_at: str | None = None
    trained_on: dict[str, int] = Field(default_factory=dict)
    scores: dict[str, float] = Field(default_factory=dict)
    problem: str | None = None


class JudgementOut(BaseModel):
    """Means between 0 and 1 over the same held-out questions."""

    judged_at: datetime
    questions: int
    score: float
    against: str
    against_score: float
    better: bool
    reason: str


class VersionOut(BaseModel):
    """`access` is nothing for a version that serves who may read all documents it was made of."""

    adapter: str
    version: int
    served_name: str
    state: str
    base_model: str
    rank: int
    size_bytes: int
    sha256: str
    examples: int
    documents: int
    access: list[str] | None
    created_at: datetime
    created_by: str
    judgement: JudgementOut | None
    problem: str


class AdapterOut(BaseModel):
    """An adapter with its versions, newest first."""

    name: str
    in_service: int | None
    candidate: int | None
    previous: int | None
    versions: list[VersionOut]


class QualityOut(BaseModel):
    """The share of judged answers that were right, with its 95% interval."""

    right: int
    judged: int
    share: float
    low: float
    high: float


class DayOut(BaseModel):
    day: date
    calls: int
    tokens: int
    cost_nano: int


class ModelFiguresOut(BaseModel):
    """What one model did on one rung in the period, calls that failed included; `days` oldest first."""

    tier: str
    model: str
    calls: int
    failed: int
    error_rate: float
    answers: int
    input_tokens: int
    output_tokens: int
    cost_nano: int
    p50_ms: int | None
    p95_ms: int | None
    quality: QualityOut | None
    days: list[DayOut]


class DeploymentOut(BaseModel):
    """How a deployment of the premium model does, in this process."""

    name: str
    state: str
    last_error: str | None
    since: datetime
    calls: int
    failures: int
    minutes: int


class ModelsOut(BaseModel):
    rungs: list[RungOut]
    server: ServerOut
    reader: ReaderOut | None
    adapters: list[AdapterOut]
    figures: list[ModelFiguresOut]
    deployments: list[DeploymentOut]


class AssignmentOut(BaseModel):
    """`value` is a team or a source kind, and empty for the workspace."""

    id: str
    scope: Scope
    value: str
    adapter: str


class AssignmentsOut(BaseModel):
    assignments: list[AssignmentOut]


class AssignIn(_In):
    scope: Scope
    value: str = Field("", max_length=200)
    adapter: str = Field(max_length=200)


class PublishIn(_In):
    """Without a version, the newest candidate."""

    version: int | None = Field(None, ge=1, le=1_000_000)


class RetireIn(_In):
    """Without a version, the newest that is not retired; `in_service` allows the one that answers now."""

    version: int | None = Field(None, ge=1, le=1_000_000)
    in_service: bool = False


def rung_out(view: RungView) -> RungOut:
    return RungOut(
        name=view.name,
        label=view.label,
        answers=view.answers,
        unavailable=view.problem,
        price=view.price,
        answered=view.answered,
        share_percent=view.share_percent,
    )


def server_out(server: ServerState) -> ServerOut:
    return ServerOut(
        url=server.url,
        reachable=server.reachable,
        base_model=server.base_model,
        loaded=list(server.loaded),
        problem=server.problem,
    )


def reader_out(services: Services) -> ReaderOut | None:
    try:
        card = services.reader_card()
    except RungError as error:
        return ReaderOut(problem=error.message)
    if card is None:
        return None
    return ReaderOut(
        name=card.name,
        base=card.base,
        sha256=card.sha256,
        size_bytes=card.size_bytes,
        trained_at=card.trained_at,
        trained_on=dict(card.trained_on),
        scores=dict(card.scores),
    )


def version_out(version: AdapterVersion) -> VersionOut:
    return VersionOut(
        adapter=version.adapter,
        version=version.version,
        served_name=version.served_name,
        state=version.state,
        base_model=version.base_model,
        rank=version.rank,
        size_bytes=version.size_bytes,
        sha256=version.sha256,
        examples=version.examples,
        documents=version.documents,
        access=None if version.access is None else list(version.access),
        created_at=version.created_at,
        created_by=version.created_by,
        judgement=_judgement(version.judgement) if version.judgement else None,
        problem=version.problem,
    )


def _judgement(judgement: Judgement) -> JudgementOut:
    return JudgementOut(
        judged_at=judgement.judged_at,
        questions=judgement.questions,
        score=judgement.score,
        against=judgement.against,
        against_score=judgement.against_score,
        better=judgement.better,
        reason=judgement.reason,
    )


def adapter_out(adapter: Adapter) -> AdapterOut:
    def number(version: AdapterVersion | None) -> int | None:
        return version.version if version else None

    return AdapterOut(
        name=adapter.name,
        in_service=number(adapter.in_service),
        candidate=number(adapter.candidate),
        previous=number(adapter.previous),
        versions=[version_out(version) for version in adapter.versions],
    )


def assignment_out(assignment: Assignment) -> AssignmentOut:
    return AssignmentOut(
        id=assignment.id, scope=assignment.scope, value=assignment.value, adapter=assignment.adapter
    )


def assignments_out(assignments: Sequence[Assignment]) -> AssignmentsOut:
    return AssignmentsOut(assignments=[assignment_out(found) for found in assignments])


def figures_out(found: ModelFigures) -> ModelFiguresOut:
    quality = found.quality
    return ModelFiguresOut(
        tier=found.tier,
        model=found.model,
        calls=found.calls,
        failed=found.failed,
        error_rate=found.error_rate,
        answers=found.answers,
        input_tokens=found.input_tokens,
        output_tokens=found.output_tokens,
        cost_nano=found.cost_nano,
        p50_ms=found.p50_ms,
        p95_ms=found.p95_ms,
        quality=None
        if quality is None
        else QualityOut(
            right=quality.right,
            judged=quality.judged,
            share=quality.share,
            low=quality.low,
            high=quality.high,
        ),
        days=[DayOut(day=d.day, calls=d.calls, tokens=d.tokens, cost_nano=d.cost_nano) for d in found.days],
    )


def deployments_out(services: Services) -> list[DeploymentOut]:
    """Of the rungs that have several deployments."""
    return [
        DeploymentOut(
            name=state.name,
            state=state.state,
            last_error=state.last_error,
            since=state.since,
            calls=state.calls,
            failures=state.failures,
            minutes=state.minutes,
        )
        for tier in services.asks.answerer.ladder.tiers
        if isinstance(tier, HasDeployments)
        for state in tier.deployments()
    ]
