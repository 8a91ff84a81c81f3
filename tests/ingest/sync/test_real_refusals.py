"""Wrong passwords, tokens that expire, rights taken away, certificates, clocks and 429, each from the real
server: a state with a reason and a next step; nothing is lost, and the next good run mends."""

import base64
import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy.engine import make_url

from app.core.config import Settings
from app.core.db import Database
from ingest.parsing import ParserProcess
from tests.ingest.sync.world import Clock, World
from tests.servers.apache import SECRET, USER, Apache, apache
from tests.servers.dovecot import Dovecot, dovecot
from tests.servers.git import GitServer, WorkingCopy, http_server
from tests.servers.moto import S3Server, s3_server
from tests.servers.nginx import Nginx, nginx

NUMBER = 12
NAMES = [f"page-{number:02}.md" for number in range(NUMBER)]


def text(name: str, word: str = "first") -> str:
    return f"# {name}\n\nThe {word} text of {name}.\n"


def mended(world: World, number: int = NUMBER) -> None:
    """The next run is complete, and nothing was embedded that was held already."""
    done = world.sync()
    assert (done.state, done.counts.held) == ("complete", number), done.message
    assert len(world.held()) == number
    world.stands("complete", "")
    before = world.embedder.embedded
    world.sync()
    assert world.embedder.embedded == before


@pytest.fixture(scope="module")
def dav() -> Iterator[Apache]:
    with apache() as running:
        yield running


def _dav_password(server: Apache, password: str) -> None:
    digest = base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()
    (server.folder / "users").write_text(f"{USER}:{{SHA}}{digest}\n")


@pytest.fixture
def dav_world(real: World, dav: Apache) -> Iterator[tuple[World, Path]]:
    root = dav.root / uuid4().hex
    root.mkdir()
    for name in NAMES:
        (root / name).write_text(text(name))
    real.add(
        "webdav",
        {
            "address": dav.url(f"/dav/{root.name}"),
            "username": USER,
            "password": SECRET,
            "requests_per_second": 1000,
        },
    )
    yield real, root
    _dav_password(dav, SECRET)


def test_webdav_password_that_is_changed_before_a_run(dav_world: tuple[World, Path], dav: Apache) -> None:
    world, _ = dav_world
    world.sync()
    _dav_password(dav, "another")
    world.fails()
    world.stands("failed", "sign_in_failed", "change the password")
    assert world.page().acts[0].label == "Change the password"
    assert len(world.held()) == NUMBER
    world.set_secret(password="another")
    mended(world)


def test_webdav_password_that_is_changed_in_the_middle_of_the_first_run(
    dav_world: tuple[World, Path], dav: Apache
) -> None:
    world, _ = dav_world
    world.parser.at, world.parser.call = 7, lambda: _dav_password(dav, "another")
    world.fails()
    world.stands("failed", "sign_in_failed", "change the password")
    assert 0 < len(world.held()) < NUMBER
    world.set_secret(password="another")
    mended(world)
    assert world.embedder.embedded == NUMBER, "nothing was embedded twice"


def test_webdav_right_that_is_taken_away_in_the_middle_of_a_run(
    dav_world: tuple[World, Path], dav: Apache
) -> None:
    """One file may no longer be read: a failure alone, and its last version stays."""
    world, root = dav_world
    world.sync()
    for name in NAMES:
        (root / name).write_text(text(name, "second and longer"))
    locked = root / NAMES[9]
    world.parser.at, world.parser.call = world.parser.parsed + 3, lambda: locked.chmod(0)
    done = world.sync()
    assert done.counts.failed == 1 and world.failures() == {NAMES[9]: "permission_denied"}
    assert len(world.held()) == NUMBER
    assert "first" in world.rows()[NAMES[9]].text and "second" in world.rows()[NAMES[10]].text
    locked.chmod(0o644)
    mended(world)
    assert world.failures() == {} and "second" in world.rows()[NAMES[9]].text


