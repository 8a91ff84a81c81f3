"""The index in its generations, their encoders, and what builds the next one."""

from functools import cached_property
from typing import TYPE_CHECKING

from app.wiring.records import Records

if TYPE_CHECKING:
    from ingest.reindex import Reindexer
    from retrieval.embedder import Embedder
    from retrieval.generations import Generation, LiveIndex, Recipe
    from retrieval.index import OwnIndex
    from retrieval.index.server import ServerIndex
    from retrieval.search import Searcher

_FIRST_CHUNKER = "1"
"""How an index was chunked that is older than the notes on generations."""


class Indexing(Records):
    """The index and its encoder, on top of the records."""

    @property
    def embedder(self) -> "Embedder":
        """The encoder of the index that is searched now."""
        return self.index.pair().embedder

    @cached_property
    def wanted_embedder(self) -> "Embedder":
        """The encoder that the settings ask for. While a new index is made, it is not the one in use yet."""
        from retrieval.embedder import make_embedder

        return make_embedder(self.settings)

    @cached_property
    def index(self) -> "LiveIndex":
        from retrieval.generations import Generations, LiveIndex

        generations = Generations(self.database, self._wanted_recipe, self._found_recipe)
        index = LiveIndex(generations, self._open_index, self._embedder_of)
        self._closing.callback(index.close)
        return index

    @cached_property
    def searcher(self) -> "Searcher":
        from retrieval.search import Searcher

        return Searcher.following(self.index)

    @cached_property
    def reindexer(self) -> "Reindexer":
        """What makes the index anew when the encoder or the chunker has changed."""
        from ingest.reindex import Reindexer

        return Reindexer(self.database, self.index)

    def _wanted_recipe(self) -> "Recipe":
        from ingest.chunking import CHUNKER_VERSION
        from retrieval.generations import Recipe

        embedder = self.wanted_embedder
        model = self.settings.embedding_model
        return Recipe(embedder.name, embedder.dimensions, model, f"{CHUNKER_VERSION} {embedder.name}")

    def _found_recipe(self) -> "Recipe | None":
        """That of an index which was made before generations were noted."""
        from retrieval.embedder import MiniLmEmbedder
        from retrieval.generations import Recipe

        found = self._stored_identity()
        if found is None:
            return None
        name, dimensions = found
        model = "bundled" if name == MiniLmEmbedder.name else ""
        if not model and name == self.wanted_embedder.name:
            model = self.settings.embedding_model
        return Recipe(name, dimensions, model, f"{_FIRST_CHUNKER} {name}")

    def _stored_identity(self) -> tuple[str, int] | None:
        if self.settings.qdrant_url is None:
            from retrieval.index.edge import stored_identity

            return stored_identity(self.settings.data_dir)
        server = self._server("", "", 0)
        try:
            return server.stored_identity()
        finally:
            server.close()

    def _embedder_of(self, generation: "Generation") -> "Embedder":
        from retrieval.embedder import make_embedder

        model = generation.recipe.embedding_model
        if model in ("", self.settings.embedding_model):
            return self.wanted_embedder
        return make_embedder(self.settings.model_copy(update={"embedding_model": model}))

    def _open_index(self, generation: "Generation") -> "OwnIndex":
        recipe = generation.recipe
        if self.settings.qdrant_url is not None:
            return self._server(generation.name, recipe.embedder, recipe.dimensions)
        from retrieval.index.edge import EdgeIndex

        return EdgeIndex(
            self.settings.data_dir,
            embedder=recipe.embedder,
            dimensions=recipe.dimensions,
            generation=generation.name,
        )

    def _server(self, generation: str, embedder: str, dimensions: int) -> "ServerIndex":
        from retrieval.index.server import ServerIndex

        key, name = self.settings.qdrant_api_key, self.settings.qdrant_collection
        return ServerIndex.connect(
            self.settings.qdrant_url or "",
            api_key=key.get_secret_value() if key else None,
            collection=f"{name}-{generation}" if generation else name,
            embedder=embedder,
            dimensions=dimensions,
        )
