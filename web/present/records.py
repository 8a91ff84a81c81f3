"""Sources and their runs as the pages show them."""

from collections.abc import Sequence
from datetime import datetime

from ingest.sources import FailureInfo, RunInfo, SourceInfo
from web.deps import Services
from web.present.views import FailureGroupView, FailureView, RunView, SourceView, Tone, when

_SHOWN_FAILURES = 50

_ADVICE: dict[str, tuple[str, str]] = {
    "encrypted": ("Protected by a password", "Save a copy without a password where Rung can read it."),
    "damaged": ("Damaged or cut off", "Open the file in the program that made it and save it again."),
    "empty": ("Empty", "Nothing is lost: there is no text to find."),
    "too_large": ("Too large", "Split the file, or raise RUNG_MAX_FILE_BYTES."),
    "invalid_encoding": ("Not valid text", "Save the file as UTF-8."),
    "archive_bomb": ("Unpacks to far more than it should", "Do not open it; find out where it came from."),
    "unsupported_format": ("Formats that Rung does not read", "Nothing to do, unless it holds text people need."),
    "no_text": ("No text in it", "It may be a scan: run text recognition on it first."),
    "too_slow": ("Took too long to read", "Split the file, or raise RUNG_PARSE_TIMEOUT_SECONDS."),
    "too_much_memory": ("Needed too much memory", "Split the file, or raise RUNG_PARSE_MEMORY_BYTES."),
    "parser_crashed": ("The reader broke on it", "Save the file again; if that does not help, report it."),
    "vanished": ("Gone while it was read", "The next run settles it."),
    "permission_denied": ("Rung may not open it", "Let the account that runs Rung read the file."),
    "symlink_loop": ("A link that leads to itself", "Remove the link."),
    "outside_source": ("A link that leaves the source", "Add the place it leads to as a source of its own."),
    "access_file_invalid": (
        "Access file that cannot be read",
        "Until it is mended nobody sees what lies in its folder. Correct the .access.toml.",
    ),
}


def source_names(services: Services) -> tuple[str, ...]:
    return tuple(source.name for source in services.sources.list())


def source_view(source: SourceInfo, now: datetime) -> SourceView:
    run = source.last_run
    return SourceView(
        name=source.name,
        href=f"/sources/{source.name}",
        kind=source.kind,
        location=str(source.settings.get("path", "")),
        state=run.wording if run else "never read",
        tone=_tone(run),
        documents=source.documents,
        last_run=when(run.finished_at or run.started_at, now) if run else None,
        summary=run.message if run else "",
        access=", ".join(source.default_access) or "nobody, unless an .access.toml says so",
    )


def run_view(run: RunInfo, now: datetime) -> RunView:
    return RunView(
        started=when(run.started_at, now),
        state=run.wording,
        tone=_tone(run),
        summary=run.message,
        counts=(
            ("Listed", run.listed),
            ("New or changed", run.upserted),
            ("Unchanged", run.unchanged),
            ("Removed", run.deleted),
            ("Failed", run.failed),
            ("Skipped", run.skipped),
        ),
    )


def failure_groups(failures: Sequence[FailureInfo]) -> tuple[FailureGroupView, ...]:
    """Failures by reason, the most frequent first, each group with what to do."""
    by_code: dict[str, list[FailureInfo]] = {}
    for failure in failures:
        by_code.setdefault(failure.code, []).append(failure)
    ordered = sorted(by_code.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(_group(code, found) for code, found in ordered)


def _group(code: str, found: list[FailureInfo]) -> FailureGroupView:
    title, advice = _ADVICE.get(code, (code.replace("_", " ").capitalize(), ""))
    return FailureGroupView(
        code=code,
        title=title,
        advice=advice,
        items=tuple(FailureView(failure.path, failure.reason) for failure in found[:_SHOWN_FAILURES]),
        more=max(0, len(found) - _SHOWN_FAILURES),
    )


def _tone(run: RunInfo | None) -> Tone:
    if run is None or run.state in ("queued", "running", "cancelled"):
        return "quiet"
    if run.state == "complete":
        return "warn" if run.failed else "good"
    return "bad" if run.state == "failed" else "warn"
