"""Examples as the base model's tokens, in batches of like length, in an order that a seed decides."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from app.core.errors import InputError
from routing.adapters.learning.examples import Example
from routing.llm.prompt import ChatMessage

_BUCKET = 64
"""Lengths are compared in steps of this many tokens, so that a batch pads little and still mixes examples."""


class Tokenizer(Protocol):
    """What is used of a Hugging Face tokenizer."""

    chat_template: Any
    eos_token: str | None

    def apply_chat_template(self, conversation: Any, **options: Any) -> Any: ...

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...


@dataclass(frozen=True, slots=True)
class Tokens:
    """An example in tokens; only those from `answer_start` on are learned."""

    ids: tuple[int, ...]
    answer_start: int


def tokenise(tokenizer: Tokenizer, example: Example) -> Tokens:
    """The prompt as the server will write it, then the answer and the end of the turn.

    Raises:
        InputError: `no_chat_template`.
    """
    if not tokenizer.chat_template:
        raise InputError(
            "The base model's tokenizer has no chat template, so it cannot be asked questions. Use an "
            "instruct model.",
            code="no_chat_template",
        )
    before = _rendered(tokenizer, example.messages, asks=True)
    whole = _rendered(tokenizer, (*example.messages, ChatMessage("assistant", example.answer)), asks=False)
    # Some templates write a finished answer otherwise than one they ask for; then only its end is known.
    ending = (
        whole[len(before) :] if whole.startswith(before) else example.answer + (tokenizer.eos_token or "")
    )
    prompt = tokenizer.encode(before, add_special_tokens=False)
    answer = tokenizer.encode(ending.rstrip("\n"), add_special_tokens=False)
    return Tokens((*prompt, *answer), len(prompt))


def make_batches(lengths: Sequence[int], *, batch: int, epochs: int, seed: int) -> list[tuple[int, ...]]:
    """The batches of all epochs, as positions in the list: every example once an epoch."""
    batches = []
    for epoch in range(epochs):
        shuffler = random.Random(f"{seed}/{epoch}")  # noqa: S311 - an order, not a secret
        order = list(range(len(lengths)))
        shuffler.shuffle(order)
        order.sort(key=lambda i: lengths[i] // _BUCKET)
        found = [tuple(order[start : start + batch]) for start in range(0, len(order), batch)]
        shuffler.shuffle(found)
        batches += found
    return batches


def _rendered(tokenizer: Tokenizer, messages: Sequence[ChatMessage], *, asks: bool) -> str:
    plain = [{"role": message.role, "content": message.content} for message in messages]
    try:
        return str(tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=asks))
    except Exception as error:  # a template is code of its own and may raise anything
        raise InputError(
            f"The base model's chat template cannot write our messages: {error}", code="no_chat_template"
        ) from error
