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
from routing.tier import TierRequest, Turn

PROMPTS_DIR = Path(__file__).with_name("prompts")

NOT_FOUND = "NOT FOUND"
"""What the model is told to say when the passages do not answer."""

_BYTES_A_TOKEN = 3
"""Prompts are cut as if a token had only three bytes, so that the limit in tokens is kept in any usual
language."""

_TURNS = 3
_LONGEST_TURN = 1_500
_FENCE = re.compile(r"<{3,}|>{3,}|＜{3,}|＞{3,}")


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message to a chat model."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class BuiltPrompt:
    """The messages, and the passages that fitted: `[n]` in the answer is the nth of them."""

    id: str
    messages: tuple[ChatMessage, ...]
    passages: tuple[Passage, ...]

    @property
    def bytes(self) -> int:
        return sum(len(message.content.encode()) for message in self.messages)


@dataclass(frozen=True, slots=True)
class PromptFile:
    """A prompt's two parts; `{{passages}}` and `{{question}}` are filled in."""

    id: str
    system: str
    user: str


@lru_cache(maxsize=32)
def load_prompt(prompt_id: str) -> PromptFile:
    """Reads a prompt file.

    Raises:
        ConfigurationError: `bad_prompt` when it is missing or lacks a part.
    """
    path = PROMPTS_DIR / f"{prompt_id}.md"
    if not re.fullmatch(r"[a-z0-9.-]+", prompt_id) or not path.is_file():
        raise ConfigurationError(f"There is no prompt {prompt_id!r} in {PROMPTS_DIR}.", code="bad_prompt")
    match = re.fullmatch(r"# system\n(.*?)\n# user\n(.*)", path.read_text(encoding="utf-8"), re.S)
    if match is None or "{{passages}}" not in match[2] or "{{question}}" not in match[2]:
        raise ConfigurationError(
            f"{path} needs `# system` and `# user`, which holds {{{{passages}}}} and {{{{question}}}}.",
            code="bad_prompt",
        )
    return PromptFile(prompt_id, match[1].strip(), match[2].strip())


def build_prompt(prompt_id: str, request: TierRequest, passages: int, max_input_tokens: int) -> BuiltPrompt:
    """Fills in a prompt with as many of the top passages as fit; at least one, cut if need be."""
    prompt = load_prompt(prompt_id)
    history = _history(request.history)
    room = max_input_tokens * _BYTES_A_TOKEN - len((prompt.system + prompt.user + request.question).encode())
    room -= sum(len(message.content.encode()) for message in history)
    fenced: list[str] = []
    used: list[Passage] = []
    for number, passage in enumerate(request.passages[:passages], 1):
        block = _fence(number, passage, passage.text)
        if len(block.encode()) > room:
            if not used and room > 0:
                used.append(passage)
                fenced.append(
                    _fence(number, passage, passage.text.encode()[: room // 2].decode(errors="ignore"))
                )
            break
        room -= len(block.encode())
        fenced.append(block)
        used.append(passage)
    # Filled in one pass, so that a passage which holds a placeholder is not filled in itself.
    parts = {"passages": "\n\n".join(fenced), "question": neutralise(request.question)}
    user = re.sub(r"\{\{(passages|question)\}\}", lambda match: parts[match[1]], prompt.user)
    messages = (ChatMessage("system", prompt.system), *history, ChatMessage("user", user))
    return BuiltPrompt(prompt.id, messages, tuple(used))


def answer_pattern(passages: int) -> str:
    """A regular expression for an answer to so many passages: NOT FOUND, or text of which every stretch ends
    with marks of passages that exist."""
    numbers = "|".join(str(number) for number in range(1, passages + 1))
    return rf"{NOT_FOUND}|([^\[\]]+(\[({numbers})\])+)+[.]?"


def neutralise(text: str) -> str:
    """The text with nothing in it that could pass for a fence."""
    return _FENCE.sub(
        lambda match: "‹" * len(match.group()) if match.group()[0] in "<＜" else "›" * len(match.group()),
        text,
    )


def _fence(number: int, passage: Passage, text: str) -> str:
    label = {"title": passage.title, "section": " / ".join(passage.heading_path), "source": passage.source}
    if passage.updated_at is not None:
        label["date"] = passage.updated_at.date().isoformat()
    named = " · ".join(f"{name}: {_one_line(value)}" for name, value in label.items() if value)
    return f"<<<PASSAGE {number} ({named})\n{neutralise(text)}\nPASSAGE>>>"


def _one_line(text: str) -> str:
    return neutralise(" ".join(text.split()))[:200]


def _history(turns: Sequence[Turn]) -> list[ChatMessage]:
    messages = []
    for turn in turns[-_TURNS:]:
        messages.append(ChatMessage("user", neutralise(turn.question[:_LONGEST_TURN])))
        answer = without_marks(turn.answer)[:_LONGEST_TURN] or NOT_FOUND
        messages.append(ChatMessage("assistant", neutralise(answer)))
    return messages
