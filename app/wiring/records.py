"""The first parts of an installation: its database, its people, and how all is closed at the end."""

from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property

from app.core.audit import AuditLog
from app.core.config import Settings
from app.core.db import Database
from app.core.directory import Directory
from app.core.identity import DEFAULT_WORKSPACE_ID, EVERYONE, PUBLIC, Caller
from app.core.sign_in import SignIns


class Records:
    """Records and people. Each part is made on first use, so that a command pays only for what it needs."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        # It will hold documents and questions: other users of this machine have no business there.
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._closing = ExitStack()

    def close(self) -> None:
        self._closing.close()

    @cached_property
    def database(self) -> Database:
        """The database, its tables made where there were none; refuses one of another version."""
        from app.migrations import require_current

        database = Database(self.settings.database_address)
        self._closing.callback(database.close)
        database.ping()
        require_current(database)
        return database

    @cached_property
    def directory(self) -> Directory:
        return Directory(self.database)

    @cached_property
    def sign_ins(self) -> SignIns:
        return SignIns(self.database, self.directory, session_days=self.settings.session_days)

    def sign_in_url(self, link_secret: str) -> str:
        return f"{self.settings.base_url}/sign-in/link/{link_secret}"

    def caller(self, email: str | None) -> Caller:
        """The person with this address; without one, the operator, who may read what everyone may."""
        if email is not None:
            return self.directory.caller(email)
        return Caller(
            workspace_id=DEFAULT_WORKSPACE_ID,
            user_id="operator",
            email="",
            name="Operator",
            team="company",
            principals=frozenset({EVERYONE, PUBLIC}),
        )

    def operator(self) -> Caller:
        """Whoever runs the command line: the machine is theirs, so they may change what admins may."""
        return replace(self.caller(None), is_admin=True)

    @cached_property
    def audit(self) -> AuditLog:
        """Who did what to which."""
        return AuditLog(self.database)
