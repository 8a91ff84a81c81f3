"""How past questions are told who may read a document now; documents themselves are not ours."""

from typing import Protocol

from app.core.identity import Caller


class MayRead(Protocol):
    """Whether a caller may read a document now; false for one that is gone."""

    def __call__(self, caller: Caller, document_id: str) -> bool: ...
