"""Recorded outcomes for the routing benchmark, and the embeddings of their questions, kept between runs."""

import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.core.config import get_settings
from retrieval.search import QuestionVector

if TYPE_CHECKING:
    from retrieval.embedder import Embedder

OUTCOMES = "routing/adarague/outcomes.jsonl.gz"
ROUTELLM = ("mmlu", "gsm8k")
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Outcome:
    """A question with what the local model said with one retrieval and without any, and who was right.

    `steps_right` is the recorded several-step arm of the same model; `t5` the published classifier's
    probabilities of no, one and several retrievals, on test alone.
    """

    dataset: str
    training: bool
    question: str
    answer: str
    closed_book: str
    wrong: bool
    closed_book_right: bool
    steps_right: bool
    t5: tuple[float, ...] = ()

    def asked(self, question: str) -> "Outcome":
        """The same outcome, as if the question had been put in other words."""
        return replace(self, question=question)


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt with the recorded grades of a weak and a strong model, as RouteLLM published them."""

    prompt: str
    weak_right: bool
    strong_right: bool


def load_outcomes(data: Path) -> list[Outcome]:
    return [
        Outcome(
            dataset=row["dataset"],
            training=row["split"] == "train",
            question=row["question"],
            answer=row["one"]["pred"],
            closed_book=row["zero"]["pred"],
            wrong=row["one"]["acc"] < 1,
            closed_book_right=row["zero"]["acc"] >= 1,
            steps_right=row["multi"]["acc"] >= 1,
            t5=tuple(row.get("t5_probas") or ()),
        )
        for row in _lines(data / OUTCOMES)
    ]


def load_pairs(data: Path, name: str) -> list[Pair]:
    """The rows of a RouteLLM benchmark that are not marked as contaminated; none without its file."""
    path = data / "routing" / "routellm" / f"{name}.jsonl.gz"
    if not path.is_file():
        return []
    return [
        Pair(row["prompt"], bool(row["weak_correct"]), bool(row["strong_correct"]))
        for row in _lines(path)
        if not row["contaminated"]
    ]


def encode(texts: Sequence[str], embedder: "Embedder") -> NDArray[np.float32]:
    """The embeddings, from the last run where the texts are the same."""
    digest = hashlib.sha256(json.dumps([embedder.name, *texts]).encode()).hexdigest()
    folder = get_settings().data_dir / "bench"
    path = folder / f"vectors-{digest[:16]}.npy"
    if path.is_file():
        kept: NDArray[np.float32] = np.load(path)
        return kept
    folder.mkdir(parents=True, exist_ok=True)
    parts = [embedder.embed(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
    vectors = np.concatenate(parts)
    np.save(path, vectors)
    return vectors


def vectors_of(texts: Sequence[str], embedder: "Embedder") -> list[QuestionVector]:
    return [QuestionVector(embedder.name, vector) for vector in encode(texts, embedder)]


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise SystemExit(f"{path} is not there.")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
