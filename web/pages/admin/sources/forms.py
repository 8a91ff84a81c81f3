"""What forms send, with fields that are only known when the form is made."""

from typing import Annotated

from fastapi import Depends, Request

from app.core.errors import InputError

_MOST_FIELDS = 500
_MOST_CHARS = 20_000


async def _sent(request: Request) -> list[tuple[str, str]]:
    form = await request.form(max_fields=_MOST_FIELDS)
    items = [(key, value) for key, value in form.multi_items() if isinstance(value, str)]
    if any(len(value) > _MOST_CHARS for _, value in items):
        raise InputError(f"A field may hold at most {_MOST_CHARS:,} characters.", code="field_too_long")
    return items


Sent = Annotated[list[tuple[str, str]], Depends(_sent)]
"""Names and values in their order."""