def test_webdav_certificate_that_nobody_vouches_for(dav_world: tuple[World, Path], dav: Apache) -> None:
    world, root = dav_world
    world.sync()
    plain = {**world.row().settings, "address": dav.tls_url(f"/dav/{root.name}")}
    _change_settings(world, plain)
    world.fails()
    world.stands("waiting", "tls_failed", "certificate", "goes on by itself")
    assert len(world.held()) == NUMBER
    _change_settings(world, {**plain, "ca_file": str(dav.certificate)})
    mended(world)


def _change_settings(world: World, settings: dict[str, object]) -> None:
    with world.database.write() as session:
        row = session.merge(world.row())
        row.settings = settings
        session.add(row)


@pytest.fixture(scope="module")
def mail() -> Iterator[Dovecot]:
    with dovecot({"ann@example.com": "right"}) as server:
        with server.mailbox("ann@example.com") as box:
            for number in range(NUMBER):
                box.append("INBOX", "", "", _mail(number))
        yield server


def _mail(number: int) -> bytes:
    return (
        f"Message-ID: <m{number}@example.com>\r\nFrom: Ann <ann@example.com>\r\nSubject: Subject {number}\r\n"
        f"Date: Mon, 01 Jan 2024 10:00:00 +0000\r\n\r\nText of mail {number}.\r\n"
    ).encode()


def test_imap_wrong_password_then_the_right_one(real: World, mail: Dovecot) -> None:
    settings = {"host": "127.0.0.1", "port": mail.port, "tls": "none", "username": "ann@example.com"}
    real.add("imap", {**settings, "password": "wrong"})
    real.fails()
    real.stands("failed", "sign_in_failed", "refused", "change the password")
    real.set_secret(password="right")
    mended(real)
    real.set_secret(password="wrong again")
    real.fails()
    real.stands("failed", "sign_in_failed")
    assert len(real.held()) == NUMBER


def test_imap_certificate_that_nobody_vouches_for(real: World, mail: Dovecot) -> None:
    settings = {
        "host": "127.0.0.1",
        "port": mail.tls_port,
        "username": "ann@example.com",
        "password": "right",
    }
    real.add("imap", settings)
    real.fails()
    real.stands("waiting", "tls_failed", "certificate")
    _change_settings(real, {**real.row().settings, "ca_file": str(mail.certificate)})
    mended(real)


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GitServer, Path]]:
    root = tmp_path_factory.mktemp("served")
    with http_server(root, token="good-token") as server:
        yield server, root


@pytest.fixture
def repository(git: tuple[GitServer, Path]) -> Iterator[WorkingCopy]:
    server, root = git
    copy = WorkingCopy(root / uuid4().hex)
    for name in NAMES:
        copy.write(name, text(name))
    copy.commit()
    yield copy
    server.token = "good-token"
    server.answer.clear()


def _git_settings(server: GitServer, repository: WorkingCopy) -> dict[str, object]:
    return {"url": f"{server.url}/{repository.folder.name}/.git", "token": "good-token"}


def test_git_token_that_expires_between_runs(
    real: World, git: tuple[GitServer, Path], repository: WorkingCopy
) -> None:
    server, _ = git
    real.add("git", _git_settings(server, repository))
    real.sync()
    repository.write(NAMES[3], text(NAMES[3], "second"))
    repository.commit()
    server.token = "newer-token"
    real.fails()
    real.stands("failed", "sign_in_failed", "token")
    assert len(real.held()) == NUMBER
    real.set_secret(token="newer-token")
    mended(real)
    assert "second" in real.rows()[NAMES[3]].text


def test_git_right_that_is_taken_away_between_two_requests_of_a_run(
    real: World, git: tuple[GitServer, Path], repository: WorkingCopy
) -> None:
    """The server still tells what there is, and then refuses to hand it over."""
    server, _ = git
    real.add("git", _git_settings(server, repository))
    real.sync()
    repository.write(NAMES[3], text(NAMES[3], "second"))
    repository.commit()
    taken = server.asked
    asked = len(taken)
    plain = _Refusing(server, after=asked + 1)
    server.asked = plain
    try:
        real.fails()
    finally:
        server.asked = taken
    assert plain.refused
    real.stands("failed", "permission_missing", "grant")
    assert len(real.held()) == NUMBER
    mended(real)


