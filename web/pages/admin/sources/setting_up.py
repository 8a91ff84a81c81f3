"""The steps that set a source up, each at its own address: settings, check, preview, who and how often.

All but the last also serve a source that is there already. Each works without a script.
"""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.core.errors import InputError, NotFoundError, RungError
from ingest.sources import SettingsError, Source
from ingest.sources.fields import read_written, write_plain
from ingest.sources.setting_up import Kind
from web.auth import Admin
from web.contexts import (
    AccessPage,
    CheckedFragment,
    CheckPage,
    EstimatedFragment,
    PreviewedFragment,
    PreviewPage,
    SourceFormPage,
)
from web.deps import Given, Services, Show
from web.pages.admin.sources.forms import Sent
from web.present.admin.sources.forms import (
    AccessWritten,
    Written,
    access_form,
    defaults,
    form_fields,
    read_access_form,
    read_choice,
    read_schedule,
    read_settings_form,
    settings_form,
    written_access,
)
from web.present.admin.sources.listing import icon_of, step_views
from web.present.admin.sources.looking import (
    check_view,
    estimate_problem,
    estimate_view,
    preview_problem,
    preview_view,
)
from web.present.admin.sources.views import CheckView, EstimateView, PreviewView, SettingsFormView
from web.present.admin.sources.words import source_href
from web.present.frame import frame_for
from web.render import Renderer, go_to, wants_fragment

pages = APIRouter(include_in_schema=False)

_FIELD_OF = {
    "unknown_group": "groups",
    "nobody_chosen": "groups",
    "access_not_told": "who",
    "invalid_schedule": "every",
    "invalid_prune_share": "prune_percent",
}


@pages.get("/sources/add/{kind}")
def new(request: Request, kind: str, _admin: Admin, services: Given, show: Show) -> Response:
    found = _kind(services, kind)
    return _new_page(request, services, show, found, Written(values=defaults(found)))


@pages.post("/sources/add/{kind}")
def make(request: Request, kind: str, admin: Admin, services: Given, show: Show, sent: Sent) -> Response:
    """Makes a draft and goes on with its check; or shows the form again."""
    found, written = _kind(services, kind), read_settings_form(sent)
    settings = read_written(form_fields(found), written.values)
    try:
        draft = services.set_up.draft(kind, written.name, settings, actor=admin.email)
    except SettingsError as error:
        return _new_page(request, services, show, found, written, error)
    return go_to(request, f"{source_href(draft.name)}/set-up/check")


@pages.get("/sources/{name}/set-up")
@pages.get("/sources/{name}/settings")
def edit(request: Request, name: str, _admin: Admin, services: Given, show: Show) -> Response:
    filled = services.set_up.filled(name)
    values = {**defaults(filled.kind), **write_plain(filled.kind.fields, filled.settings)}
    return _edit_page(request, services, show, services.sources.get(name), Written(name, values))


@pages.post("/sources/{name}/set-up")
@pages.post("/sources/{name}/settings")
def save(request: Request, name: str, admin: Admin, services: Given, show: Show, sent: Sent) -> Response:
    source, written = services.sources.get(name), read_settings_form(sent)
    filled = services.set_up.filled(name)
    settings = read_written(form_fields(filled.kind), written.values)
    try:
        changed = services.set_up.change_settings(
            name,
            settings,
            forget=written.forget,
            new_name=written.name if source.is_draft and written.has_name else None,
            actor=admin.email,
        )
    except SettingsError as error:
        return _edit_page(request, services, show, source, written, error)
    return go_to(request, f"{source_href(changed.name)}/set-up/check")


@pages.get("/sources/{name}/set-up/check")
def check_page(request: Request, name: str, _admin: Admin, services: Given, show: Show) -> Response:
    return _check_page(request, show, services.sources.get(name), None)


@pages.post("/sources/{name}/set-up/check")
def check(request: Request, name: str, admin: Admin, services: Given, show: Show) -> Response:
    """Runs the check: a part of the open page, or the page whole."""
    source = services.sources.get(name)
    view = check_view(services.set_up.check(name, actor=admin.email), name, is_draft=source.is_draft)
    if wants_fragment(request):
        return show.fragment(CheckedFragment(result=view))
    return _check_page(request, show, source, view)


@pages.get("/sources/{name}/set-up/preview")
def preview_page(request: Request, name: str, _admin: Admin, services: Given, show: Show) -> Response:
    return _preview_page(request, show, services.sources.get(name), None)


@pages.post("/sources/{name}/set-up/preview")
def preview(request: Request, name: str, admin: Admin, services: Given, show: Show) -> Response:
    """Reads ten documents: a part of the open page, or the page whole."""
    source = services.sources.get(name)
    try:
        found = services.set_up.preview(name, actor=admin.email)
        view = preview_view(
            found, name, services.clock(), chosen=not source.is_draft, is_draft=source.is_draft
        )
    except RungError as error:
        view = preview_problem(error)
    if wants_fragment(request):
        return show.fragment(PreviewedFragment(result=view))
    return _preview_page(request, show, source, view)


