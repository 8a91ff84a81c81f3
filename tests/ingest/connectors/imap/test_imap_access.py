"""Who may read a mail: the owner of a private folder, and whom the rights of a shared one name."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.identity import EVERYONE, NOBODY, AccessList, Principal
from ingest.connectors.imap.access import read_acl
from ingest.connectors.imap.folders import Namespaces
from tests.ingest.connectors.changes import failures, unchanged, upserts
from tests.ingest.connectors.imap.box import PASSWORD, Box, mail
from tests.servers.dovecot import Dovecot, dovecot

MakeBox = Callable[[], Box]
BOB = Principal.user("bob@example.com")
STAFF = Principal.group("staff")


@pytest.fixture(autouse=True)
def no_public_folders(mail_server: Dovecot) -> Iterator[None]:
    yield
    mail_server.without_public_folders()


def person(box: Box) -> Principal:
    return Principal.user(box.user)


def grant(box: Box, folder: str, who: str, rights: str) -> None:
    with box.server.mailbox(box.user) as client:
        done, said = client.setacl(f'"{folder}"', who, rights)
        assert done == "OK", said


def accesses(box: Box, **settings: object) -> dict[str, AccessList]:
    return {name: one.access for name, one in upserts(box.pull(**settings)).items()}


def test_private_folder_is_for_its_owner_alone(box: Box) -> None:
    box.put(mail("first", attached=[("note.md", b"# Note")]))
    box.put(mail("second"), folder="Plans")
    assert set(accesses(box).values()) == {frozenset({person(box)})}


def test_owner_may_be_another_person_than_the_account(box: Box) -> None:
    box.put(mail("first"))
    assert list(accesses(box, mailbox_owner="Eve@Example.com").values()) == [
        frozenset({Principal.user("eve@example.com")})
    ]


def test_private_folder_that_its_owner_shares_is_also_for_whom_its_rights_name(make_box: MakeBox) -> None:
    mine, colleague, looker = make_box(), make_box(), make_box()
    mine.put(mail("first"), folder="Plans")
    grant(mine, "Plans", colleague.user, "lr")
    grant(mine, "Plans", looker.user, "l")
    assert accesses(mine) == {"Plans/first@example.com": frozenset({person(mine), person(colleague)})}


def test_folder_of_a_colleague_is_for_its_owner_and_whom_it_was_shared_with(make_box: MakeBox) -> None:
    mine, colleague, other = make_box(), make_box(), make_box()
    colleague.put(mail("first"), folder="Plans")
    grant(colleague, "Plans", mine.user, "lra")
    grant(colleague, "Plans", other.user, "lr")
    found = accesses(mine)
    assert found == {
        f"Others:{colleague.user}:Plans/first@example.com": frozenset(
            {person(mine), person(colleague), person(other)}
        )
    }


def test_folder_of_a_colleague_whose_rights_are_not_told_is_for_its_owner_and_named(
    make_box: MakeBox,
) -> None:
    mine, colleague = make_box(), make_box()
    colleague.put(mail("first"), folder="Plans")
    grant(colleague, "Plans", mine.user, "lr")
    found = accesses(mine)
    assert list(found.values()) == [NOBODY]
    check = mine.connector().check()
    [finding] = [f for f in check.findings if "cannot be asked" in f.what]
    assert not finding.ok and "(a)" in finding.remedy and colleague.user in finding.what


def test_public_folders_are_for_whom_they_name(mail_server: Dovecot, box: Box) -> None:
    reader = f"user={box.user} lra\n"
    mail_server.public_folder("News", "anyone lr\n" + reader)
    mail_server.public_folder("Staff", "group=staff lr\nuser=bob@example.com lr\n" + reader)
    mail_server.public_folder("Held back", "anyone lr\nuser=bob@example.com l\n" + reader)
    mail_server.public_folder("No group", "user=bob@example.com lr\ngroup-override=leavers l\n" + reader)
    for name in ("News", "Staff", "Held back", "No group"):
        put_public(mail_server, name)
    me = person(box)
    assert accesses(box, folders=("Public/**",)) == {
        "Public:News/note@example.com": frozenset({EVERYONE, me}),
        "Public:Staff/note@example.com": frozenset({STAFF, BOB, me}),
        "Public:Held back/note@example.com": NOBODY,
        "Public:No group/note@example.com": NOBODY,
    }


def test_change_of_rights_is_told_without_reading_anything(mail_server: Dovecot, box: Box) -> None:
    mail_server.public_folder("Changing", f"user=bob@example.com lr\nuser={box.user} lra\n")
    put_public(mail_server, "Changing")
    assert accesses(box, folders=("Public/Changing",)) == {
        "Public:Changing/note@example.com": frozenset({BOB, person(box)})
    }
    mail_server.public_folder("Changing", f"user={box.user} lra\n")
    changes = box.pull(folders=("Public/Changing",))
    assert unchanged(changes) == {"Public:Changing/note@example.com"}
    assert changes[0].access == frozenset({person(box)})  # type: ignore[union-attr]


def test_folder_that_may_be_seen_and_not_read_is_a_failure_that_removes_nothing(
    mail_server: Dovecot, box: Box
) -> None:
    mail_server.public_folder("Closed", f"user={box.user} la\n")
    box.put(mail("first"))
    changes = box.pull()
    assert failures(changes)["Public:Closed"] == "permission_denied"
    assert "INBOX/first@example.com" in upserts(changes)
    with pytest.raises(Exception, match="Public/Closed") as raised:
        list(box.connector().list_ids())
    assert raised.value.code == "listing_incomplete"  # type: ignore[attr-defined]
    check = box.connector().check()
    assert check.ok and any("Public/Closed" in f.what and not f.ok for f in check.findings)


@pytest.fixture
def nameless() -> Iterator[Dovecot]:
    with dovecot({"ann": PASSWORD}) as running:
        yield running


def test_without_an_address_of_the_owner_nobody_reads_private_folders(
    nameless: Dovecot, make_box: MakeBox
) -> None:
    box = make_box()
    box.server, box.user = nameless, "ann"
    box.put(mail("first"))
    assert list(accesses(box).values()) == [NOBODY]
    assert any("Nobody may read" in f.what and not f.ok for f in box.connector().check().findings)
    assert set(accesses(box, mailbox_owner="ann@example.com").values()) == set()
    assert box.pull(mailbox_owner="bob@example.com")[0].access == frozenset({BOB})  # type: ignore[union-attr]


def put_public(server: Dovecot, name: str) -> None:
    path = server.folder / "mail" / "public" / f".{name}"
    (path / "new" / "1700000000.1.host").write_bytes(mail("note"))
    server.give(path)


ME = "me@example.com"


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({}, NOBODY),
        ({"bob@example.com": "lrs"}, {BOB}),
        ({"bob": "lr"}, {BOB}),
        ({"bob@example.com": "l"}, NOBODY),
        ({"anyone": "lr"}, {EVERYONE}),
        ({"anyone": "p", "$staff": "lr"}, {STAFF}),
        ({"authenticated": "lr"}, {EVERYONE}),
        ({"anyone": "lr", "authenticated": "l", "bob": "lr"}, {BOB}),
        ({"$staff": "lr", "group:board": "lp"}, {STAFF}),
        ({"anyone": "lr", "$staff": "l"}, NOBODY),
        ({"anyone": "lr", "bob": ""}, NOBODY),
        ({"$staff": "lr", "bob": "l"}, NOBODY),
        ({"$staff": "lr", "bob": "lr"}, {STAFF, BOB}),
        ({"anyone": "lr", "-bob": "r"}, NOBODY),
        ({"anyone": "lr", "-bob": "w"}, {EVERYONE}),
        ({"bob": "lr", "eve": "lr", "-eve": "r"}, {BOB}),
        ({"bob": "lr", "-$staff": "r"}, NOBODY),
        ({"bob": "lr", "-anyone": "r"}, NOBODY),
        ({"bob": "lr", "!leavers": "l"}, NOBODY),
        ({"!staff": "lr"}, {STAFF}),
        ({"#$staff": "lr"}, {STAFF}),
        ({"owner": "lra"}, {Principal.user(ME)}),
        ({"two words": "lr", "bob": "lr"}, {BOB}),
        ({"anyone": "lr", "-two words": "r"}, NOBODY),
    ],
)
def test_access_lists_are_read_as_servers_mean_them(
    entries: dict[str, str], expected: set[Principal]
) -> None:
    assert read_acl(entries.items(), owner=ME, domain="example.com") == expected


names = st.sampled_from(
    ["anyone", "authenticated", "$staff", "$board", "!staff", "bob", "eve", "owner", "x y"]
)


@given(st.dictionaries(st.tuples(st.sampled_from(["", "-", "-#"]), names), st.sampled_from(["lr", "l", ""])))
def test_nobody_reads_who_has_no_entry_that_reads(entries: dict[tuple[str, str], str]) -> None:
    told = [(mark + name, rights) for (mark, name), rights in entries.items()]
    access = read_acl(told, owner=ME, domain="example.com")
    given = read_acl([(n, r) for n, r in told if "r" in r and n[0] != "-"], owner=ME, domain="example.com")
    assert access <= given
    assert not access & read_acl(
        [(n.lstrip("-#"), "lr") for n, r in told if n[0] == "-" and "r" in r], owner=ME, domain="example.com"
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("INBOX", (False, ME)),
        ("INBOX.Sent.2024", (False, ME)),
        ("user", (True, None)),
        ("user.bob", (True, "bob@example.com")),
        ("user.bob.Plans", (True, "bob@example.com")),
        ("user.two words.Plans", (True, None)),
        ("shared", (True, None)),
        ("shared.News", (True, None)),
        ("userland", (False, ME)),
        ("Else", (False, ME)),
    ],
)
def test_owner_of_a_folder_is_told_by_its_namespace(name: str, expected: tuple[bool, str | None]) -> None:
    """As Cyrus and Courier name them, with a dot between; what is in no namespace is taken for one's own."""
    spaces = Namespaces(["INBOX."], ["user."], ["shared."])
    assert spaces.whose(name, ".", ME) == expected
    assert Namespaces([""], [], []).whose(name, ".", ME) == (False, ME)
