"""What goes to and fro with a chat model: messages, the tools it is offered, what it asks of them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tool:
    """Something a model may ask for. `parameters` are named texts, each with what it is; all are needed."""

    name: str
    description: str
    parameters: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What a model asks for. `arguments` should be a JSON object, and may be anything."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message to a chat model. A message of role `tool` answers the call `tool_call_id`."""

    role: str
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        """All that is written in it."""
        return "".join((self.content, *(f"{call.name}{call.arguments}" for call in self.tool_calls)))
