"""Sources and their runs as the pages show them."""

import shlex
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from ingest.sources import Run, Source
from ingest.sync import FailureNote
from web.deps import Services
from web.present.admin.views import FailureGroupView, FailureView, RunView, SourceView
from web.present.views import Tone, when

_SHOWN_FAILURES = 50

_WORDS: dict[str, tuple[str, str]] = {
    "encrypted": ("Protected by a password", "Save a copy without a password where Rung can read it."),
    "damaged": ("Damaged or cut off", "Open the file in the program that made it and save it again."),
    "empty": ("Empty", "Nothing is lost: there is no text to find."),
    "too_large": ("Too large", "Split the file, or raise RUNG_MAX_FILE_BYTES."),
    "invalid_encoding": ("Not valid text", "Save the file as UTF-8."),
    "archive_bomb": ("Unpacks to far more than it should", "Do not open it; find out where it came from."),
    "unsupported_format": ("Formats that Rung does not read", "Nothing to do, unless people need its text."),
    "no_text": ("No text in it", "It may be a scan: run text recognition on it first."),
    "too_slow": ("Took too long to read", "Split the file, or raise RUNG_PARSE_TIMEOUT_SECONDS."),
    "too_much_memory": ("Needed too much memory", "Split the file, or raise RUNG_PARSE_MEMORY_BYTES."),
    "parser_crashed": ("The reader broke on it", "Save the file again; if that does not help, report it."),
    "vanished": ("Gone while it was read", "The next run settles it."),
    "permission_denied": ("Rung may not open it", "Let the account that runs Rung read the file."),
    "symlink_loop": ("A link that leads to itself", "Remove the link."),
    "outside_source": ("A link that leaves the source", "Add the place it leads to as a source of its own."),
    "unreadable": ("Could not be read", "Check that the file opens where it lies."),
    "not_a_file": ("Neither file nor folder", "Nothing to do: pipes and devices hold no text."),
    "access_file_invalid": (
        "Access file that cannot be read",
        "Until it is mended nobody sees what lies in its folder. Correct the .access.toml.",
    ),
}


def source_names(services: Services) -> tuple[str, ...]:
    return tuple(source.name for source in services.sources.list())


def source_view(source: Source, now: datetime) -> SourceView:
    run = source.last_run
    return SourceView(
        name=source.name,
        href=f"/sources/{quote(source.name, safe='')}",
        sync_command=f"python -m app source sync {shlex.quote(source.name)}",
        kind=source.kind,
        location=str(source.settings.get("path", "")),
        state=run_words(run) if run else "never read",
        tone=_tone(run),
        documents=source.documents,
        last_run=when(run.finished_at or run.started_at, now) if run else None,
        summary=_details(run) if run else "",
        access=", ".join(sorted(map(str, source.default_access))) or "nobody, unless an .access.toml says so",
    )


def run_view(run: Run, now: datetime) -> RunView:
    return RunView(
        started=when(run.started_at, now),
        state=run_words(run),
        tone=_tone(run),
        summary=_details(run),
        counts=(
            ("Listed", run.counts.listed),
            ("New or changed", run.counts.upserted),
            ("Unchanged", run.counts.unchanged),
            ("Removed", run.counts.deleted),
            ("Failed", run.counts.failed),
            ("Skipped", run.counts.skipped),
        ),
    )


def failure_groups(failures: Sequence[FailureNote]) -> tuple[FailureGroupView, ...]:
    """Failures by reason, the most frequent first, each group with what to do."""
    by_code: dict[str, list[FailureNote]] = {}
    for failure in failures:
        by_code.setdefault(failure.code, []).append(failure)
    ordered = sorted(by_code.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(_group(code, found) for code, found in ordered)


def run_words(run: Run) -> str:
    """How a run ended, in a few words, such as `complete with 3 failures`."""
    failed = run.counts.failed
    if run.state in ("complete", "incomplete") and failed:
        return f"{run.state} with {failed} {'failure' if failed == 1 else 'failures'}"
    return run.state


def _group(code: str, found: list[FailureNote]) -> FailureGroupView:
    title, advice = _WORDS.get(code, (code.replace("_", " ").capitalize(), ""))
    return FailureGroupView(
        code=code,
        title=title,
        advice=advice,
        items=tuple(FailureView(failure.external_id, failure.reason) for failure in found[:_SHOWN_FAILURES]),
        more=max(0, len(found) - _SHOWN_FAILURES),
    )


def _details(run: Run) -> str:
    """The run's own words without the beginning that `run_words` says already."""
    return run.message.partition(": ")[2] or run.message


def _tone(run: Run | None) -> Tone:
    if run is None or run.state in ("queued", "running", "cancelled"):
        return "quiet"
    if run.state == "complete":
        return "warn" if run.counts.failed else "good"
    return "bad" if run.state == "failed" else "warn"
