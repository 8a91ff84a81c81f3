"""Training examples from past answers: those people marked good, and the premium model's to questions that
were too hard for the rungs below.

An example is what the local rung would be sent for the question, and the answer. It carries every document
that any of it may come from: an adapter made of examples serves only people who may read all of them.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from app.core.errors import ConfigurationError
from app.core.identity import EVERYONE, PUBLIC, Caller
from routing.adapters.adapter import ExampleFilters
from routing.adapters.choice import MayReadAll
from routing.adapters.learning.past import Past, PastAnswer
from routing.llm.prompt import NOT_FOUND, BuiltPrompt, ChatMessage, build_prompt
from routing.text.words import words
from routing.tier import ChatSettings, TierRequest, TierSpec, Turn
from routing.tiers.reader import NOTHING_FOUND

HELD_OUT_PERCENT = 20

_MARK = re.compile(r"\[(\d{1,4})\]")
_TAIL = re.compile(r"(\[\d{1,4}\]\.?)[^\[\]]*\Z")
"""What follows the last mark: nothing supports it, and the local rung is held to what is supported."""

Kind = Literal["accepted", "premium"]

CallerOf = Callable[[str], Caller | None]
"""The caller that a user id stands for now; nothing for somebody who is gone."""

GONE = "the asker, or their access to a document it was made of, is gone"
REPEATED = "a newer answer to the same question counts"
ERASED = "the text of a question was erased"
UNSUPPORTED = "the answer names no passage that supports it"
DOES_NOT_FIT = "the answer cites a passage that does not fit into the local model's prompt"
NOT_EVERYONE = "not everyone may read its documents"


@dataclass(frozen=True, slots=True)
class Example:
    """What the model is sent and what it should say. `documents` are the ids of all that it is made of."""

    query_id: str
    kind: Kind
    request: TierRequest
    prompt: BuiltPrompt
    answer: str
    documents: frozenset[str]
    held_out: bool

    @property
    def messages(self) -> tuple[ChatMessage, ...]:
        return self.prompt.messages


@dataclass(frozen=True, slots=True)
class Collected:
    """The examples there are, newest first, and how many answers were left out for which reason."""

    examples: tuple[Example, ...]
    dropped: tuple[tuple[str, int], ...]

    @property
    def training(self) -> tuple[Example, ...]:
        return tuple(example for example in self.examples if not example.held_out)

    @property
    def held_out(self) -> tuple[Example, ...]:
        return tuple(example for example in self.examples if example.held_out)


@dataclass(frozen=True, slots=True)
class Rungs:
    """What the ladder says: how the local rung asks, whose answers are learned from, and the most passages of
    a question that any rung reads."""

    local: TierSpec
    chat: ChatSettings
    premium: str
    passages_read: int


def rungs(specs: Sequence[TierSpec]) -> Rungs:
    """Raises ConfigurationError `bad_ladder`, where no rung has adapters."""
    chats = [(spec, spec.chat) for spec in specs if spec.chat is not None]
    local = next(((spec, chat) for spec, chat in chats if chat.deployment == "local"), None)
    if local is None:
        raise ConfigurationError(
            "routing/tiers.toml has no rung on the local deployment, which adapters are for.",
            code="bad_ladder",
        )
    premium = next((spec.name for spec, chat in reversed(chats) if chat.deployment == "premium"), "")
    readers = [spec.reader.passages for spec in specs if spec.reader is not None]
    return Rungs(*local, premium, max(*readers, *(chat.passages for _, chat in chats)))


class Collector:
    """Collects examples. Whatever a rung answered may come from any passage that it read, also where fewer of
    them fit into the local model's prompt: the documents of all of them count."""

    def __init__(
        self,
        past: Past,
        *,
        rungs: Rungs,
        caller_of: CallerOf,
        may_read_all: MayReadAll,
    ) -> None:
        self._past = past
        self._rungs = rungs
        self._chat = rungs.chat
        self._caller_of = caller_of
        self._may_read_all = may_read_all

    @property
    def prompt_id(self) -> str:
        return self._chat.prompt

    def collect(
        self, workspace_id: str, filters: ExampleFilters, *, max_input_tokens: int | None = None
    ) -> Collected:
        """All examples that these filters leave; of the same question the newest answer alone.

        Args:
            max_input_tokens: the longest prompt, where the model takes less than the rung's own setting.
        """
        examples: list[Example] = []
        dropped: Counter[str] = Counter()
        seen: set[str] = set()
        limit = min(self._chat.max_input_tokens, max_input_tokens or self._chat.max_input_tokens)
        for answer in self._past.answers(workspace_id, filters, self._rungs.premium):
            same = normalised(answer.question.standalone)
            made = REPEATED if same in seen else self._example(answer, filters, limit)
            if isinstance(made, str):
                dropped[made] += 1
            else:
                seen.add(same)
                examples.append(made)
        return Collected(tuple(examples), tuple(sorted(dropped.items())))

    def _example(self, past: PastAnswer, filters: ExampleFilters, max_input_tokens: int) -> Example | str:
        """The example, or why there is none."""
        question = past.question
        if not all(normalised(q.text) for q in (question, *past.before)):
            return ERASED
        caller = self._caller_of(question.user_id)
        if caller is None:
            return GONE
        turns = tuple(Turn(q.text, q.answer) for q in past.before)
        request = TierRequest(question.text, question.standalone, question.passages, caller, turns)
        prompt = build_prompt(self._chat.prompt, request, self._chat.passages, max_input_tokens)
        documents = {p.document_id for p in prompt.passages} | {
            p.document_id for q in (question, *past.before) for p in q.passages[: self._rungs.passages_read]
        }
        if not self._may_read_all(caller, documents):
            return GONE
        if filters.only_everyone and not self._may_read_all(anybody(caller.workspace_id), documents):
            return NOT_EVERYONE
        answer = wanted_answer(past, prompt)
        if answer in (UNSUPPORTED, DOES_NOT_FIT):
            return answer
        held_out = is_held_out(question.standalone)
        kind: Kind = "accepted" if past.accepted else "premium"
        return Example(question.id, kind, request, prompt, answer, frozenset(documents), held_out)


