"""How good the answers are and what decides between the rungs, for admins: the last days, and the policy."""

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from app.core.errors import InputError
from app.core.identity import Caller
from web.auth import QuietAdmin
from web.contexts import PolicyPage, QualityPage
from web.deps import Given, Services, Show
from web.present.admin.policy import curve_view, form_of, policy_state
from web.present.admin.policy_form import PolicyFields, read_fields
from web.present.admin.quality import quality_view
from web.present.admin.quality_views import PolicyFormView
from web.present.frame import frame_for
from web.render import Renderer, go_to

pages = APIRouter(include_in_schema=False)

_PERIODS = (7, 30, 90)
_NEWS: Mapping[str, str] = {
    "chosen": "The policy is chosen. It counts from the next question on.",
    "calibrated": "Calibrated: the thresholds were fitted to the labels there are now.",
    "unchanged": "Calibrated: nothing changed.",
}
_Text = Annotated[str, Form(max_length=40)]


@pages.get("/quality")
def quality(
    request: Request,
    caller: QuietAdmin,
    services: Given,
    show: Show,
    days: Annotated[int, Query(ge=1, le=366)] = 30,
) -> Response:
    report = services.policies.quality(caller.workspace_id, days)
    return show.page(
        QualityPage(
            frame=frame_for(request, "Quality", "quality"),
            day_links=tuple((f"{n} days", f"/quality?days={n}", n == days) for n in _PERIODS),
            quality=quality_view(report, services.clock()),
        )
    )


@pages.get("/quality/policy")
def policy(
    request: Request,
    caller: QuietAdmin,
    services: Given,
    show: Show,
    local: Annotated[int | None, Query(ge=0, le=100)] = None,
    take: bool = False,
    done: Annotated[Literal["chosen", "calibrated", "unchanged"] | None, Query()] = None,
) -> Response:
    """The policy. `local` looks at a point of the curve; `take` puts its share of premium into the form."""
    return _policy_page(
        request, caller, services, show, local=local, take=take, news=_NEWS[done] if done else None
    )


@pages.post("/quality/policy")
def choose(
    request: Request,
    caller: QuietAdmin,
    services: Given,
    show: Show,
    kind: _Text = "",
    quality_percent: _Text = "",
    confidence_percent: _Text = "",
    value: _Text = "",
    premium_percent: _Text = "",
    window_days: _Text = "",
    shadow_percent: _Text = "",
    steps: _Text = "",
    tokens: _Text = "",
    question_cost: _Text = "",
) -> Response:
    """Writes the choice, or says beside each field what is wrong with it."""
    fields = PolicyFields(
        kind=kind,
        quality_percent=quality_percent,
        confidence_percent=confidence_percent,
        value=value,
        premium_percent=premium_percent,
        window_days=window_days,
        shadow_percent=shadow_percent,
        steps=steps,
        tokens=tokens,
        question_cost=question_cost,
    )
    read = read_fields(fields)
    errors = dict(read.errors)
    if read.objective is not None and not errors:
        try:
            services.policies.choose(
                caller, read.objective, shadow_share=read.shadow_share, limits=read.limits
            )
        except InputError as error:
            errors[fields.field_of(error.code)] = error.message
        else:
            return go_to(request, "/quality/policy?done=chosen")
    currency = services.policies.view(caller.workspace_id).currency
    return _policy_page(request, caller, services, show, form=fields.shown(currency, errors))


@pages.post("/quality/policy/calibrate")
def calibrate(request: Request, caller: QuietAdmin, services: Given) -> Response:
    report = services.policies.calibrate(caller.workspace_id, by=caller.name)
    return go_to(request, f"/quality/policy?done={'calibrated' if report.changed else 'unchanged'}")


def _policy_page(
    request: Request,
    caller: Caller,
    services: Services,
    show: Renderer,
    *,
    local: int | None = None,
    take: bool = False,
    form: PolicyFormView | None = None,
    news: str | None = None,
) -> Response:
    view = services.policies.view(caller.workspace_id)
    curve = services.policies.curve(caller.workspace_id)
    premium = 100 - local if take and local is not None else None
    page = PolicyPage(
        frame=frame_for(request, "Policy", "quality"),
        policy=policy_state(view, services.clock()),
        form=form or form_of(view, premium_percent=premium),
        curve=curve_view(curve, view.objective, local),
        news=news,
    )
    return show.page(page, status=422 if form else 200)
