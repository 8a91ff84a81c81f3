"""What a source that misbehaves gets: a state with a reason and a next step, and nothing indexed is lost."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from app.core.config import PROJECT_DIR
from app.core.errors import ConflictError, InputError, UnavailableError
from ingest.connector import Change, Checkpoint, Upsert
from ingest.document import SourceDocument
from ingest.remote import SourceWaitError, TryAgainError
from ingest.sync import guards
from ingest.sync.troubles import BACKOFF, MOST_ATTEMPTS
from tests.ingest.sync.script import Item, Script
from tests.ingest.sync.world import ANA, NAME, Clock, World
from web.present.admin.sources.words import REMEDIES

HELD = {f"page-{number:02}" for number in range(12)}

REFUSALS = [
    (InputError("It refused the password.", code="sign_in_failed"), "failed", "password"),
    (InputError("The token has run out. Enter a new one.", code="token_expired"), "failed", "enter a new"),
    (InputError("The account may not list it.", code="permission_missing"), "failed", "grant"),
    (UnavailableError("The certificate is not trusted.", code="tls_failed"), "waiting", "certificate"),
    (InputError("The clocks differ. Set this machine's.", code="clock_skew"), "failed", "set this machine's"),
    (UnavailableError("Nobody answers.", code="source_unreachable"), "waiting", "check the address"),
    (RuntimeError("a bug"), "failed", "look into the log"),
]


@pytest.mark.parametrize("at", [0, 7], ids=["at the beginning", "in the middle"])
@pytest.mark.parametrize(("error", "state", "says"), REFUSALS, ids=lambda value: getattr(value, "code", None))
def test_a_refusal_is_a_state_with_a_next_step_and_the_next_good_run_mends(
    world: World, script: Script, error: Exception, state: str, says: str, at: int
) -> None:
    world.sync()
    embedded, texts = world.embedder.embedded, {n: r.text for n, r in world.rows().items()}
    script.write("page-02", "page-09", text="# Changed\n\nOther words.", revision="2")

    def refuse(number: int) -> None:
        if number == at:
            raise error

    script.before_item = refuse
    with pytest.raises(type(error)):
        world.sync()
    world.stands(state, getattr(error, "code", "internal_error"), says)
    assert world.held() == HELD and world.last_run.counts.deleted == 0
    texts_now = {n: r.text for n, r in world.rows().items()}
    assert all(texts_now[n] in (texts[n], "Changed\n\nOther words.") for n in HELD)

    script.before_item = lambda _: None
    done = world.sync()
    assert (done.state, done.counts.held) == ("complete", 12)
    assert world.embedder.embedded == embedded + 2
    assert world.held() == HELD
    world.stands("complete", "")


_NO_END = {
    # Of acts, of set-up, and of runs that stay open: none of them ends a run.
    *("access_not_told", "claim_lost", "invalid_prune_share", "invalid_schedule", "invalid_source_name"),
    *("no_such_document", "no_such_failure", "no_such_run", "no_such_source", "nobody_chosen"),
    *("nothing_to_confirm", "nothing_to_sync", "reindex_running", "secret_needed_again", "source_exists"),
    *("source_not_ready", "source_paused", "source_started", "source_too_slow", "sync_running"),
    *("too_many_looks", "unknown_connector", "unknown_group"),
}
_ENDINGS = re.compile(
    r"(?:InputError|UnavailableError|ConfigurationError|IntegrityError|TryAgainError|WaitError|OutgoingError)"
    r"\((?:[^()]|\([^()]*\))*?code=\"([a-z_]+)\"",
    re.DOTALL,
)


def test_each_code_that_a_run_may_end_with_has_a_next_step() -> None:
    told = set[str]()
    for folder in ("ingest", "app/core/outgoing"):
        for path in (PROJECT_DIR / folder).rglob("*.py"):
            told |= set(_ENDINGS.findall(path.read_text()))
    assert {"sign_in_failed", "tls_failed", "query_writes", "address_refused"} <= told
    assert told - _NO_END - {"too_large"} - set(REMEDIES) == set()


def test_a_source_that_is_away_is_tried_again_later_and_then_named_failed(
    world: World, script: Script, clock: Clock
) -> None:
    world.sync()

    def away(_: int) -> None:
        raise UnavailableError("Nobody answers.", code="source_unreachable")

    script.before_item = away
    waits = []
    for _ in range(MOST_ATTEMPTS - 1):
        world.fails()
        world.stands("waiting", "source_unreachable", "goes on by itself")
        assert world.last_run.resume_at is not None
        waits.append(world.last_run.resume_at - clock.now)
        assert world.runs.due() == []
        clock.now = world.last_run.resume_at
        assert world.runs.due() == [("default", NAME)]
    assert waits == [BACKOFF[min(n, len(BACKOFF) - 1)] for n in range(MOST_ATTEMPTS - 1)]
    world.fails()
    world.stands("failed", "source_unreachable", f"tried {MOST_ATTEMPTS} times", "check the address")
    assert world.held() == HELD


def test_an_hour_of_429_is_waited_for_and_no_attempt_is_lost(
    world: World, script: Script, clock: Clock
) -> None:
    """The host says when to come back, again and again; the run goes on where it was, once it may."""
    world.sync()
    script.write("page-09", revision="2", text="# New\n\nText.")
    until = clock.now + timedelta(hours=1)

    def busy(number: int) -> None:
        def call() -> None:
            if clock.now < until:
                raise TryAgainError("It asks for a pause.", code="rate_limited", after_seconds=360)

        if number == 7:
            script.opened[-1].calls.run("busy.example", call)

    script.before_item = busy
    tries = 0
    while clock.now < until:
        error = world.fails()
        tries += 1
        assert isinstance(error, SourceWaitError)
        world.stands("waiting", "rate_limited", "goes on by itself", "asked for a pause")
        assert world.last_run.resume_at is not None
        assert world.last_run.resume_at >= clock.now + timedelta(seconds=360)
        assert world.runs.due() == []
        clock.now = world.last_run.resume_at
    assert tries > 3
    assert world.sync().state == "complete"
    assert world.held() == HELD


def test_429_without_a_word_of_when_is_asked_less_and_less_often(
    world: World, script: Script, clock: Clock
) -> None:
    def busy(_: int) -> None:
        def call() -> None:
            raise TryAgainError("It asks for a pause.", code="rate_limited")

        script.opened[-1].calls.run("busy.example", call)

    script.before_item = busy
    waits = []
    for _ in range(8):
        world.fails()
        world.stands("waiting", "rate_limited")
        assert world.last_run.resume_at is not None
        waits.append(world.last_run.resume_at - clock.now)
        clock.now = world.last_run.resume_at
    assert waits == sorted(waits) and waits[-1] == BACKOFF[-1]


def _endless_items(script: Script) -> Iterator[Change]:
    while True:
        for name in sorted(script.items):
            yield from _page(script, name)


def _page(script: Script, name: str) -> Iterator[Change]:
    item = script.items[name]
    yield Upsert(SourceDocument(name, f"{name}.md", item.text.encode(), item.revision, item.access))


def _empty_pages(_: Script) -> Iterator[Change]:
    while True:
        yield Checkpoint("page 7")


def _one_page_again_and_again(script: Script) -> Iterator[Change]:
    for name in ("page-00", "page-01"):
        yield from _page(script, name)
    while True:
        yield from _page(script, "page-02")
        yield Checkpoint("page 2")


@pytest.mark.parametrize("way", [_endless_items, _empty_pages, _one_page_again_and_again])
def test_paging_without_an_end_is_ended_and_nothing_is_removed(
    world: World, script: Script, monkeypatch: pytest.MonkeyPatch, way: object
) -> None:
    monkeypatch.setattr(guards, "MOST_REPEATS", 30)
    world.sync()
    script.pulling = lambda _: way(script)  # type: ignore[operator]
    done = world.sync()
    assert done.state == "incomplete"
    world.stands("incomplete", "endless_paging", "nothing was removed", "repeats itself")
    assert world.held() == HELD
    script.pulling = None
    assert world.sync().state == "complete"


def test_a_listing_without_an_end_is_ended_and_nothing_is_removed(
    world: World, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guards, "MOST_REPEATS", 30)
    world.sync()

    def forever() -> Iterator[str]:
        while True:
            yield from ("page-00", "page-01")

    script.listing = forever
    world.sync()
    world.stands("incomplete", "endless_paging", "again and again")
    assert world.held() == HELD


def test_a_page_that_comes_twice_changes_nothing(world: World, script: Script) -> None:
    def twice(_: str) -> Iterator[Change]:
        for name in [*sorted(script.items)[:6], *sorted(script.items)]:
            yield from _page(script, name)
        yield Checkpoint("", last=True)

    script.pulling = twice
    script.listing = lambda: [*sorted(script.items), *sorted(script.items)]
    done = world.sync()
    assert (done.state, done.counts.listed, done.counts.held) == ("complete", 12, 12)
    assert world.held() == HELD
    assert world.embedder.embedded == 12


def test_an_item_that_changes_while_it_is_read_ends_as_its_last_version(world: World, script: Script) -> None:
    """It comes twice in one run, each time with other words; or is gone by the time the run ends."""

    def moving(_: str) -> Iterator[Change]:
        for number, name in enumerate(sorted(script.items)):
            yield from _page(script, name)
            if number % 3 == 0:
                script.items[name] = replace(script.items[name], text="# Later\n\nNew words.", revision="2")
                yield from _page(script, name)
        del script.items["page-11"]
        script.write("page-99")
        yield Checkpoint("", last=True)

    script.pulling = moving
    world.sync()
    world.stands("incomplete", "items_missing", "page-99", "sync again")
    assert world.held() == HELD - {"page-11"}
    assert world.rows()["page-03"].text == "Later\n\nNew words."
    script.pulling = None
    assert world.sync().state == "complete"
    assert world.held() == HELD - {"page-11"} | {"page-99"}


def test_a_run_is_complete_only_if_what_is_listed_is_held_or_named(world: World, script: Script) -> None:
    script.items["page-03"].breaks = "damaged"
    script.items["page-04"].breaks = "unsupported_format"
    done = world.sync()
    counts = done.counts
    assert done.state == "complete" and counts.listed == 12
    assert (counts.held, counts.failed, counts.skipped) == (10, 1, 1)
    assert counts.held + counts.failed + counts.skipped == counts.listed
    script.listing = lambda: [*script.items, "behind-the-run", "and-another"]
    short = world.sync()
    assert short.state == "incomplete" and "2 listed items not taken in" in short.message
    world.stands("incomplete", "items_missing", "sync again")


def test_a_listing_that_fails_removes_nothing(world: World, script: Script) -> None:
    world.sync()
    del script.items["page-03"]

    def partly() -> Iterator[str]:
        yield "page-00"
        raise UnavailableError("One folder cannot be listed.", code="listing_incomplete")

    script.listing = partly
    world.sync()
    world.stands("incomplete", "listing_incomplete", "nothing was removed", "grant")
    assert world.held() == HELD
    script.listing = None
    world.sync()
    assert world.held() == HELD - {"page-03"}


def test_two_machines_whose_clocks_differ_lose_nothing(
    world: World, script: Script, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One an hour ahead takes the other's claim for dead: the other one stops, and no write is lost."""
    ahead = Clock()
    ahead.now = clock.now + timedelta(hours=1)
    other = World(world.database, world.settings, world.inner_parser, ahead, world.index, world.embedder)
    taken: list[str] = []

    def take_over(number: int) -> None:
        if number != 7 or taken:
            return
        taken.append("begun")
        with monkeypatch.context() as patch:
            patch.setattr("ingest.sync.records.claims.socket.gethostname", lambda: "elsewhere")
            taken.append(other.sync().state)

    script.before_item = take_over
    with pytest.raises(ConflictError) as lost:
        world.sync()
    assert (taken, lost.value.code) == (["begun", "complete"], "claim_lost")
    assert other.last_run.state == "complete"
    assert world.held() == HELD
    assert world.sync().state == "complete"


