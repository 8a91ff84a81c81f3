"""Who may see what, for the index: the only place that turns a caller into a filter."""

from app.core.errors import ForbiddenError
from app.core.identity import Caller
from retrieval.index.protocol import AccessFilter


def access_filter(caller: Caller) -> AccessFilter:
    """Limits a search to the caller's workspace and to what names one of their principals.

    A caller without principals gets a filter that nothing passes. The index's rule, "the stored access
    list and the filter share a principal", is `app.core.identity.may_read`.

    Raises:
        ForbiddenError: `no_workspace`, when the caller belongs to none.
    """
    if not caller.workspace_id.strip():
        raise ForbiddenError(
            "You belong to no workspace, so there is nothing to search; ask an administrator.",
            code="no_workspace",
        )
    return AccessFilter(caller.workspace_id, tuple(sorted(str(principal) for principal in caller.principals)))
