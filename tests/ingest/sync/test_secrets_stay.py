"""A sync with each connector that has secrets leaves none behind: not in logs, database, files or errors."""

import base64
import json
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import structlog
from sqlalchemy import text as sql
from sqlalchemy.engine import make_url

from app.core.audit import AuditLog
from app.core.config import Settings
from app.core.db import Database
from app.core.errors import InputError
from app.core.logs import configure_logging
from ingest.connector import Failure
from ingest.connectors import CONNECTORS, connector_type
from ingest.credentials import scrubber, secret_fields
from ingest.credentials.vault import KEY_FILE
from ingest.parsing import ParserProcess
from tests.ingest.sync.script import Script, ScriptSettings
from tests.ingest.sync.world import NAME, World
from tests.servers.apache import SECRET, USER, apache
from tests.servers.dovecot import dovecot
from tests.servers.git import WorkingCopy, http_server
from tests.servers.moto import s3_server
from tests.servers.nginx import nginx

GOOD, BAD = "correct-horse-battery-77", "wrong-staple-pony-88"
Given = tuple[dict[str, object], str]
"""A connector's settings, and the name of its secret in them."""


@contextmanager
def _webdav(_: Path, __: str) -> Iterator[Given]:
    with apache() as server:
        (server.root / "a.md").write_text("# A\n\nText.")
        yield {"address": server.url(), "username": USER, "password": SECRET}, "password"


@contextmanager
def _imap(_: Path, __: str) -> Iterator[Given]:
    with dovecot({"ann": GOOD}) as server:
        with server.mailbox("ann") as box:
            box.append(
                "INBOX", "", "", b"Message-ID: <1@x>\r\nFrom: a@x.example\r\nSubject: S\r\n\r\nText.\r\n"
            )
        yield (
            {"host": "127.0.0.1", "port": server.port, "tls": "none", "username": "ann", "password": GOOD},
            "password",
        )


@contextmanager
def _git(folder: Path, _: str) -> Iterator[Given]:
    copy = WorkingCopy(folder / "served" / "docs")
    copy.write("a.md", "# A\n\nText.")
    copy.commit()
    with http_server(folder / "served", token=GOOD) as server:
        yield {"url": f"{server.url}/docs/.git", "token": GOOD}, "token"


@contextmanager
def _s3(_: Path, __: str) -> Iterator[Given]:
    with s3_server() as server:
        server.client().create_bucket(Bucket="docs")
        server.client().put_object(Bucket="docs", Key="a.md", Body=b"# A\n\nText.")
        keys = {"access_key_id": "AKIATEST", "secret_access_key": GOOD}
        yield {"bucket": "docs", "endpoint": server.url, "path_style": True, **keys}, "secret_access_key"


@contextmanager
def _sql(_: Path, address: str) -> Iterator[Given]:
    plain = make_url(address).set(drivername="postgresql").render_as_string(hide_password=False)
    plain = plain.replace(":@", "@")
    with psycopg.connect(plain, autocommit=True) as admin:
        admin.execute("CREATE TABLE secrets_stay (id text PRIMARY KEY, body text)")
        admin.execute("INSERT INTO secrets_stay VALUES ('a', 'Text.')")
        try:
            yield {"address": plain, "password": GOOD, "table": "secrets_stay"}, "password"
        finally:
            admin.execute("DROP TABLE secrets_stay")


@contextmanager
def _web(folder: Path, _: str) -> Iterator[Given]:
    with nginx(folder / "nginx", f"if ($http_x_key != '{GOOD}') {{ return 401; }}") as server:
        server.write("index.html", "<title>A</title><h1>A</h1><p>Some words to read on it.</p>")
        yield (
            {
                "start_urls": (server.url("/"),),
                "allowed_hosts": ("127.0.0.1",),
                "requests_per_second": 1000,
                "secret_header": f"X-Key: {GOOD}",
            },
            "secret_header",
        )


SERVED: dict[str, Callable[[Path, str], AbstractContextManager[Given]]] = {
    "git": _git,
    "imap": _imap,
    "s3": _s3,
    "sql": _sql,
    "web": _web,
    "webdav": _webdav,
}


def test_every_connector_with_secrets_is_tried_below() -> None:
    assert {kind for kind in CONNECTORS if secret_fields(connector_type(kind).settings_type)} == set(SERVED)