def test_a_clock_that_was_set_back_holds_nothing_up(world: World, script: Script, clock: Clock) -> None:
    world.sync()
    clock.pass_by(days=-2)
    script.write("page-09", revision="2", text="# New\n\nText.")
    done = world.sync()
    assert done.state == "complete" and world.rows()["page-09"].text == "New\n\nText."
    assert world.last_run.id == done.run_id


def test_a_failure_is_tried_again_alone(world: World, script: Script) -> None:
    for name in ("page-03", "page-05"):
        script.items[name].breaks = "locked"
    world.sync()
    pulled = script.pulled
    script.write("page-03", "page-07", text="# Mended\n\nText.", revision="2")
    world.syncs.retry(NAME, actor=ANA, external_ids=["page-03"])
    done = world.engine().run(NAME, only_wanted=True)
    assert script.fetched == ["page-03"] and script.pulled == pulled
    assert done.state == "complete" and world.failures() == {"page-05": "locked"}
    assert world.rows()["page-03"].text == "Mended\n\nText."
    assert world.rows()["page-07"].text != "Mended\n\nText."
    world.syncs.retry(NAME, actor=ANA)
    script.items["page-05"] = Item("# Back\n\nText.")
    world.engine().run(NAME, only_wanted=True)
    assert script.fetched == ["page-03", "page-05"] and world.failures() == {}
    assert world.held() == HELD


