"""A Dovecot for all tests of mail, and a mailbox of its own for each."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.ingest.connectors.imap.box import PASSWORD, Box
from tests.servers.dovecot import Dovecot, dovecot

_free = count()
USERS = 150


@pytest.fixture(scope="session")
def mail_server() -> Iterator[Dovecot]:
    with dovecot({f"user{n}@example.com": PASSWORD for n in range(USERS)}) as running:
        yield running


@pytest.fixture
def make_box(mail_server: Dovecot, tmp_path: Path) -> Iterator[Callable[[], Box]]:
    boxes: list[Box] = []

    def make() -> Box:
        number = next(_free)
        boxes.append(Box(mail_server, f"user{number}@example.com", tmp_path / f"box-{number}"))
        return boxes[-1]

    yield make
    for box in boxes:
        for made in box.made:
            made.close()


@pytest.fixture
def box(make_box: Callable[[], Box]) -> Box:
    return make_box()
