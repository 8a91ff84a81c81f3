"""What stages 1 and 2 take beyond the embedding."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.routing.data import load_outcomes, vectors_of
from retrieval.passage import Passage
from routing.difficulty import stage1, stage2
from routing.reading.corpus import load_pages

if TYPE_CHECKING:
    from retrieval.embedder import Embedder

QUESTIONS, PASSAGES, SET = 300, 10, "squad_v2"


def overhead(data: Path, embedder: "Embedder") -> float:
    """Prints the processor's time of a question with ten real paragraphs, never seen before; gives p99."""
    questions = [row.question for row in load_outcomes(data)][:QUESTIONS]
    texts = [page.text for page in load_pages(data, SET).values()]
    taken: list[float] = []
    for number, (question, vector) in enumerate(zip(questions, vectors_of(questions, embedder), strict=True)):
        passages = [_passage(texts, number * PASSAGES + rank, rank) for rank in range(PASSAGES)]
        started = time.thread_time()
        stage1(question, "chat", vector)
        stage2(question, question, passages, "chat")
        taken.append((time.thread_time() - started) * 1000)
    p50, p99 = np.quantile(taken[1:], (0.5, 0.99))
    print(f"stages 1 and 2 beyond the embedding: {p50:.2f} ms p50, {p99:.2f} ms p99 of one core")
    return float(p99)


def _passage(texts: list[str], place: int, rank: int) -> Passage:
    # A text of its own each time, as for new questions: nothing is found in a cache.
    text = f"{texts[place % len(texts)]} {place}"
    return Passage(
        chunk_id=str(place),
        document_id=str(place),
        source="bench",
        title="",
        heading_path=(),
        text=text,
        start=0,
        end=len(text),
        url=None,
        author=None,
        updated_at=None,
        score=1.0 / (rank + 1),
        dense_score=0.6 - 0.03 * rank,
        sparse_score=12.0 - rank,
    )
