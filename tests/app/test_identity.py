import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InputError
from app.core.identity import EVERYONE, NOBODY, PUBLIC, Principal, may_read, normalise_email, parse_access

group_names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True)
groups = group_names.map(Principal.group)
users = st.emails().map(Principal.user)
principals = st.one_of(groups, users, st.sampled_from([EVERYONE, PUBLIC]))
access_lists = st.frozensets(principals, max_size=6)


@given(principals)
def test_a_principal_survives_its_text(principal: Principal) -> None:
    assert Principal.parse(str(principal)) == principal
    assert Principal.parse(f"  {principal}\n") == principal


@given(st.text())
def test_any_text_names_one_principal_or_nobody(text: str) -> None:
    try:
        principal = Principal.parse(text)
    except InputError:
        return
    assert Principal.parse(str(principal)) == principal
    assert principal.name.isprintable()


@given(st.sampled_from(["everyone", "public", "group", "user"]), st.text())
def test_what_starts_well_and_goes_on_badly_never_widens_access(kind: str, rest: str) -> None:
    try:
        principal = Principal.parse(f"{kind}:{rest}")
    except InputError:
        return
    assert kind in ("group", "user")
    assert principal.kind == kind and principal.name


@pytest.mark.parametrize(
    "text",
    ["", " ", ":", "everyone:", "everyone:x", "Everyone", "EVERYONE", "all", "*", "any", "public:", "group",
     "group:", "group: ", "group:a b", "group:-a", "group:" + "a" * 64, "group:é", "group:a\n\ngroup:b",
     "user", "user:", "user:ana", "user:ana@", "user:@b.co", "user:ana@b", "user:a@b@c.co", "user:a b@c.co",
     "user:a@c.co,everyone", "user:a\x00@c.co", "user:a\u200b@c.co", "user:\ud800@c.co", "user:everyone",
     "user:" + "a" * 250 + "@b.co", "role:admin", "everyone group:a"],
)  # fmt: skip
def test_what_is_malformed_names_nobody(text: str) -> None:
    with pytest.raises(InputError) as refused:
        Principal.parse(text)
    assert refused.value.code in ("invalid_principal", "invalid_group", "invalid_email")


def test_a_list_with_one_bad_entry_is_refused_whole() -> None:
    with pytest.raises(InputError):
        parse_access(["everyone", "goup:finance"])
    assert parse_access([]) == NOBODY


@given(access_lists)
def test_an_access_list_survives_its_text(access: frozenset[Principal]) -> None:
    assert parse_access(str(principal) for principal in access) == access


@given(access_lists)
def test_nobody_reads_what_names_nobody_and_no_one_who_is_nobody_reads(access: frozenset[Principal]) -> None:
    assert not may_read(NOBODY, access)
    assert not may_read(access, frozenset())


@given(access_lists, access_lists)
def test_reading_needs_one_principal_in_common(
    access: frozenset[Principal], mine: frozenset[Principal]
) -> None:
    assert may_read(access, mine) == any(principal in mine for principal in access)


@given(access_lists, access_lists, access_lists)
def test_another_principal_in_a_list_never_takes_access_away(
    access: frozenset[Principal], more: frozenset[Principal], mine: frozenset[Principal]
) -> None:
    assert may_read(access | more, mine) >= may_read(access, mine)


def test_a_group_and_a_user_of_one_name_are_two() -> None:
    assert Principal.parse("group:ana") != Principal("user", "ana")
    assert not may_read(frozenset({Principal.group("everyone")}), frozenset({EVERYONE}))


@given(st.emails())
def test_an_address_has_one_spelling(email: str) -> None:
    normal = normalise_email(email)
    assert normalise_email(normal) == normalise_email(f" {email.upper()}\n".lower()) == normal
