"""Chat models: calls, deployments, prices and prompts. `chat` is the only user of LiteLLM; `vllm` calls one's
own vLLM."""

from routing.llm.call import ChatCall, ChatCallError, ChatDelta, ChatEnd, ChatModel, ChatUsage

__all__ = ["ChatCall", "ChatCallError", "ChatDelta", "ChatEnd", "ChatModel", "ChatUsage"]
