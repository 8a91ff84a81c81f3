"""A data folder of the benchmark's form, written for these tests."""

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

PAGES = [
    {
        "id": "squad2:Boats:0",
        "title": "Boats",
        "text": "The Heron was built in 1921 in Lisbon. Its mast is 14 metres high. "
        "Maria Prado sailed the Heron to Dakar.",
    },
    {
        "id": "squad2:Boats:1",
        "title": "Boats",
        "text": "The Plover was built in 1934 in Porto. Its mast is 11 metres high. "
        "Rui Alves owns the Plover today.",
    },
    {
        "id": "squad2:Normans:0",
        "title": "Normans",
        "text": "The Normans came in the 10th century. They gave their name to Normandy, a region in France.",
    },
    {"id": "squad2:Secret:0", "title": "Secret", "text": "The sealed part says that the answer is 77."},
]

ROWS: tuple[tuple[str, str, list[str], list[int], str, str], ...] = (
    ("q1", "When was the Heron built?", ["1921"], [23], "squad2:Boats:0", "train"),
    ("q2", "How high is the mast of the Heron?", ["14 metres"], [51], "squad2:Boats:0", "train"),
    ("q3", "When was the Heron sunk?", [], [], "squad2:Boats:0", "train"),
    ("q4", "Who owns the Plover today?", ["Rui Alves"], [67], "squad2:Boats:1", "train"),
    ("q5", "Where did the Normans come from?", [], [], "squad2:Normans:0", "train"),
    ("q6", "When did the Normans come?", ["10th century"], [24], "squad2:Normans:0", "train"),
    ("q7", "What does the sealed part say?", ["77"], [40], "squad2:Secret:0", "dev"),
)


def write_data(folder: Path) -> Path:
    """`qa/squad_v2.jsonl.gz` and its corpus."""
    rows = [
        {
            "id": key,
            "question": question,
            "answers": answers,
            "answer_starts": starts,
            "context_ids": [gold],
            "type": "single" if answers else "null",
            "split": split,
        }
        for key, question, answers, starts, gold, split in ROWS
    ]
    write_rows(folder / "qa" / "squad_v2.jsonl.gz", rows)
    write_rows(folder / "corpora" / "squad_v2_dev_paragraphs.jsonl.gz", PAGES)
    return folder


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
