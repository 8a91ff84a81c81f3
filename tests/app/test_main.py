"""Where the web server listens."""

import pytest

from app.core.config import Settings
from app.core.errors import ConfigurationError
from app.main import listen


def test_a_port_in_use_is_named_with_what_to_do(settings: Settings) -> None:
    with listen(settings.model_copy(update={"port": 0})) as first:
        first.listen()
        taken = settings.model_copy(update={"port": first.getsockname()[1]})
        with pytest.raises(ConfigurationError) as refused:
            listen(taken)
    assert refused.value.code == "address_in_use" and "--port" in refused.value.message