class _Refusing(list[str]):
    """Notes what a server is asked, and has it refuse the request after some."""

    def __init__(self, server: GitServer, *, after: int) -> None:
        super().__init__(server.asked)
        self._server, self._after, self.refused = server, after, False

    def append(self, path: str) -> None:
        super().append(path)
        if len(self) > self._after:
            self.refused = True
            self._server.answer.append((403, {}))


def test_git_host_that_says_429_for_an_hour(
    sqlite_database: Database,
    settings: Settings,
    parser: ParserProcess,
    git: tuple[GitServer, Path],
    repository: WorkingCopy,
) -> None:
    server, _ = git
    clock = Clock()
    world = World(sqlite_database, settings, parser, clock)
    world.add("git", _git_settings(server, repository))
    world.sync()
    repository.write(NAMES[3], text(NAMES[3], "second"))
    repository.commit()
    server.answer.append((429, {"Retry-After": "3600"}))
    asked = len(server.asked)
    world.fails()
    assert len(server.asked) == asked + 1
    world.stands("waiting", "rate_limited", "in 1 h", "asked for a pause")
    assert world.last_run.resume_at == clock.now + timedelta(hours=1)
    clock.pass_by(minutes=59)
    assert world.runs.due() == [] and len(world.held()) == NUMBER
    clock.pass_by(minutes=1)
    assert world.runs.due() == [("default", "docs")]
    mended(world)
    assert "second" in world.rows()[NAMES[3]].text


@pytest.fixture(scope="module")
def store() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def s3_world(real: World, store: S3Server) -> Iterator[World]:
    bucket, client = f"b{uuid4().hex}", store.client()
    client.create_bucket(Bucket=bucket)
    for name in NAMES:
        client.put_object(Bucket=bucket, Key=name, Body=text(name).encode())
    real.add(
        "s3",
        {
            "bucket": bucket,
            "endpoint": store.url,
            "access_key_id": "AKIATEST",
            "secret_access_key": "not-a-secret",
            "path_style": True,
        },
    )
    yield real
    store.answers.clear()


S3_REFUSALS = [
    ((403, "SignatureDoesNotMatch", {}), "failed", "sign_in_failed", "change the password"),
    ((403, "InvalidAccessKeyId", {}), "failed", "sign_in_failed", "change the password"),
    ((400, "ExpiredToken", {}), "failed", "token_expired", "enter a new"),
    ((403, "RequestTimeTooSkewed", {}), "failed", "clock_skew", "set this machine's clock"),
    ((403, "AccessDenied", {}), "failed", "permission_missing", "attach this policy"),
    ((503, "SlowDown", {"Retry-After": "3600"}), "waiting", "rate_limited", "goes on by itself"),
]


@pytest.mark.parametrize(
    ("answer", "state", "code", "says"), S3_REFUSALS, ids=[answer[1] for answer, *_ in S3_REFUSALS]
)
def test_s3_refusals_before_a_run(
    s3_world: World,
    store: S3Server,
    answer: tuple[int, str, dict[str, str]],
    state: str,
    code: str,
    says: str,
) -> None:
    s3_world.sync()
    store.answers += [answer] * 2
    s3_world.fails()
    s3_world.stands(state, code, says)
    assert len(s3_world.held()) == NUMBER
    store.answers.clear()
    mended(s3_world)


def test_s3_token_that_expires_in_the_middle_of_the_first_run(s3_world: World, store: S3Server) -> None:
    world = s3_world
    expired: list[tuple[int, str, dict[str, str]]] = [(400, "ExpiredToken", {})] * 50
    world.parser.at, world.parser.call = 6, lambda: store.answers.extend(expired)
    world.fails()
    world.stands("failed", "token_expired", "enter a new")
    held = len(world.held())
    assert 0 < held < NUMBER
    store.answers.clear()
    mended(world)


