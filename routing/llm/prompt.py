"""Builds what a chat model is sent: versioned prompt files, passages fenced and labelled as data.

A prompt is `prompts/<id>.md` with the parts `# system` and `# user`; a changed prompt is a new file,
since each answer stores the id that spoke.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from app.core.errors import ConfigurationError
from retrieval.passage import Passage
from routing.citation import without_marks
from routing.llm.message import ChatMessage as ChatMessage
from routing.tier import EarlierAnswer, TierRequest, Turn

PROMPTS_DIR = Path(__file__).with_name("prompts")

NOT_FOUND = "NOT FOUND"
"""What the model is told to say when the passages do not answer."""

BYTES_A_TOKEN = 3
"""Prompts are cut as if a token had only three bytes, so that the limit in tokens is kept in any usual
language."""

_TURNS = 3
_LONGEST_TURN = 1_500
_FENCE = re.compile(r"<{3,}|>{3,}|＜{3,}|＞{3,}")
_UNSEEN = re.compile(
    "[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef]"
)
"""Characters of no width, marks that turn the direction of writing, and tags: words can hide in them."""
_ROLE_TAG = re.compile(
    r"<\|[^<>\n|]{0,40}\|>|<[/／]?\s*(?:s|sys|system|user|assistant|tool|human|instructions?|tool_call"
    r"|tool_response|function_calls?|invoke)\s*>|\[/?INST\]|<</?SYS>>",
    re.I,
)
"""What model families write between turns. A tokenizer may take it for the real thing."""
_SOFT = str.maketrans("<>＜＞[]", "‹›‹›⟦⟧")


@dataclass(frozen=True, slots=True)
class BuiltPrompt:
    """The messages, and the passages that fitted: `[n]` in the answer is the nth of them."""

    id: str
    messages: tuple[ChatMessage, ...]
    passages: tuple[Passage, ...]

    @property
    def bytes(self) -> int:
        return sum(len(message.text.encode()) for message in self.messages)


@dataclass(frozen=True, slots=True)
class PromptFile:
    """A prompt's two parts; `{{passages}}`, `{{question}}` and, where it has one, `{{earlier}}` are filled
    in."""

    id: str
    system: str
    user: str


@lru_cache(maxsize=32)
def load_prompt(prompt_id: str, needs: tuple[str, ...] = ("passages", "question")) -> PromptFile:
    """Reads a prompt file.

    Args:
        needs: what its second part must have a place for.

    Raises:
        ConfigurationError: `bad_prompt` when it is missing or lacks a part.
    """
    path = PROMPTS_DIR / f"{prompt_id}.md"
    if not re.fullmatch(r"[a-z0-9.-]+", prompt_id) or not path.is_file():
        raise ConfigurationError(f"There is no prompt {prompt_id!r} in {PROMPTS_DIR}.", code="bad_prompt")
    match = re.fullmatch(r"# system\n(.*?)\n# user\n(.*)", path.read_text(encoding="utf-8"), re.S)
    places = [f"{{{{{name}}}}}" for name in needs]
    if match is None or not all(place in match[2] for place in places):
        raise ConfigurationError(
            f"{path} needs `# system` and `# user`, which holds {' and '.join(places)}.", code="bad_prompt"
        )
    return PromptFile(prompt_id, match[1].strip(), match[2].strip())


def build_prompt(prompt_id: str, request: TierRequest, passages: int, max_input_tokens: int) -> BuiltPrompt:
    """Fills in a prompt with as many of the top passages as fit; at least one, cut if need be."""
    prompt = load_prompt(prompt_id)
    history = _history(request.history)
    earlier = _earlier(request.earlier) if "{{earlier}}" in prompt.user else ""
    written = prompt.system + prompt.user + request.question + earlier
    room = max_input_tokens * BYTES_A_TOKEN - len(written.encode())
    room -= sum(len(message.content.encode()) for message in history)
    fenced: list[str] = []
    used: list[Passage] = []
    for number, passage in enumerate(request.passages[:passages], 1):
        block = fence(number, passage, passage.text)
        if len(block.encode()) > room:
            if not used and room > 0:
                used.append(passage)
                fenced.append(
                    fence(number, passage, passage.text.encode()[: room // 2].decode(errors="ignore"))
                )
            break
        room -= len(block.encode())
        fenced.append(block)
        used.append(passage)
    # Filled in one pass, so that a passage which holds a placeholder is not filled in itself.
    question = neutralise(request.question)
    parts = {"passages": "\n\n".join(fenced), "question": question, "earlier": earlier}
    user = re.sub(r"\{\{(passages|question|earlier)\}\}", lambda match: parts[match[1]], prompt.user)
    messages = (ChatMessage("system", prompt.system), *history, ChatMessage("user", user))
    return BuiltPrompt(prompt.id, messages, tuple(used))


def answer_pattern(passages: int) -> str:
    """A regular expression for an answer to so many passages: NOT FOUND, or text of which every stretch ends
    with marks of passages that exist."""
    numbers = "|".join(str(number) for number in range(1, passages + 1))
    return rf"{NOT_FOUND}|([^\[\]]+(\[({numbers})\])+)+[.]?"


def neutralise(text: str) -> str:
    """The text with nothing in it that could pass for a fence or for a mark of whose turn it is, and without
    characters that nobody sees."""
    seen = _ROLE_TAG.sub(_softened, _UNSEEN.sub("", text))
    return _FENCE.sub(_softened, seen)


def _softened(match: re.Match[str]) -> str:
    return match.group().translate(_SOFT)


def fence(number: int, passage: Passage, text: str) -> str:
    label = {"title": passage.title, "section": " / ".join(passage.heading_path), "source": passage.source}
    if passage.updated_at is not None:
        label["date"] = passage.updated_at.date().isoformat()
    named = " · ".join(f"{name}: {_one_line(value)}" for name, value in label.items() if value)
    return f"<<<PASSAGE {number} ({named})\n{neutralise(text)}\nPASSAGE>>>"


def _one_line(text: str) -> str:
    return neutralise(" ".join(text.split()))[:200]


def _earlier(earlier: EarlierAnswer | None) -> str:
    """What a cheaper rung said, as data, and why that was not enough; with an empty line after it."""
    if earlier is None:
        return ""
    why = _one_line(earlier.reason) or "it was not sure enough"
    if earlier.abstained or not earlier.text.strip():
        return f"A quick attempt found no answer in these passages ({why}).\n\n"
    said = neutralise(without_marks(earlier.text)[:_LONGEST_TURN])
    return f"<<<EARLIER ATTEMPT\n{said}\nATTEMPT>>>\nIt was doubted because: {why}.\n\n"


def _history(turns: Sequence[Turn]) -> list[ChatMessage]:
    messages = []
    for turn in turns[-_TURNS:]:
        messages.append(ChatMessage("user", neutralise(turn.question[:_LONGEST_TURN])))
        answer = without_marks(turn.answer)[:_LONGEST_TURN] or NOT_FOUND
        messages.append(ChatMessage("assistant", neutralise(answer)))
    return messages
