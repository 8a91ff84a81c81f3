"""Every error that Rung raises on purpose.

    RungError
    ├── InputError              the caller sent something that cannot be used        422
    │   └── TooLargeError       it is over a limit that the message names            413
    ├── NotSignedInError        no valid sign-in, session or key                     401
    ├── ForbiddenError          signed in, but this act needs another role           403
    ├── NotFoundError           nothing there, or nothing the caller may see         404
    ├── ConflictError           it exists already, or somebody else holds it         409
    ├── BudgetExceededError     the price does not fit into what the budget allows   402
    ├── ConfigurationError      a setting is missing or contradicts another          500
    ├── IntegrityError          stored data is not what it was when it was written   500
    └── UnavailableError        a part that is needed does not answer                503
        └── ProviderError       a model provider failed; says whether a retry may help

`code` is stable: programs match on it and it never changes its meaning. `message` is for people and
says what to do. Nothing secret and nothing that the caller may not see goes into either.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

BudgetScope = Literal["workspace", "team", "user"]
"""Whose budget: everyone's together, a team's, or one person's."""


class RungError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: what happened and what to do about it, in words for people.
        code: a stable name in snake_case; each class has a default.
    """

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"
    default_code: ClassVar[str] = "internal_error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code


class InputError(RungError):
    """Something that was sent cannot be used.

    Args:
        errors: what is wrong with which field, where that can be told. It never repeats what was written,
            which may be a secret.
    """

    status, title, default_code = 422, "This input cannot be used", "invalid_input"

    def __init__(
        self, message: str, *, code: str | None = None, errors: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, code=code)
        self.errors = dict(errors or {})


class TooLargeError(InputError):
    status, title, default_code = 413, "Too large", "too_large"


class NotSignedInError(RungError):
    status, title, default_code = 401, "Sign in first", "not_signed_in"


class ForbiddenError(RungError):
    status, title, default_code = 403, "Not allowed", "forbidden"


class NotFoundError(RungError):
    status, title, default_code = 404, "Not found", "not_found"


class ConflictError(RungError):
    status, title, default_code = 409, "Already there", "conflict"


class BudgetExceededError(RungError):
    """A price does not fit into what a budget still allows; nothing was held or charged.

    Args:
        scope: whose budget it is. Each has a code of its own.
    """

    status, title, default_code = 402, "Budget used up", "budget_exceeded"
    codes: ClassVar[Mapping[BudgetScope, str]] = {
        "workspace": "budget_exceeded",
        "team": "team_budget_exceeded",
        "user": "user_budget_exceeded",
    }
    _whose: ClassVar[Mapping[BudgetScope, str]] = {
        "workspace": "The company's budget of this month",
        "team": "The team's budget of this month",
        "user": "Your budget of this month",
    }

    def __init__(self, message: str, *, code: str | None = None, scope: BudgetScope = "workspace") -> None:
        super().__init__(message, code=code or self.codes[scope])
        self.scope: BudgetScope = scope

    @property
    def whose(self) -> str:
        """The budget that is used up, as the first words of a sentence to the asker."""
        return self._whose[self.scope]


class ConfigurationError(RungError):
    status, title, default_code = 500, "A setting needs attention", "configuration"


class IntegrityError(RungError):
    status, title, default_code = 500, "Stored data was altered", "integrity"


class UnavailableError(RungError):
    status, title, default_code = 503, "A part of Rung does not answer", "unavailable"


class ProviderError(UnavailableError):
    """A model provider failed.

    Args:
        retryable: true for timeouts, cut connections, 429 and 5xx; false for 400, 401 and 403.
    """

    title, default_code = "The model provider failed", "provider_failed"

    def __init__(self, message: str, *, code: str | None = None, retryable: bool = False) -> None:
        super().__init__(message, code=code)
        self.retryable = retryable
