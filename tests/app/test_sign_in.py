from datetime import timedelta

import pytest

from app.core.clock import utc_now
from app.core.db import Database
from app.core.directory import Directory
from app.core.errors import InputError, NotFoundError, NotSignedInError
from app.core.identity import EVERYONE, PUBLIC, Principal
from app.core.sign_in import SignIns


@pytest.fixture
def directory(database: Database) -> Directory:
    directory = Directory(database)
    directory.add("ana@example.com", groups=("finance",))
    return directory


@pytest.fixture
def sign_ins(database: Database, directory: Directory) -> SignIns:
    return SignIns(database, directory)


def test_a_caller_stands_for_their_address_their_groups_everyone_and_the_public(directory: Directory) -> None:
    caller = directory.caller("ANA@example.com ")
    assert caller.principals == {
        Principal.user("ana@example.com"), Principal.group("finance"), EVERYONE, PUBLIC
    }  # fmt: skip
    assert caller.team == "finance"


def test_a_change_of_groups_counts_at_once(directory: Directory) -> None:
    directory.set_groups("ana@example.com", ("sales",))
    assert Principal.group("finance") not in directory.caller("ana@example.com").principals


def test_a_password_signs_in_and_the_cookie_names_the_caller(sign_ins: SignIns) -> None:
    sign_ins.set_password("ana@example.com", "correct horse battery")
    cookie = sign_ins.with_password("ana@example.com", "correct horse battery")
    caller = sign_ins.caller(cookie)
    assert caller is not None and caller.email == "ana@example.com"
    sign_ins.end(cookie)
    assert sign_ins.caller(cookie) is None


@pytest.mark.parametrize("email", ["ana@example.com", "nobody@example.com", "not an address"])
def test_a_wrong_password_says_the_same_for_every_address(sign_ins: SignIns, email: str) -> None:
    sign_ins.set_password("ana@example.com", "correct horse battery")
    with pytest.raises(NotSignedInError) as refused:
        sign_ins.with_password(email, "wrong password")
    assert refused.value.code == "wrong_password"


def test_a_person_without_a_password_cannot_sign_in_with_one(sign_ins: SignIns) -> None:
    for attempt in ("", "no such account"):
        with pytest.raises(NotSignedInError):
            sign_ins.with_password("ana@example.com", attempt)


def test_guessing_is_slowed_down(sign_ins: SignIns) -> None:
    sign_ins.set_password("ana@example.com", "correct horse battery")
    for _ in range(8):
        with pytest.raises(NotSignedInError):
            sign_ins.with_password("ana@example.com", "wrong password")
    with pytest.raises(NotSignedInError) as refused:
        sign_ins.with_password("ana@example.com", "correct horse battery")
    assert refused.value.code == "too_many_attempts"


def test_a_short_password_is_refused(sign_ins: SignIns) -> None:
    with pytest.raises(InputError) as refused:
        sign_ins.set_password("ana@example.com", "short")
    assert refused.value.code == "weak_password"


def test_a_link_works_once_unless_it_is_reusable(sign_ins: SignIns) -> None:
    once, again = sign_ins.make_link("ana@example.com"), sign_ins.make_link("ana@example.com", reusable=True)
    assert sign_ins.caller(sign_ins.with_link(once)) is not None
    with pytest.raises(NotSignedInError):
        sign_ins.with_link(once)
    for _ in range(2):
        assert sign_ins.caller(sign_ins.with_link(again)) is not None


def test_a_link_and_a_cookie_expire(database: Database, directory: Directory) -> None:
    now = utc_now()
    sign_ins = SignIns(database, directory, session_days=1, clock=lambda: now)
    link = sign_ins.make_link("ana@example.com", reusable=True)
    cookie = sign_ins.with_link(link)
    later = SignIns(database, directory, clock=lambda: now + timedelta(days=2))
    assert later.caller(cookie) is None
    with pytest.raises(NotSignedInError):
        later.with_link(link)


def test_a_key_carries_its_owners_access_until_it_is_revoked(sign_ins: SignIns) -> None:
    key, secret = sign_ins.make_key("ana@example.com", "laptop")
    assert sign_ins.with_key(secret).email == "ana@example.com"
    sign_ins.revoke_key(key.id)
    with pytest.raises(NotSignedInError):
        sign_ins.with_key(secret)


def test_a_disabled_person_loses_cookie_link_and_key_at_once(directory: Directory, sign_ins: SignIns) -> None:
    _, secret = sign_ins.make_key("ana@example.com", "laptop")
    link = sign_ins.make_link("ana@example.com", reusable=True)
    cookie = sign_ins.with_link(link)
    directory.disable("ana@example.com")
    assert sign_ins.caller(cookie) is None
    with pytest.raises(NotSignedInError):
        sign_ins.with_link(link)
    with pytest.raises(NotSignedInError):
        sign_ins.with_key(secret)
    with pytest.raises(NotFoundError):
        directory.caller("ana@example.com")
