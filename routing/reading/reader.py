"""The reader of an installation: the bundled base model with a reading adapter, the shipped one or
another."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.config import Settings
from app.core.errors import IntegrityError
from retrieval.embedder import MiniLmEmbedder, bundled_folder, load_tokenizer
from routing.reading.artefact import About
from routing.reading.calibration import Calibration
from routing.reading.engine import ReadingEngine
from routing.reading.reading import Readable, ReadPassage, read

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SHIPPED_ADAPTER = Path(__file__).parent / "adapters" / "reader.safetensors"
"""Its model card stands beside it."""


def make_reader(settings: Settings) -> "Reader":
    """The reader that the settings name. Nothing is loaded yet."""
    named = settings.reader_adapter
    path = SHIPPED_ADAPTER if named == "bundled" else Path(named).expanduser()
    return Reader(path, threads=settings.embedding_threads)


class Reader:
    """Reads passages for a question. Safe to use from any thread.

    Args:
        adapter: a file that `adapter train reader` wrote.
        threads: at most so many for one question; 0 means one per core.
    """

    def __init__(self, adapter: Path = SHIPPED_ADAPTER, *, threads: int = 0) -> None:
        self._engine = ReadingEngine(adapter, threads=threads)
        self._embedder = MiniLmEmbedder(threads=threads)

    @property
    def about(self) -> About:
        """What the adapter says of itself.

        Raises:
            IntegrityError: see `routing.reading.artefact.load_adapter`.
        """
        return self._engine.about

    @cached_property
    def name(self) -> str:
        """The adapter's name and the beginning of its hash; `reader` alone where it cannot be used."""
        if self.unavailable is not None:
            return "reader"
        return f"{self._engine.about.name}@{self._engine.sha256[:8]}"

    @cached_property
    def unavailable(self) -> str | None:
        """Why the adapter cannot be used and what to do about it; nothing when it can."""
        try:
            self._engine.about  # noqa: B018 - reads and checks the file
        except IntegrityError as error:
            return error.message
        return None

    @cached_property
    def calibration(self) -> Calibration:
        """Fitted for this adapter when it was trained."""
        return Calibration.from_card(self._engine.about.card)

    def warm_up(self) -> None:
        """Loads the weights now, so that the first question does not wait for them.

        Raises:
            IntegrityError: when the adapter or the base's weights are not what they should be.
        """
        self._engine.warm_up()

    def read(self, question: str, passages: Sequence[Readable]) -> list[ReadPassage]:
        """Reads each passage for the question.

        Raises:
            IntegrityError: when the adapter or the base's weights are not what they should be.
        """
        return read(question, passages, self._engine, self._tokenizer) if passages else []

    def nearness(self, question: str, sentences: Sequence[str]) -> list[float]:
        """Cosines of the sentences to the question, by the base model without its adapter."""
        vectors = self._embedder.embed([question, *sentences])
        return [float(cosine) for cosine in vectors[1:] @ vectors[0]]

    def close(self) -> None:
        """Ends its threads."""
        self._engine.close()

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        return load_tokenizer(bundled_folder())