def wanted_answer(past: PastAnswer, prompt: BuiltPrompt) -> str:
    """The answer, each mark `[n]` renumbered to the nth passage of the prompt, or why it cannot be used."""
    if past.abstained:
        return NOT_FOUND if past.question.answer == NOTHING_FOUND else UNSUPPORTED
    numbers = {passage.chunk_id: n for n, passage in enumerate(prompt.passages, 1)}
    if not past.cited:
        return UNSUPPORTED
    if not set(past.cited.values()) <= numbers.keys():
        return DOES_NOT_FIT

    def renumber(mark: re.Match[str]) -> str:
        chunk = past.cited.get(int(mark[1]))
        return mark[0] if chunk is None else f"[{numbers[chunk]}]"

    return _TAIL.sub(r"\1", _MARK.sub(renumber, past.question.answer)).strip()


def normalised(question: str) -> str:
    """The question as it is compared: its words alone, without case, accents and punctuation."""
    return " ".join(words(question))


def is_held_out(question: str) -> bool:
    """Whether a question is kept for judging: the same for as long as its words are the same, so that no
    version is ever trained on it."""
    found = hashlib.sha256(normalised(question).encode()).digest()
    return int.from_bytes(found[:8]) % 100 < HELD_OUT_PERCENT


def anybody(workspace_id: str) -> Caller:
    """Somebody in no group: may read what everyone may."""
    return Caller(workspace_id, "", "", "", "", frozenset({EVERYONE, PUBLIC}))


def documents_of(examples: Sequence[Example]) -> frozenset[str]:
    """Every document that these examples are made of."""
    return frozenset(document for example in examples for document in example.documents)


def count_by_kind(examples: Sequence[Example]) -> Iterator[int]:
    """How many were accepted by people, how many are the premium model's."""
    for kind in ("accepted", "premium"):
        yield sum(example.kind == kind for example in examples)
