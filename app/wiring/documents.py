"""The parts that documents go through: sources and syncs."""

from functools import cached_property
from typing import TYPE_CHECKING

from app.core.errors import NotFoundError
from app.core.identity import SYSTEM
from app.wiring.indexing import Indexing

if TYPE_CHECKING:
    from ingest.credentials import Credentials, Rotation, Vault
    from ingest.library import Library
    from ingest.parsing import Parser
    from ingest.remote import RemoteCalls
    from ingest.sources import SetUp, Sources
    from ingest.sync import SyncEngine
    from ingest.sync.control import SyncControl
    from ingest.sync.scratch import Scratch
    from ingest.sync.workers.register import Workers


class Documents(Indexing):
    """Documents and their sources, on top of the index."""

    @cached_property
    def sources(self) -> "Sources":
        from ingest.sources import Sources

        return Sources(
            self.database,
            self.index,
            max_file_bytes=self.settings.max_file_bytes,
            credentials=self.credentials,
            audit=self.audit,
            on_removed=self.scratch.remove,
        )

    @cached_property
    def scratch(self) -> "Scratch":
        """What connectors keep between runs."""
        from ingest.sync.scratch import Scratch

        return Scratch(self.database, self.settings.data_dir)

    @cached_property
    def set_up(self) -> "SetUp":
        """What sets sources up and changes them."""
        from ingest.sources import SetUp
        from ingest.sources.looking import Looks
        from ingest.sources.preview import Previewer

        return SetUp(
            self.database,
            self.index,
            sources=self.sources,
            credentials=self.credentials,
            audit=self.audit,
            directory=self.directory,
            syncs=self.sync_control,
            looks=Looks(max_file_bytes=self.settings.max_file_bytes),
            previewer=Previewer(self._preview_parser, lambda: self.embedder),
        )

    def _preview_parser(self) -> "Parser":
        from ingest.parsing import ParserProcess

        return ParserProcess(
            timeout_seconds=self.settings.parse_timeout_seconds,
            memory_bytes=self.settings.parse_memory_bytes,
        )

    @cached_property
    def credentials(self) -> "Credentials":
        """The sources' secrets."""
        from ingest.credentials import Credentials

        return Credentials(self.database, self._vault, self.audit)

    def _vault(self) -> "Vault":
        # Opened for each use: another process may have changed the key since.
        from ingest.credentials import open_vault

        key = self.settings.credential_key
        return open_vault(self.settings.data_dir, key.get_secret_value() if key is not None else None)

    def rotate_credential_key(self, *, actor: str) -> "Rotation":
        """Seals all credentials with a new key: one made here, or the first in the setting.

        Raises:
            ConfigurationError, IntegrityError: a credential cannot be read; it stays as it was.
        """
        from ingest.credentials.vault import drop_old_keys, prepend_new_key

        if self.settings.credential_key is not None:
            return self.credentials.rotate(actor=actor)
        # Open before a new key is made, so that one which cannot be read leaves the file as it was.
        self._vault()
        prepend_new_key(self.settings.data_dir)
        done = self.credentials.rotate(actor=actor)
        drop_old_keys(self.settings.data_dir, keep=self.credentials.key_ids())
        return done

    @cached_property
    def library(self) -> "Library":
        from ingest.library import Library

        return Library(self.database)

    @property
    def sync(self) -> "SyncEngine":
        """What runs a sync: one of its own for each run, which keeps to the index that is current then."""
        from ingest.sync import SyncEngine

        pair = self.index.fresh_pair()
        return SyncEngine(
            self.database,
            pair.index,
            pair.embedder,
            self.settings,
            index_stands=lambda session: self.index.is_current(session, pair),
            settings_of=lambda source: self.credentials.settings_of(source, purpose="sync", actor=SYSTEM),
            make_calls=self.make_calls,
        )

    def make_calls(self, requests_per_second: float | None) -> "RemoteCalls":
        """Calls at a pace that all workers keep together."""
        from ingest.pace import SharedPace
        from ingest.remote import RemoteCalls

        return RemoteCalls(SharedPace(self.database, requests_per_second))

    @cached_property
    def sync_control(self) -> "SyncControl":
        """What people do to syncs."""
        from ingest.sync.control import SyncControl

        return SyncControl(self.database, self.audit)

    @cached_property
    def workers(self) -> "Workers":
        """What is known of the workers, and what waits for one."""
        from ingest.sync.workers.register import Workers

        return Workers(self.database)

    def kind_of_source(self, workspace_id: str, name: str) -> str | None:
        """The kind of connector behind a source, or nothing for a source that is gone."""
        from ingest.sync.records.runs import find_source

        try:
            with self.database.read() as session:
                return find_source(session, workspace_id, name).kind
        except NotFoundError:
            return None