def test_a_change_of_access_embeds_nothing_and_reads_nothing(world: World, script: Script) -> None:
    world.sync()
    embedded = world.embedder.embedded
    for name in ("page-03", "page-05"):
        script.items[name] = replace(script.items[name], access=frozenset())
    done = world.sync()
    assert (done.counts.access_changed, done.counts.bytes_read) == (2, 0)
    assert world.embedder.embedded == embedded and world.held() == HELD
    assert world.rows()["page-03"].access == []


@pytest.mark.parametrize("changed", [False, True])
def test_a_moved_document_keeps_its_id_and_its_history(world: World, script: Script, changed: bool) -> None:
    world.sync()
    before, embedded = world.rows()["page-03"], world.embedder.embedded
    item = script.items.pop("page-03")
    text = item.text + "\n\n## More\n\nNew words." if changed else item.text
    script.items["sub/moved"] = Item(text, revision="2", moved_from="page-03")
    done = world.sync()
    after = world.rows()["sub/moved"]
    assert (after.id, after.created_at) == (before.id, before.created_at)
    assert "page-03" not in world.rows() and done.counts.deleted == 0
    assert (world.embedder.embedded == embedded) is not changed
    notes = {change.external_id: change.kind for change in world.syncs.changes(done.run_id)}
    assert notes == {"sub/moved": "moved"}
    assert world.held() == HELD - {"page-03"} | {"sub/moved"}