@pytest.fixture
def talkative(settings: Settings) -> Iterator[None]:
    """Logs as an admin has them who looks for a fault: all that Rung says."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    configure_logging(settings.model_copy(update={"log_level": "debug"}))
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


def forms(secret: str) -> list[str]:
    """A secret as it might stand somewhere."""
    pair = f"{USER}:{secret}"
    return [
        secret,
        quote(secret),
        json.dumps(secret)[1:-1],
        base64.b64encode(secret.encode()).decode(),
        base64.b64encode(pair.encode()).decode(),
    ]


def left_behind(world: World, *said: str) -> str:
    """All that can be found afterwards: what was said, every row as text, and every file."""
    parts = list(said)
    with world.database.read() as session:
        names = [
            row[0] for row in session.execute(sql("SELECT name FROM sqlite_master WHERE type = 'table'"))
        ]
        parts += [str(row) for name in names for row in session.execute(sql(f'SELECT * FROM "{name}"'))]
    folders = [world.settings.data_dir, Path(str(world.database.engine.url.database)).parent]
    for path in {found for folder in folders for found in folder.rglob("*")}:
        served = {"nginx", "served"} & set(path.parts)
        if path.is_file() and path.name != KEY_FILE and not served:
            parts.append(path.read_bytes().decode("latin-1"))
    return "\n".join(parts)


@pytest.mark.parametrize("kind", sorted(SERVED))
@pytest.mark.usefixtures("talkative")
def test_no_secret_is_left_behind(
    real: World, tmp_path: Path, postgres_address: str, capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    said: list[str] = []
    with ExitStack() as stack:
        given, field = stack.enter_context(SERVED[kind](tmp_path, postgres_address))
        real.add(kind, given)
        assert real.sync().state == "complete"
        bad = f"X-Key: {BAD}" if field == "secret_header" else BAD
        real.set_secret(**{field: bad})
        said.append(work(real))
        said += _errors_of(real)
    said += [*capfd.readouterr(), repr(real.row()), repr(real.source), repr(real.page())]
    used = [e for e in AuditLog(real.database).about("source", NAME) if e.action == "credential.used"]
    assert {(e.actor, e.details["purpose"], e.details["fields"]) for e in used} == {("system", "sync", field)}
    assert len(used) == len(real.sources.runs(NAME)) == 3
    found = left_behind(real, *said)
    assert "credential" in found
    for secret in (GOOD, SECRET, BAD):
        for form in forms(secret):
            assert form not in found, f"{form} is in: {_around(found, form)}"


def work(world: World) -> str:
    """What the least careful worker does with a sync: all of the error goes into the log, and is stored."""
    world.sources.queue(NAME)
    try:
        return repr(world.engine().run(NAME, only_wanted=True))
    except Exception as error:  # noqa: BLE001 - whatever it is
        structlog.get_logger().exception("sync_crashed", error=repr(error))
        return f"{type(error).__name__}: {error}"


def _errors_of(world: World) -> list[str]:
    """A sync with the wrong secret, and with an address where nobody is; all that is told of both."""
    try:
        world.sync()
    except Exception as error:  # noqa: BLE001 - each kind refuses in its own way
        return [repr(error), "".join(traceback.format_exception(error))]
    return []


def _around(text: str, form: str) -> str:
    place = text.index(form)
    return text[max(0, place - 200) : place + 40]


class _CarelessError(Exception):
    """A library's error that repeats what it was given."""


SAID = "hunter2-of-the-script"


@pytest.mark.usefixtures("talkative")
def test_an_error_that_repeats_the_secret_is_told_without_it(
    world: World, script: Script, capfd: pytest.CaptureFixture[str]
) -> None:
    header = base64.b64encode(SAID.encode()).decode()

    def careless(number: int) -> None:
        if number == 3:
            raise _CarelessError(f"GET https://x.example/?key={SAID} with Basic {header}")

    script.before_item = careless
    answer = work(world)
    assert answer.startswith("RungError: The sync broke off")
    error = world.fails()
    assert error.__cause__ is None and error.__context__ is None
    world.stands("failed", "internal_error", "look into the log", "•••")
    found = left_behind(world, answer, repr(error), *capfd.readouterr())
    assert "x.example" in found and SAID not in found and header not in found


def test_a_failure_that_repeats_the_secret_is_told_without_it(world: World, script: Script) -> None:
    script.pulling = lambda _: [Failure("a", "unreadable", f"The server said: key {SAID} is odd.")]
    world.sync()
    [group] = world.syncs.failure_groups(NAME)
    assert group.latest[0].reason == "The server said: key ••• is odd."
    assert SAID not in left_behind(world)


def test_settings_that_cannot_be_used_any_more_do_not_repeat_the_secret(
    sqlite_database: Database, settings: Settings, parser: ParserProcess
) -> None:
    world = World(sqlite_database, settings, parser)
    world.add("git", {"url": "https://git.example.com/a.git", "token": SAID})
    with world.database.write() as session:
        row = session.merge(world.row())
        row.settings = {**row.settings, "history_depth": 0, "odd": 1}
        session.add(row)
    with pytest.raises(InputError) as refused:
        world.sync()
    assert SAID not in "".join(traceback.format_exception(refused.value))
    world.stands("failed", "invalid_source_settings", "correct the settings")


def test_scrubbing_takes_out_each_form_and_nothing_of_an_empty_one() -> None:
    secret = "p@ss wörd/1"
    scrub = scrubber(ScriptSettings.model_validate({"secret": secret}))
    for form in forms(secret):
        if form != base64.b64encode(f"{USER}:{secret}".encode()).decode():
            assert secret not in scrub(f"a {form} b") and scrub(f"a {form} b") == "a ••• b"
    untouched = scrubber(ScriptSettings.model_validate({"secret": ""}))
    assert untouched("a word") == "a word"
