"""Prompts that speak on no rung: each belongs to a small call beside an answer, and has its test set too.

What they are sent is made by the code that makes the call. A new version of one comes with a new version of
Rung, so it is tested here and not put into service by hand.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from routing.catalogue.cases import Case
from routing.llm.judge import JUDGE_ID, MOST_OUTPUT_TOKENS, judge_messages
from routing.llm.message import ChatMessage
from routing.tier import TierRequest, TierSpec
from routing.tiers.closed_book import PROMPT as CLOSED_BOOK_ID
from routing.tiers.closed_book import closed_book_messages

Deployment = Literal["local", "premium"]

_VERDICTS = ("SAME", "DIFFERENT")


@dataclass(frozen=True, slots=True)
class Helper:
    """A prompt of a small call.

    own: the version that Rung uses. needs: what its second part has a place for. deployment: the rung whose
    model it asks. most_tokens: of its answer. says_not_found: whether NOT FOUND is an answer it may give.
    """

    own: str
    what: str
    needs: tuple[str, ...]
    deployment: Deployment
    most_tokens: int
    says_not_found: bool
    messages: Callable[[str, TierRequest], tuple[ChatMessage, ...]]
    problems: Callable[[Sequence[Case]], Iterator[str]]

    def tiers(self, specs: Sequence[TierSpec]) -> tuple[str, ...]:
        """The rung whose model it asks, where the ladder has it."""
        chat = [spec for spec in specs if spec.chat is not None and spec.chat.deployment == self.deployment]
        return tuple(spec.name for spec in chat[-1:])


def _ask_closed_book(prompt_id: str, request: TierRequest) -> tuple[ChatMessage, ...]:
    return closed_book_messages(request.standalone, prompt_id)


def _ask_judge(prompt_id: str, request: TierRequest) -> tuple[ChatMessage, ...]:
    first, second = request.passages
    return judge_messages(request.question, first.text, second.text, prompt_id)


def _closed_book_problems(cases: Sequence[Case]) -> Iterator[str]:
    if not any(case.not_found for case in cases):
        yield "no case tests that nothing is known"
    for case in cases:
        if case.passages:
            yield f"case {case.id} has passages, which this prompt is never sent"


def _judge_problems(cases: Sequence[Case]) -> Iterator[str]:
    if not any(case.kind == "injection" for case in cases):
        yield "no case has an injected instruction"
    for verdict in _VERDICTS:
        if not any(case.must == ((verdict,),) for case in cases):
            yield f"no case is {verdict}"
    for case in cases:
        other = [verdict for verdict in _VERDICTS if (verdict,) not in case.must]
        if len(case.passages) != 2:
            yield f"case {case.id} needs two answers to compare, as its passages"
        if len(case.must) != 1 or len(other) != 1 or tuple(other) != case.must_not:
            yield f"case {case.id} must say one of {' and '.join(_VERDICTS)}, and not the other"


HELPERS: Mapping[str, Helper] = {
    "closed-book": Helper(
        CLOSED_BOOK_ID,
        "asks the local model what it knows without any passage",
        ("question",),
        "local",
        24,
        True,
        _ask_closed_book,
        _closed_book_problems,
    ),
    "judge": Helper(
        JUDGE_ID,
        "compares two answers of a shadow sample",
        ("question", "first", "second"),
        "premium",
        MOST_OUTPUT_TOKENS,
        False,
        _ask_judge,
        _judge_problems,
    ),
}
"""By the family of their prompts."""
