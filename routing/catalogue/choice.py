"""Which prompt speaks: the seam between the rungs, which build prompts, and what is in service."""

from dataclasses import dataclass
from typing import Protocol

from app.core.errors import ForbiddenError
from app.core.identity import Caller


class PromptChooser(Protocol):
    """Knows the prompt in service on each rung."""

    def prompt_for(self, tier: str, default: str, workspace_id: str, query_id: str) -> str:
        """The id of the prompt for one question.

        Args:
            default: the prompt that `tiers.toml` names, where nobody has put another in service.
            query_id: decides whether the question belongs to the share of a prompt on trial; a question
                without an id never does.

        Raises:
            ConfigurationError: `bad_prompt`, when the file of the prompt in service is gone.
        """
        ...


@dataclass(frozen=True, slots=True)
class ThisPrompt:
    """Always the same prompt: for trials."""

    id: str

    def prompt_for(self, tier: str, default: str, workspace_id: str, query_id: str) -> str:  # noqa: ARG002
        return self.id


class OwnPrompts:
    """Each rung's own prompt, as `tiers.toml` names it."""

    def prompt_for(self, tier: str, default: str, workspace_id: str, query_id: str) -> str:  # noqa: ARG002
        return default


def require_admin(caller: Caller, act: str) -> None:
    """Raises ForbiddenError `admin_only`."""
    if not caller.is_admin:
        raise ForbiddenError(f"Only an admin may {act}.", code="admin_only")


def who(caller: Caller) -> str:
    """The caller as dated entries name them."""
    return caller.email or caller.name
