"""A question and a passage as one row of token ids: `[CLS] question [SEP] title: passage [SEP]`.

Spans are offsets in the passage's text, so whoever reads need not know about tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CLS_ID, SEP_ID = 101, 102  # of the bundled vocabulary

QUESTION_TOKENS = 64
"""A longer question is read without its end."""

TITLE_TOKENS = 24


@dataclass(frozen=True, slots=True)
class Pair:
    """One row for the reading model.

    ids, types: the tokens and BERT's two types: 0 for the question, 1 for the title and the passage.
    first: position of the passage's first token. starts, ends: offsets in the passage's text of each of its
    tokens, from `first` on.
    """

    ids: tuple[int, ...]
    types: tuple[int, ...]
    first: int
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def positions(self, start: int, end: int) -> tuple[int, int] | None:
        """The first and last position of the tokens of a span of the text, if the row holds all of it."""
        inside = [
            i for i, (s, e) in enumerate(zip(self.starts, self.ends, strict=True)) if s < end and e > start
        ]
        if not inside or self.ends[inside[-1]] < end or self.starts[inside[0]] > start:
            return None
        return self.first + inside[0], self.first + inside[-1]


@dataclass(frozen=True, slots=True)
class Text:
    """A text's tokens: ids and offsets."""

    ids: tuple[int, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]


def tokens_of(tokenizer: "Tokenizer", texts: Sequence[str]) -> list[Text]:
    """The tokens of each text, none of them special."""
    return [
        Text(tuple(found.ids), tuple(s for s, _ in found.offsets), tuple(e for _, e in found.offsets))
        for found in tokenizer.encode_batch(list(texts), add_special_tokens=False)
    ]


def make_pairs(question: Text, title: Text, text: Text, *, at_most: int, stride: int) -> list[Pair]:
    """The rows that hold a passage; several that overlap by `stride` tokens where it is longer than one row.

    Args:
        at_most: tokens of the passage in one row.
    """
    head = (CLS_ID, *question.ids[:QUESTION_TOKENS], SEP_ID)
    shown = title.ids[:TITLE_TOKENS]
    first = len(head) + len(shown) + (1 if shown else 0)
    pairs = []
    for begin in range(0, max(1, len(text.ids) - stride), at_most - stride):
        part = slice(begin, begin + at_most)
        ids = (*head, *shown, *((SEP_ID,) if shown else ()), *text.ids[part], SEP_ID)
        types = (*(0,) * len(head), *(1,) * (len(ids) - len(head)))
        pairs.append(Pair(ids, types, first, text.starts[part], text.ends[part]))
    return pairs
