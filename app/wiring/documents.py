"""The parts that documents go through: sources, syncs, the index and the search."""

from functools import cached_property
from typing import TYPE_CHECKING

from app.core.errors import NotFoundError
from app.wiring.records import Records

if TYPE_CHECKING:
    from ingest.credentials import Credentials, Rotation, Vault
    from ingest.library import Library
    from ingest.parsing import Parser
    from ingest.sources import SetUp, Sources
    from ingest.sync import SyncEngine
    from ingest.sync.control import SyncControl
    from retrieval.embedder import Embedder
    from retrieval.index import Index
    from retrieval.search import Searcher


class Documents(Records):
    """Documents and passages, on top of the records."""

    @cached_property
    def embedder(self) -> "Embedder":
        from retrieval.embedder import make_embedder

        return make_embedder(self.settings)

    @cached_property
    def index(self) -> "Index":
        index = self._make_index()
        self._closing.callback(index.close)
        return index

    def _make_index(self) -> "Index":
        name, dimensions = self.embedder.name, self.embedder.dimensions
        if self.settings.qdrant_url is None:
            from retrieval.index.edge import EdgeIndex

            return EdgeIndex(self.settings.data_dir, embedder=name, dimensions=dimensions)
        from retrieval.index.server import ServerIndex

        key = self.settings.qdrant_api_key
        return ServerIndex.connect(
            self.settings.qdrant_url,
            api_key=key.get_secret_value() if key else None,
            collection=self.settings.qdrant_collection,
            embedder=name,
            dimensions=dimensions,
        )

    @cached_property
    def searcher(self) -> "Searcher":
        from retrieval.search import Searcher

        return Searcher(self.index, self.embedder)

    @cached_property
    def sources(self) -> "Sources":
        from ingest.sources import Sources

        return Sources(
            self.database,
            self.index,
            max_file_bytes=self.settings.max_file_bytes,
            credentials=self.credentials,
            audit=self.audit,
        )

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

    @cached_property
    def sync(self) -> "SyncEngine":
        from ingest.sync import SyncEngine

        return SyncEngine(self.database, self.index, self.embedder, self.settings)

    @cached_property
    def sync_control(self) -> "SyncControl":
        """What people do to syncs."""
        from ingest.sync.control import SyncControl

        return SyncControl(self.database, self.audit)

    def kind_of_source(self, workspace_id: str, name: str) -> str | None:
        """The kind of connector behind a source, or nothing for a source that is gone."""
        from ingest.sync.runs import find_source

        try:
            with self.database.read() as session:
                return find_source(session, workspace_id, name).kind
        except NotFoundError:
            return None
