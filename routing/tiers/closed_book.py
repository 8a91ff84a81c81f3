"""The closed-book probe: what the same model says to a question without any passage.

Where it says the same, the answer is likelier right; where it says something else, one of the two is wrong.
It is a short call of its own beside the answering one, and whatever becomes of it, the question is answered.
"""

import threading
from dataclasses import dataclass, replace

import structlog

from app.core.usage import Work
from routing.difficulty.answers import agreement
from routing.llm import ChatCall, ChatCallError, ChatDelta, ChatEnd, ChatModel, ChatUsage
from routing.llm.message import ChatMessage
from routing.llm.prices import Prices
from routing.llm.prompt import load_prompt, neutralise
from routing.tier import TierAnswer, TierRequest

_log = structlog.get_logger()

PROMPT = "closed-book.v1"
LONGEST_QUESTION = 1_500
"""Characters of the question that are sent."""

MOST_READ_TOKENS = 1_700
"""The most tokens the call reads: the prompt and the question, with room for scripts of many bytes."""

LATE_SECONDS = 5.0
"""How long it may take after the answer is there. It began at the same time and is far shorter."""

TOOK = "Asked without passages as well: {tokens} tokens are counted for it."
FAILED = "Asked without passages as well, in vain: {why}"


@dataclass(frozen=True, slots=True)
class Probed:
    """What came of it. `text` is nothing where the call failed; `usage` is counted all the same."""

    text: str | None
    usage: ChatUsage
    problem: str = ""


class ClosedBookProbe:
    """One call in a thread of its own, begun at once."""

    def __init__(self, model: ChatModel, served_name: str, request: TierRequest, most_tokens: int) -> None:
        self._model = model
        self._question = request.standalone
        self._call = ChatCall(closed_book_messages(request.standalone), most_tokens, served_name)
        self._probed = Probed(None, ChatUsage(), "it took too long.")
        self._thread = threading.Thread(target=self._run, name="closed-book", daemon=True)
        self._thread.start()

    def result(self) -> Probed:
        """What came of it, at the latest some seconds from now."""
        self._thread.join(LATE_SECONDS)
        return self._probed

    def _run(self) -> None:
        said: list[str] = []
        try:
            for part in self._model.stream(self._call):
                if isinstance(part, ChatDelta):
                    said.append(part.text)
                elif isinstance(part, ChatEnd):
                    self._probed = Probed("".join(said), part.usage)
        except ChatCallError as error:
            _log.info("the closed-book call failed", code=error.code, error=error.message)
            self._probed = Probed(None, error.usage, error.message)
        except Exception as error:  # noqa: BLE001 - logged; a question never fails for want of this sign
            _log.exception("the closed-book call failed unexpectedly")
            self._probed = Probed(None, ChatUsage(), f"{type(error).__name__}.")

    def added_to(self, answer: TierAnswer, prices: Prices) -> TierAnswer:
        """The answer with the sign, and with what the call used in its work."""
        probed = self.result()
        signals = answer.signals
        if probed.text is None:
            note = FAILED.format(why=probed.problem)
        else:
            note = TOOK.format(tokens=probed.usage.input_tokens + probed.usage.output_tokens)
            agreed = agreement(self._question, answer.text, probed.text)
            signals = replace(signals, closed_book=agreed, closed_book_text=probed.text)
        work = with_usage(answer.work, probed.usage, prices)
        return replace(answer, signals=signals, work=work, notes=(*answer.notes, note))

    def cost(self, work: Work, prices: Prices) -> Work:
        """The same for a failed attempt: what the call used is part of it."""
        return with_usage(work, self.result().usage, prices)


def closed_book_messages(question: str, prompt_id: str = PROMPT) -> tuple[ChatMessage, ...]:
    """The question as it is sent, without anything else."""
    prompt = load_prompt(prompt_id, needs=("question",))
    asked = neutralise(question[:LONGEST_QUESTION])
    return (
        ChatMessage("system", prompt.system),
        ChatMessage("user", prompt.user.replace("{{question}}", asked)),
    )


def with_usage(work: Work, usage: ChatUsage, prices: Prices) -> Work:
    """The work with one more call in it."""
    return replace(
        work,
        input_tokens=work.input_tokens + usage.input_tokens,
        output_tokens=work.output_tokens + usage.output_tokens,
        cost_nano=work.cost_nano
        + prices.cost_nano(usage.input_tokens, usage.output_tokens, usage.cached_tokens),
        estimated=work.estimated or usage.estimated,
    )
