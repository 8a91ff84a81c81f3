"""What a person can do about a problem: where its message leads."""

from web.present.views import ProblemView

_ACTIONS = {
    "budget_exceeded": ("/usage", "See what was spent"),
}


def problem_view(code: str, message: str, query_id: str) -> ProblemView:
    """A failed answer in words, with a link where one helps."""
    href, action = _ACTIONS.get(code, (None, None))
    why = f"/queries/{query_id}/why"
    return ProblemView(code=code, message=message, why_href=why, href=href, action=action)
