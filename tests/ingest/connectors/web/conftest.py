"""A site on nginx that each test fills, a server of bad answers, and a reader."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ingest.connectors.web.pages import Reader
from tests.servers.bad import BadServer, bad_server
from tests.servers.nginx import Nginx, nginx

_MORE = """
    location = /to-metadata { return 302 http://169.254.169.254/latest/meta-data/; }
    location = /to-localhost { return 302 http://localhost:1/; }
    location = /to-b.html { return 301 /b.html; }
    location = /circle { return 302 /circle2; }
    location = /circle2 { return 302 /circle; }
    location = /secret.html { return 403; }
    location = /gone.html { return 410; }
    location = /staff.html { return 302 /accounts/login?next=/staff.html; }
    location = /busy.html { add_header Retry-After 3600 always; return 429; }
    location = /broken.html { return 500; }
    location = /latin.html { types {} default_type "text/html; charset=ISO-8859-1"; }
    location /members/ { auth_basic "x"; auth_basic_user_file htpasswd; }
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    folder = tmp_path_factory.mktemp("nginx")
    (folder / "htpasswd").write_text("ada:{PLAIN}s3cret\n")
    with nginx(folder, _MORE) as found:
        yield found


@pytest.fixture
def site(server: Nginx) -> Iterator[Nginx]:
    """The server with an empty site."""
    yield server
    for path in sorted(server.root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path / "scratch")


@pytest.fixture
def bad() -> Iterator[BadServer]:
    with bad_server() as found:
        yield found
