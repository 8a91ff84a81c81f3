"""Chat models behind an API: calls, prices and prompts. `chat` is the only user of LiteLLM."""

from routing.llm.chat import ChatCallError, ChatDelta, ChatEnd, ChatModel, ChatUsage

__all__ = ["ChatCallError", "ChatDelta", "ChatEnd", "ChatModel", "ChatUsage"]
