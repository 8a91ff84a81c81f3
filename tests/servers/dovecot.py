"""A real Dovecot on loopback, with users, shared folders and access lists of its own."""

import contextlib
import imaplib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.needs import needs

_CONFIG = """
base_dir = {run}
state_dir = {run}
log_path = {folder}/dovecot.log
protocols = imap
listen = 127.0.0.1, {elsewhere}
ssl = {ssl}
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = {need_tls}
auth_mechanisms = plain login xoauth2 oauthbearer
auth_failure_delay = 0
mail_location = maildir:{mail}/%u
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 1
first_valid_gid = 0
mail_plugins = acl
mail_max_userip_connections = {connections}
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
service anvil {{
  chroot =
  # Else each wrong password makes all later sign-ins wait longer.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  chroot =
  process_min_avail = 1
  service_count = 0
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
service imap {{
  service_count = 200
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={mail}/%u/home
}}
namespace inbox {{
  inbox = yes
  prefix =
  separator = /
}}
namespace shared {{
  type = public
  prefix = Public/
  separator = /
  location = maildir:{mail}/public:INDEXPVT={mail}/%u/public
  list = yes
  subscriptions = no
}}
namespace others {{
  type = shared
  prefix = Others/%%u/
  separator = /
  location = maildir:{mail}/%%u:INDEXPVT={mail}/%u/others/%%u
  list = children
  subscriptions = no
}}
protocol imap {{
  mail_plugins = acl imap_acl
}}
plugin {{
  acl = vfile
  acl_shared_dict = file:{mail}/shared-mailboxes
}}
"""


@dataclass
class Dovecot:
    """A running server. `certificate` is its own, to be trusted."""

    folder: Path
    port: int
    tls_port: int
    process: "subprocess.Popen[bytes]"
    uid: int
    gid: int
    secrets: Mapping[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"
    elsewhere: str = "127.0.0.2"
    """The same server under an address from which it takes no caller for its own machine."""

    @property
    def certificate(self) -> Path:
        return self.folder / "cert.pem"

    @contextlib.contextmanager
    def mailbox(self, user: str) -> Iterator[imaplib.IMAP4]:
        """A signed-in connection that may write, to set the scene."""
        client = imaplib.IMAP4(self.host, self.port)
        client.login(user, self.secrets[user])
        try:
            yield client
        finally:
            with contextlib.suppress(imaplib.IMAP4.error, OSError):
                client.logout()

    def public_folder(self, name: str, access: str) -> None:
        """A shared folder with an access list in Dovecot's own form, one entry a line."""
        path = self.folder / "mail" / "public" / f".{name}"
        for part in ("cur", "new", "tmp"):
            (path / part).mkdir(parents=True, exist_ok=True)
        (path / "dovecot-acl").write_text(access)
        self.give(self.folder / "mail" / "public")

    def without_public_folders(self) -> None:
        """Takes all shared folders away."""
        for path in (self.folder / "mail" / "public").iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def files(self, user: str, folder: str = "INBOX") -> list[Path]:
        """The mails of a folder as they lie on the disk, in the order of their names."""
        path = self.folder / "mail" / user / ("" if folder == "INBOX" else "." + folder.replace("/", "."))
        return sorted(each for part in ("cur", "new") for each in (path / part).glob("*"))

    def give(self, path: Path) -> None:
        if os.getuid() == 0:
            for each in (path, *path.rglob("*")):
                os.chown(each, self.uid, self.gid)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def make_certificate(folder: Path) -> None:
    """A key and a certificate signed by itself for localhost and 127.0.0.1, as `key.pem` and `cert.pem`."""
    needs("openssl", "apt-get install openssl")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )


def _accounts() -> dict[str, str]:
    """Dovecot lets nobody read mail as root, and wants users of its own for what faces the network."""
    if os.getuid() == 0:
        mail = pwd.getpwnam("mail")
        return {
            "uid": str(mail.pw_uid),
            "gid": str(mail.pw_gid),
            "internal": "dovecot",
            "internal_group": "dovecot",
            "login": "dovenull",
        }
    me = pwd.getpwuid(os.getuid())
    return {
        "uid": str(me.pw_uid),
        "gid": str(me.pw_gid),
        "internal": me.pw_name,
        "internal_group": str(me.pw_gid),
        "login": me.pw_name,
    }


@contextlib.contextmanager
def dovecot(
    users: Mapping[str, str], *, need_tls: bool = False, tls: bool = True, connections: int = 20
) -> Iterator[Dovecot]:
    """Starts a server with these users and their passwords, and stops it in the end.

    `need_tls` refuses a password in the clear at the address `elsewhere`; without `tls` it speaks none.
    """
    program = needs("dovecot", "apt-get install dovecot-imapd")
    folder = Path(tempfile.mkdtemp(prefix="dovecot-"))
    folder.chmod(0o755)
    accounts = _accounts()
    (folder / "users").write_text("".join(f"{name}:{{PLAIN}}{key}\n" for name, key in users.items()))
    (folder / "users").chmod(0o644)
    (folder / "mail" / "public").mkdir(parents=True)
    make_certificate(folder)
    port, tls_port = free_port(), free_port()
    config = folder / "dovecot.conf"
    config.write_text(
        _CONFIG.format(
            folder=folder,
            run=folder / "run",
            mail=folder / "mail",
            port=port,
            tls_port=tls_port,
            elsewhere=Dovecot.elsewhere,
            ssl="yes" if tls else "no",
            need_tls="yes" if need_tls else "no",
            connections=connections,
            **accounts,
        )
    )
    with (folder / "out.log").open("wb") as out:
        process = subprocess.Popen([program, "-F", "-c", str(config)], stdout=out, stderr=out)
    server = Dovecot(folder, port, tls_port, process, int(accounts["uid"]), int(accounts["gid"]), dict(users))
    try:
        server.give(folder / "mail")
        _wait(server)
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: Dovecot) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if server.process.poll() is not None:
            break
        try:
            imaplib.IMAP4(server.host, server.port, timeout=10).logout()
        except (OSError, imaplib.IMAP4.error):
            time.sleep(0.1)
        else:
            return
    logs = "\n".join(p.read_text(errors="replace") for p in server.folder.glob("*.log"))
    raise AssertionError(f"dovecot did not start:\n{logs}")
