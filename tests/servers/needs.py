"""Programs that real servers in tests need: without one its tests are skipped, with a line that says why."""

import os
import shutil

import pytest


def needs(program: str, remedy: str) -> str:
    """The path of a program. Without it the tests are skipped, or fail where `RUNG_REQUIRE_SERVERS=1`."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin:/usr/local/sbin")
    if found is None:
        message = f"SKIPPED: {program} is not installed; run: {remedy}"
        if os.environ.get("RUNG_REQUIRE_SERVERS") == "1":
            raise RuntimeError(message)
        pytest.skip(message)
    return found
