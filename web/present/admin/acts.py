"""What publishing, going back and retiring would change, in words, before it is done."""

from typing import Literal

from app.core.errors import ConflictError, NotFoundError, RungError
from web.present.admin.views import AdapterView, ConfirmView, VersionView

Act = Literal["publish", "rollback", "retire"]

_NEWS = {
    "publish": "is in service now. It answers from the next question on.",
    "rollback": "is in service again. It answers from the next question on.",
    "retire": "is retired and off the server.",
}


def news_of(act: Act, version: int | None) -> str:
    return f"Version {version} {_NEWS[act]}" if version else f"The version {_NEWS[act]}"


def confirm_view(view: AdapterView, act: Act, version: int | None, error: RungError | None) -> ConfirmView:
    """The question before the act.

    Raises:
        NotFoundError: `no_such_version`.
        ConflictError: `no_candidate`, `no_previous` or `nothing_to_retire`, where there is nothing to do.
    """
    if act == "publish":
        return _publish(view, _chosen(view, version) or _needed(view.candidate, view, "no_candidate"), error)
    if act == "rollback":
        return _roll_back(view, _needed(view.previous, view, "no_previous"), error)
    live = next((v for v in view.versions if v.state != "retired"), None)
    return _retire(view, _chosen(view, version) or _needed(live, view, "nothing_to_retire"), error)


_MISSING = {
    "no_candidate": "{name} has no candidate to publish. Train a version first.",
    "no_previous": "{name} has no previous version to go back to.",
    "nothing_to_retire": "Every version of {name} is retired already.",
}


def _needed(found: VersionView | None, view: AdapterView, code: str) -> VersionView:
    if found is None:
        raise ConflictError(_MISSING[code].format(name=view.name), code=code)
    return found


def _chosen(view: AdapterView, version: int | None) -> VersionView | None:
    if version is None:
        return None
    found = next((v for v in view.versions if v.version == version), None)
    if found is None:
        raise NotFoundError(f"{view.name} has no version {version}.", code="no_such_version")
    return found


def _publish(view: AdapterView, version: VersionView, error: RungError | None) -> ConfirmView:
    before = view.in_service
    changes = [
        f"{version.served_name} is loaded into the chat server and answers from the next question on.",
        f"It serves {version.serves}. Others keep the base model.",
    ]
    if before is not None:
        changes.append(f"{before.served_name} no longer answers. It is kept, so that you can go back to it.")
    if view.previous is not None and before is not None:
        changes.append(f"{view.previous.served_name}, kept until now, is no longer the one to go back to.")
    is_candidate = view.candidate is not None and view.candidate.version == version.version
    return _confirm(
        view,
        "publish",
        f"Publish version {version.version} of {view.name}?",
        changes,
        f"Publish version {version.version}",
        version,
        error,
        refusal=view.refusal if is_candidate else None,
    )


def _roll_back(view: AdapterView, version: VersionView, error: RungError | None) -> ConfirmView:
    changes = [f"{version.served_name} answers again, from the next question on."]
    if view.in_service is not None:
        changes.append(
            f"{view.in_service.served_name} no longer answers. It is kept, so that you can return."
        )
    title = f"Go back to version {version.version} of {view.name}?"
    return _confirm(view, "rollback", title, changes, f"Go back to version {version.version}", None, error)


def _retire(view: AdapterView, version: VersionView, error: RungError | None) -> ConfirmView:
    changes = [f"{version.served_name} is taken off the chat server."]
    fields: tuple[tuple[str, str], ...] = ()
    if view.in_service is not None and view.in_service.version == version.version:
        whose = f" of {', '.join(view.assigned)}" if view.assigned else ""
        changes.append(f"It answers now. Questions{whose} go to the bare base model from then on.")
        fields = (("in_service", "true"),)
    elif view.previous is not None and view.previous.version == version.version:
        changes.append("It is the version to go back to: after this there is none.")
    changes.append("Its files and its history stay.")
    title = f"Retire version {version.version} of {view.name}?"
    button = f"Retire version {version.version}"
    return _confirm(view, "retire", title, changes, button, version, error, fields=fields)


def _confirm(
    view: AdapterView,
    act: Act,
    title: str,
    changes: list[str],
    button: str,
    version: VersionView | None,
    error: RungError | None,
    *,
    fields: tuple[tuple[str, str], ...] = (),
    refusal: str | None = None,
) -> ConfirmView:
    chosen = (("version", str(version.version)),) if version else ()
    return ConfirmView(
        title=title,
        changes=tuple(changes),
        button=button,
        action=f"{view.href}/{act}",
        back_href=view.href,
        fields=(*chosen, *fields),
        refusal=refusal,
        error=error.message if error else None,
        code=error.code if error else "",
    )
