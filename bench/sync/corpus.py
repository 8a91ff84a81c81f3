"""Many small documents, written as files of several folders, and questions for them."""

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

_SEED = 20261124
_CHARACTERS = 240
_WORDS = ("probe", "team", "record", "reading", "every", "customer", "asks", "for", "prices", "and", "dates")
QUESTIONS = 200


@dataclass(frozen=True, slots=True)
class Document:
    """A small document: one chunk."""

    title: str
    text: str


def documents(data: Path | None, count: int) -> Iterator[Document]:
    """This many documents: the beginnings of texts of the corpora in turn, or generated ones."""
    chance = random.Random(_SEED)
    if data is None:
        for number in range(count):
            yield Document(f"Page {number}", " ".join(chance.choices(_WORDS, k=70)))
        return
    yield from islice(_pieces(data), count)


def _pieces(data: Path) -> Iterator[Document]:
    paths = sorted((data / "corpora").glob("*.jsonl.gz"))
    if not paths:
        raise SystemExit(f"{data / 'corpora'} holds no *.jsonl.gz; --data needs them")
    for start in cycle(range(0, 100 * _CHARACTERS, _CHARACTERS)):
        for path in paths:
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                for row in map(json.loads, lines):
                    piece = " ".join(row["text"][start : start + _CHARACTERS].split())
                    if len(piece) > _CHARACTERS // 2:
                        yield Document(" ".join((row.get("title") or "Untitled").split())[:80], piece)


def write(folder: Path, texts: Iterator[Document], count: int) -> int:
    """Writes `count` documents as markdown in folders of 500; tells how many there were."""
    written = 0
    for number, document in enumerate(islice(texts, count)):
        path = folder / f"{number // 500:03}" / f"{number:05}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {document.title}\n\n{document.text}\n", encoding="utf-8")
        written += 1
    return written


def questions(data: Path | None) -> list[str]:
    """Questions to search with."""
    chance = random.Random(_SEED)
    texts = [document.text.split() for document in documents(data, QUESTIONS)]
    return [" ".join(chance.sample(words, min(8, len(words)))) for words in texts]