@pytest.fixture
def sql_world(real: World, postgres_address: str) -> Iterator[tuple[World, psycopg.Connection, str]]:
    """A table, and a user whom the server really asks for a password."""
    name, user = f"r{uuid4().hex}", f"u{uuid4().hex}"
    admin = make_url(postgres_address).set(drivername="postgresql")
    plain = admin.render_as_string(hide_password=False).replace(":@", "@")
    with psycopg.connect(plain, autocommit=True) as connection:
        [rules] = connection.execute("SHOW hba_file").fetchone() or [""]
        before = Path(rules).read_text()
        Path(rules).write_text(f"local all {user} scram-sha-256\n{before}")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(f"CREATE USER {user} PASSWORD 'right'")
        connection.execute(f"CREATE TABLE {name} (id text PRIMARY KEY, body text)")
        connection.execute(f"GRANT SELECT ON {name} TO {user}")
        with connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {name} VALUES (%s, %s)",
                [(each, text(each)) for each in NAMES],
            )
        address = plain.replace("//postgres@", f"//{user}@")
        real.add("sql", {"address": address, "password": "right", "table": name, "body_template": "{body}"})
        yield real, connection, f"SELECT ON {name} {{}} {user}"
        connection.execute(f"DROP TABLE {name}")
        connection.execute(f"DROP USER {user}")
        Path(rules).write_text(before)
        connection.execute("SELECT pg_reload_conf()")


SqlWorld = tuple[World, psycopg.Connection, str]


def test_sql_wrong_password(sql_world: SqlWorld) -> None:
    world, _, _ = sql_world
    world.sync()
    world.set_secret(password="wrong")
    world.fails()
    world.stands("failed", "sign_in_failed", "change the password")
    assert len(world.held()) == NUMBER
    world.set_secret(password="right")
    mended(world)


def test_sql_right_that_is_taken_away_in_the_middle_of_a_run(sql_world: SqlWorld) -> None:
    """The rows that came are kept; the next statement is refused, so nothing is taken for gone."""
    world, admin, right = sql_world

    def revoke() -> None:
        admin.execute("REVOKE " + right.format("FROM"))

    world.parser.at, world.parser.call = 5, revoke
    world.fails()
    world.stands("failed", "permission_missing", "grant select on")
    held = world.held()
    assert held
    world.fails()
    world.stands("failed", "permission_missing", "grant select on")
    assert world.held() >= held
    admin.execute("GRANT " + right.format("TO"))
    mended(world)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Nginx]:
    guarded = "if ($http_x_key != 'right') { return 401; }"
    with nginx(tmp_path / "nginx", guarded) as server:
        links = "".join(f'<a href="{n}.html">page</a> ' for n in range(NUMBER - 1))
        server.write("index.html", f"<title>Home</title><h1>Home</h1><p>All pages of this site.</p>{links}")
        for number in range(NUMBER - 1):
            page = (
                f"<title>Page {number}</title><h1>Page {number}</h1><p>What page {number} says to people.</p>"
            )
            server.write(f"{number}.html", page)
        yield server


def test_web_key_that_is_no_longer_taken(real: World, site: Nginx) -> None:
    real.add(
        "web",
        {
            "start_urls": (site.url("/"),),
            "allowed_hosts": ("127.0.0.1",),
            "requests_per_second": 1000,
            "mode": "crawl",
            "secret_header": "X-Key: right",
        },
    )
    assert real.sync().state == "complete"
    held = real.held()
    assert len(held) == NUMBER
    real.set_secret(secret_header="X-Key: expired")
    real.fails()
    real.stands("failed", "sign_in_failed", "sign in", "change the password")
    assert real.held() == held
    real.set_secret(secret_header="X-Key: right")
    mended(real)
