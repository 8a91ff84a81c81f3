"""What a person can do about a problem: where its message leads."""

from app.core.errors import BudgetExceededError
from web.present.views import ProblemView

_ACTIONS = dict.fromkeys(BudgetExceededError.codes.values(), ("/usage", "See what was spent"))


def problem_view(code: str, message: str, query_id: str) -> ProblemView:
    """A failed answer in words, with a link where one helps."""
    href, action = _ACTIONS.get(code, (None, None))
    why = f"/queries/{query_id}/why"
    return ProblemView(code=code, message=message, why_href=why, href=href, action=action)
