"""One question's way through the premium rung: call, search, call again, answer."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from app.core.usage import Work
from retrieval.passage import Passage
from routing.llm.call import ChatCall
from routing.llm.message import ChatMessage, ToolCall
from routing.llm.prompt import BYTES_A_TOKEN, BuiltPrompt, build_prompt, fence
from routing.tier import ChatSettings, SearchAgain, TierAttempt, TierOutput, TierRequest, TierStep
from routing.tiers.premium.allowance import Allowance
from routing.tiers.premium.asking import MOST_SEARCHES, SEARCH, Malformed, Search, read_call
from routing.tiers.premium.calls import Called, Caller
from routing.tiers.words import Words, known_addresses

SAME_SEARCH = "Asked for the same search again"
SAME_AGAIN = "The model asked for the same search again, so it was told to answer."
NOT_COVERED = "The passages seemed to cover the question and did not, so it was asked again with the search."
WENT_WRONG = "The model's searches led nowhere, so it was told to answer."

_TOOL_BYTES = sum(len(str(part).encode()) for part in (SEARCH.description, SEARCH.parameters)) + 300
_MOST_NEW = 4
_MOST_STRIKES = 2
"""Steps that brought nothing, after which the model has to answer."""


@dataclass(slots=True)
class Loop:
    """Calls until there is an answer. `numbered` are the passages in the order of their numbers. With
    `one_call` the passages seem to suffice: the search is not offered, until it shows that they do not."""

    settings: ChatSettings
    request: TierRequest
    prompt: BuiltPrompt
    caller: Caller
    allowance: Allowance
    search: SearchAgain | None
    numbered: list[Passage] = field(default_factory=list)
    one_call: bool = False
    notes: list[str] = field(default_factory=list)
    steps_cost_nano: int = 0
    _messages: list[ChatMessage] = field(default_factory=list)
    _searched: set[frozenset[str]] = field(default_factory=set)
    _strikes: int = 0
    _steps: int = 0

    def __post_init__(self) -> None:
        self.numbered = list(self.prompt.passages)
        self._messages = list(self.prompt.messages)

    def run(self) -> Generator[TierOutput, None, Called]:
        """Yields words, steps and attempts; returns the call that answers.

        Raises:
            ProviderError: a call failed for good, or `question_limit`.
        """
        while True:
            call = self._next_call()
            words = partial(Words, known_addresses(self.numbered), from_first_mark=bool(call.tools))
            called = yield from self.caller.call(call, words)
            if not call.tools or not called.end.tool_calls:
                return called
            yield from self._step(called)

    def may_look_further(self) -> bool:
        """Whether nothing was searched for yet that could be, and two more calls can be paid for: one that
        searches and one that answers."""
        return self.one_call and self.search is not None and self.allowance.may_search(self._asked_tokens())

    def look_further(self, called: Called) -> Generator[TierOutput, None, Called]:
        """Asks again with the search after a call that found nothing. Within the same limits; that call is a
        step on the way.

        Raises:
            ProviderError: as `run`.
        """
        self.one_call = False
        self._note(NOT_COVERED)
        work = replace(called.work, outcome="step")
        self.steps_cost_nano += work.cost_nano
        yield TierAttempt(work, NOT_COVERED)
        return (yield from self.run())

    def _asked_tokens(self) -> int:
        return _tokens(self._messages) + _TOOL_BYTES // BYTES_A_TOKEN

    def _next_call(self) -> ChatCall:
        """With the tool where another search is allowed and an answer after it can be paid for; else a plain
        call with all that was found, which every provider takes."""
        tokens = self._asked_tokens()
        if self.search is not None and not self.one_call and self.allowance.may_search(tokens):
            return ChatCall(tuple(self._messages), self.allowance.output_for(tokens), tools=(SEARCH,))
        messages = self.prompt.messages
        if self._steps:
            built = self._with_all_found()
            self.numbered, messages = list(built.passages), built.messages
        return ChatCall(messages, self.allowance.output_for(_tokens(messages)))

    def _with_all_found(self) -> BuiltPrompt:
        room = self.settings.max_input_tokens + self._steps * self.settings.max_step_tokens
        request = replace(self.request, passages=tuple(self.numbered))
        return build_prompt(self.prompt.id, request, len(self.numbered), room)

    def _step(self, called: Called) -> Iterator[TierOutput]:
        """Makes the searches that a call asks for. Its work is told before, should a search fail."""
        self._steps += 1
        asked = [(call, read_call(call)) for call in called.end.tool_calls]
        work = replace(called.work, outcome="step")
        self.steps_cost_nano += work.cost_nano
        yield TierAttempt(work, "; ".join(each.text for _, each in asked[:MOST_SEARCHES]))
        calls = tuple(self._with_id(call, position) for position, (call, _) in enumerate(asked))
        self._messages.append(ChatMessage("assistant", called.words.text, calls))
        room = self.settings.max_step_tokens * BYTES_A_TOKEN
        gained = False
        for position, (call, (_, each)) in enumerate(zip(calls, asked, strict=True)):
            if position >= MOST_SEARCHES:
                self._reply(call, "Not made: too many searches at once.")
                continue
            reply, step = self._look(each, room, work if position == 0 else _nothing(work))
            room -= len(reply.encode())
            gained = gained or bool(step.passages)
            self._reply(call, reply)
            yield step
        self._judge(gained)

    def _look(self, asked: Search | Malformed, room: int, work: Work) -> tuple[str, TierStep]:
        """What the model is told, and the step for the trail."""
        if isinstance(asked, Malformed):
            return f"{asked.says} Answer now if the passages suffice.", self._told(asked.text, "", work)
        if asked.key in self._searched or self.search is None:
            self._note(SAME_AGAIN)
            self.search = None
            return "You have searched for this already. Answer now.", self._told(
                SAME_SEARCH, asked.query, work
            )
        self._searched.add(asked.key)
        found = self.search(asked.query)
        reply, new = self._number(found, room)
        return reply, TierStep("search", asked.text, asked.query, new, work)

    def _number(self, found: tuple[Passage, ...], room: int) -> tuple[str, tuple[Passage, ...]]:
        """Gives new passages the next numbers, as far as they fit; known ones keep theirs."""
        numbers = {passage.chunk_id: number for number, passage in enumerate(self.numbered, 1)}
        known = [str(numbers[p.chunk_id]) for p in found if p.chunk_id in numbers]
        new: list[Passage] = []
        blocks: list[str] = []
        for passage in found:
            if passage.chunk_id in numbers or len(new) == _MOST_NEW:
                continue
            block = fence(len(self.numbered) + 1, passage, passage.text)
            if len(block.encode()) > room:
                break
            room -= len(block.encode())
            numbers[passage.chunk_id] = len(self.numbered) + 1
            self.numbered.append(passage)
            new.append(passage)
            blocks.append(block)
        if not blocks:
            blocks.append("Nothing new was found.")
        if known:
            blocks.append(f"Found again: passages {', '.join(known)}.")
        return "\n\n".join(blocks), tuple(new)

    def _judge(self, gained: bool) -> None:
        """Stops offering the search after steps that brought nothing."""
        self._strikes = 0 if gained else self._strikes + 1
        if self._strikes >= _MOST_STRIKES and self.search is not None:
            self.search = None
            self._note(WENT_WRONG)

    def _told(self, text: str, query: str, work: Work) -> TierStep:
        return TierStep("search", text, query, (), work)

    def _reply(self, call: ToolCall, text: str) -> None:
        self._messages.append(ChatMessage("tool", text, tool_call_id=call.id))

    def _with_id(self, call: ToolCall, position: int) -> ToolCall:
        """A call has to have an id, and arguments that are JSON: some providers turn the conversation down
        otherwise."""
        malformed = isinstance(read_call(call), Malformed)
        return ToolCall(
            call.id or f"rung{self._steps:02d}{position:03d}",
            SEARCH.name if malformed else call.name,
            '{"query": ""}' if malformed else call.arguments,
        )

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


def _tokens(messages: list[ChatMessage] | tuple[ChatMessage, ...]) -> int:
    return -(-sum(len(message.text.encode()) for message in messages) // BYTES_A_TOKEN)


def _nothing(work: Work) -> Work:
    """For a second search of one call: its tokens are counted with the first."""
    return replace(work, input_tokens=0, output_tokens=0, cost_nano=0, duration_ms=0)
