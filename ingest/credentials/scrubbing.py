"""Takes secrets out of what is said: a library's error may repeat what it was given."""

import base64
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

from pydantic import SecretStr

from ingest.connector import ConnectorSettings

Scrub = Callable[[str], str]
"""A text without the secrets in it."""

HIDDEN = "•••"
_SHORTEST = 4
"""A shorter secret is part of too many words; taking it out would only say what it is."""


def scrubber(settings: ConnectorSettings) -> Scrub:
    """Takes the secrets of these settings out of a text, also as they stand in addresses and headers."""
    forms = set[str]()
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr) and len(value.get_secret_value()) >= _SHORTEST:
            forms |= _forms(value.get_secret_value())
    longest_first = sorted(forms, key=lambda form: (-len(form), form))

    def scrub(text: str) -> str:
        for form in longest_first:
            text = text.replace(form, HIDDEN)
        return text

    return scrub


def repeats_secret(error: BaseException | None, scrub: Scrub) -> bool:
    """Whether an error, or one that it came from, repeats a secret."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        said = f"{error} {error!r} {getattr(error, 'message', '')}"
        if scrub(said) != said:
            return True
        error = error.__cause__ or error.__context__
    return False


def _forms(secret: str) -> set[str]:
    return {
        secret,
        repr(secret)[1:-1],
        json.dumps(secret)[1:-1],
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        base64.b64encode(secret.encode()).decode(),
    }
