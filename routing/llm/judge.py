"""Asks a chat model whether two answers say the same. Both are fenced: they are made of documents."""

import re
import time

from app.core.usage import Work
from routing.citation import without_marks
from routing.llm.call import ChatCall, ChatCallError, ChatDelta, ChatEnd, ChatModel, ChatUsage
from routing.llm.message import ChatMessage
from routing.llm.prices import Prices
from routing.llm.prompt import load_prompt, neutralise
from routing.policy.evidence.sample import Verdict

JUDGE_ID = "judge.v1"

_LONGEST = 6_000
"""Characters of each text that are compared."""

_MOST_INPUT_TOKENS = 8_000
MOST_OUTPUT_TOKENS = 16
_VERDICT = re.compile(r"\W*(SAME|DIFFERENT)\W*")


class ModelJudge:
    """Compares answers with a chat model; implements `routing.policy.evidence.sample.Judge`.

    Args:
        tier: the rung whose model it is, as the ledger names it.
    """

    id = JUDGE_ID

    def __init__(self, tier: str, model: ChatModel, prices: Prices) -> None:
        self._tier = tier
        self._model = model
        self._prices = prices

    def at_most(self) -> Work:
        """The most that one comparison may be."""
        usage = ChatUsage(_MOST_INPUT_TOKENS, MOST_OUTPUT_TOKENS)
        return self._work(usage, 0)

    def compare(self, question: str, first: str, second: str) -> Verdict:
        """Whether the first answer says what the second says. A failed call and an unclear reply tell
        nothing; their work is counted all the same."""
        started = time.monotonic()
        try:
            text, usage = self._ask(judge_messages(question, first, second))
        except ChatCallError as error:
            return Verdict(None, self._work(error.usage, _ms_since(started)), error.message)
        verdict = _VERDICT.fullmatch(text)
        same = None if verdict is None else verdict[1] == "SAME"
        return Verdict(same, self._work(usage, _ms_since(started)), "" if verdict else "an unclear verdict")

    def _ask(self, messages: tuple[ChatMessage, ...]) -> tuple[str, ChatUsage]:
        text, usage = "", ChatUsage()
        for piece in self._model.stream(ChatCall(messages, MOST_OUTPUT_TOKENS)):
            match piece:
                case ChatDelta():
                    text += piece.text
                case ChatEnd():
                    usage = piece.usage
        return text, usage

    def _work(self, usage: ChatUsage, duration_ms: int) -> Work:
        cost_nano = self._prices.cost_nano(usage.input_tokens, usage.output_tokens, usage.cached_tokens)
        return Work(
            tier=self._tier,
            model=self._model.name,
            outcome="shadow",
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost_nano=cost_nano,
            duration_ms=duration_ms,
            provider_request_id=usage.request_id,
            estimated=usage.estimated,
        )


def judge_messages(
    question: str, first: str, second: str, prompt_id: str = JUDGE_ID
) -> tuple[ChatMessage, ...]:
    """The comparison as it is sent: filled in one pass, no text with anything that could be a fence."""
    prompt = load_prompt(prompt_id, needs=("question", "first", "second"))
    parts = {
        name: neutralise(without_marks(text)[:_LONGEST])
        for name, text in (("question", question), ("first", first), ("second", second))
    }
    filled = re.sub(r"\{\{(question|first|second)\}\}", lambda match: parts[match[1]], prompt.user)
    return ChatMessage("system", prompt.system), ChatMessage("user", filled)


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
