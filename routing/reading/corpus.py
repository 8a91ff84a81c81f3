"""Question sets and their passages as files: `qa/<set>.jsonl.gz` and `corpora/<corpus>.jsonl.gz`, a row a
line."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.errors import InputError

CORPORA = {
    "squad_v2": "squad_v2_dev_paragraphs",
    "squad_v2_silver": "squad_v2_dev_paragraphs",
    "nq_open_oracle": "nq_open_oracle_passages",
    "covidqa": "covidqa_articles",
    "hotpotqa_1k": "hotpotqa_1k_paragraphs",
    "2wikimultihopqa_1k": "2wikimultihopqa_1k_paragraphs",
    "musique_100": "musique_100_paragraphs",
    "policyqa": "policyqa_segments",
    "subjqa": "subjqa_reviews",
}
"""The sets that name the passages which answer, and the corpus these are in."""


@dataclass(frozen=True, slots=True)
class Row:
    """A question of a set. `starts` are the answers' places in the one gold text, where the set gives
    them."""

    id: str
    question: str
    answers: tuple[str, ...]
    starts: tuple[int, ...]
    gold: tuple[str, ...]
    candidates: tuple[str, ...]
    split: str


@dataclass(frozen=True, slots=True)
class Page:
    """A text of a corpus."""

    id: str
    title: str
    text: str


def has_set(folder: Path, name: str) -> bool:
    """Whether a folder holds a set and its corpus."""
    return _rows_file(folder, name).is_file() and _texts_file(folder, name).is_file()


def load_rows(folder: Path, name: str, *, training: bool) -> list[Row]:
    """The rows to train on, or all the others.

    Raises:
        InputError: `bad_data`, names file and line.
    """
    return [
        Row(
            id=row["id"],
            question=row["question"],
            answers=tuple(row["answers"]),
            starts=tuple(row.get("answer_starts") or ()),
            gold=tuple(row["context_ids"]),
            candidates=tuple(row.get("candidate_ids") or ()),
            split=row["split"],
        )
        for row in _read(_rows_file(folder, name))
        if (row["split"] == "train") is training
    ]


def load_pages(folder: Path, name: str) -> dict[str, Page]:
    """The texts of a set's corpus, by id."""
    return {
        row["id"]: Page(row["id"], (row["title"] or "").replace("_", " "), row["text"])
        for row in _read(_texts_file(folder, name))
    }


def _rows_file(folder: Path, name: str) -> Path:
    return folder / "qa" / f"{name}.jsonl.gz"


def _texts_file(folder: Path, name: str) -> Path:
    return folder / "corpora" / f"{CORPORA[name]}.jsonl.gz"


def _read(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(f"{path}, line {number}: {error}.", code="bad_data") from error
