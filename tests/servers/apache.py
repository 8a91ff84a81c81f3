"""Debian's Apache with mod_dav on loopback, on a free port, with a folder of its own."""

import base64
import contextlib
import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.servers.dovecot import free_port, make_certificate
from tests.servers.needs import needs

_MODULES = Path("/usr/lib/apache2/modules")
_NAMES = (
    *("mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic"),
    *("dav", "dav_fs", "mime", "alias", "ssl", "socache_shmcb"),
)
_CONFIG = """
ServerRoot {folder}
ServerName localhost
DefaultRuntimeDir {folder}
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
Mutex file:{folder}
Listen 127.0.0.1:{port}
Listen 127.0.0.1:{tls_port}
{modules}
{user}
TypesConfig /dev/null
DavLockDB {folder}/locks/db
DocumentRoot {folder}/www
Redirect 307 /moved http://127.0.0.1:{port}/dav
Redirect 307 /away http://127.0.0.2:{port}/dav
Alias /dav {folder}/www
<Location /dav>
  Dav On
  DavDepthInfinity off
  AuthType Basic
  AuthName dav
  AuthUserFile {folder}/users
  Require valid-user
</Location>
<Location "/dav/locked out">
  Require user nobody-else
  AuthzSendForbiddenOnFailure On
</Location>
<Location "/dav/asks again">
  Require user nobody-else
</Location>
<VirtualHost 127.0.0.1:{tls_port}>
  SSLEngine on
  SSLCertificateFile {folder}/cert.pem
  SSLCertificateKeyFile {folder}/key.pem
</VirtualHost>
"""
USER, SECRET = "ann", "p@ss wörd"


@dataclass
class Apache:
    """A running server. What is put under `root` lies at /dav/."""

    folder: Path
    port: int
    tls_port: int

    @property
    def root(self) -> Path:
        return self.folder / "www"

    @property
    def certificate(self) -> Path:
        return self.folder / "cert.pem"

    def url(self, path: str = "/dav/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def tls_url(self, path: str = "/dav/") -> str:
        return f"https://127.0.0.1:{self.tls_port}{path}"


@contextlib.contextmanager
def apache() -> Iterator[Apache]:
    """Starts Apache in the foreground and stops it by its number."""
    program = needs("apache2", "apt-get install apache2")
    folder = Path(tempfile.mkdtemp(prefix="apache-"))
    folder.chmod(0o755)
    for name in ("www", "locks"):
        (folder / name).mkdir()
    make_certificate(folder)
    digest = base64.b64encode(hashlib.sha1(SECRET.encode()).digest()).decode()
    (folder / "users").write_text(f"{USER}:{{SHA}}{digest}\n")
    port, tls_port = free_port(), free_port()
    root = os.getuid() == 0
    if root:
        nobody = pwd.getpwnam("www-data")
        os.chown(folder / "locks", nobody.pw_uid, nobody.pw_gid)
        os.chown(folder / "www", nobody.pw_uid, nobody.pw_gid)
    config = folder / "apache.conf"
    modules = "\n".join(f"LoadModule {name}_module {_MODULES}/mod_{name}.so" for name in _NAMES)
    user = "User www-data\nGroup www-data" if root else ""
    config.write_text(_CONFIG.format(folder=folder, port=port, tls_port=tls_port, modules=modules, user=user))
    process = subprocess.Popen(
        [program, "-f", str(config), "-DFOREGROUND"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    server = Apache(folder, port, tls_port)
    try:
        _wait(server, process)
        yield server
    finally:
        process.terminate()
        process.communicate(timeout=20)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: Apache, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        try:
            httpx.get(server.url(), trust_env=False)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    log = server.folder / "error.log"
    process.terminate()
    said = process.communicate(timeout=20)[1].decode(errors="replace")
    raise AssertionError(f"apache did not start:\n{said}\n{log.read_text() if log.exists() else ''}")