@pages.post("/sources/{name}/set-up/estimate")
def estimate(request: Request, name: str, admin: Admin, services: Given, show: Show) -> Response:
    """Counts what there is: a part of the open page, or the page whole."""
    source = services.sources.get(name)
    try:
        view = estimate_view(services.set_up.estimate(name, actor=admin.email))
    except RungError as error:
        view = estimate_problem(error)
    if wants_fragment(request):
        return show.fragment(EstimatedFragment(estimate=view))
    return _access_page(request, services, show, source, estimate=view)


@pages.get("/sources/{name}/set-up/start")
@pages.get("/sources/{name}/access")
def access_page(request: Request, name: str, _admin: Admin, services: Given, show: Show) -> Response:
    return _access_page(request, services, show, services.sources.get(name))


@pages.post("/sources/{name}/set-up/start")
@pages.post("/sources/{name}/access")
def save_access(
    request: Request, name: str, admin: Admin, services: Given, show: Show, sent: Sent
) -> Response:
    """Stores who may see it and how often it is read; starts a draft."""
    source, written, errors = services.sources.get(name), read_access_form(sent), dict[str, str]()
    choice, schedule = read_choice(written, errors), read_schedule(written, errors)
    if not errors:
        try:
            services.set_up.choose(name, choice, schedule, actor=admin.email)
        except RungError as error:
            errors[_FIELD_OF.get(error.code, "settings")] = error.message
    if errors:
        return _access_page(request, services, show, source, written, errors)
    if not source.is_draft:
        return go_to(request, f"{source_href(name)}?done=access")
    services.set_up.start(name, actor=admin.email)
    return go_to(request, f"{source_href(name)}?done=started")


def _kind(services: Services, kind: str) -> Kind:
    try:
        return services.set_up.kind(kind)
    except InputError as error:
        raise NotFoundError(error.message, code=error.code) from error


def _new_page(
    request: Request,
    services: Services,
    show: Renderer,
    kind: Kind,
    written: Written,
    error: SettingsError | None = None,
) -> Response:
    form = settings_form(
        kind,
        written,
        action=f"/sources/add/{kind.kind}",
        button="Save and check",
        back_href="/sources/add",
        asks_name=True,
        now=services.clock(),
        errors=error.errors if error else None,
    )
    return _form_page(request, show, kind, f"Add: {kind.about.title}", form, error)


def _edit_page(
    request: Request,
    services: Services,
    show: Renderer,
    source: Source,
    written: Written,
    error: SettingsError | None = None,
) -> Response:
    filled, href = services.set_up.filled(source.name), source_href(source.name)
    form = settings_form(
        filled.kind,
        written,
        action=f"{href}/set-up" if source.is_draft else f"{href}/settings",
        button="Save and check",
        back_href="/sources" if source.is_draft else href,
        asks_name=source.is_draft,
        now=services.clock(),
        secrets=filled.secrets,
        errors=error.errors if error else None,
    )
    return _form_page(request, show, filled.kind, f"Settings of {source.name}", form, error, source)


def _form_page(
    request: Request,
    show: Renderer,
    kind: Kind,
    title: str,
    form: SettingsFormView,
    error: SettingsError | None,
    source: Source | None = None,
) -> Response:
    steps = step_views(1, source.name if source else None) if source is None or source.is_draft else ()
    page = SourceFormPage(
        frame=frame_for(request, title, "sources"),
        title=title,
        symbol=icon_of(kind.kind),
        needs=kind.about.needs,
        steps=steps,
        form=form,
    )
    return show.page(page, status=error.status if error else 200)


def _check_page(request: Request, show: Renderer, source: Source, result: CheckView | None) -> Response:
    href = source_href(source.name)
    page = CheckPage(
        frame=frame_for(request, f"Check {source.name}", "sources"),
        name=source.name,
        action=f"{href}/set-up/check",
        back_href=f"{href}/set-up" if source.is_draft else href,
        steps=step_views(2, source.name) if source.is_draft else (),
        result=result,
    )
    return show.page(page)


def _preview_page(request: Request, show: Renderer, source: Source, result: PreviewView | None) -> Response:
    href = source_href(source.name)
    page = PreviewPage(
        frame=frame_for(request, f"Preview of {source.name}", "sources"),
        name=source.name,
        action=f"{href}/set-up/preview",
        back_href=f"{href}/set-up/check" if source.is_draft else href,
        steps=step_views(3, source.name) if source.is_draft else (),
        result=result,
    )
    return show.page(page)


def _access_page(
    request: Request,
    services: Services,
    show: Renderer,
    source: Source,
    written: AccessWritten | None = None,
    errors: Mapping[str, str] | None = None,
    *,
    estimate: EstimateView | None = None,
) -> Response:
    href, kind = source_href(source.name), services.set_up.kind(source.kind)
    tells = kind.about.tells_access
    form = access_form(
        source,
        written or written_access(source, tells_access=tells),
        services.set_up.groups(),
        tells_access=tells,
        can_watch=services.set_up.can_watch(source.kind),
        action=f"{href}/set-up/start" if source.is_draft else f"{href}/access",
        back_href=f"{href}/set-up/preview" if source.is_draft else href,
        errors=errors,
    )
    page = AccessPage(
        frame=frame_for(request, f"Who may see {source.name}", "sources"),
        name=source.name,
        estimate_action=f"{href}/set-up/estimate",
        steps=step_views(4, source.name) if source.is_draft else (),
        form=form,
        estimate=estimate,
    )
    return show.page(page, status=422 if errors else 200)
