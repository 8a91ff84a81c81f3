"""Which adapter answers whom. The promise: never one that learned from what the caller may not read."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import delete

from app.core.db import Database
from app.core.identity import Caller, may_read, parse_access
from routing.adapters.adapter import AdapterChoice, Scope
from routing.adapters.registry import Adapters
from routing.adapters.store import NewVersion, Store
from routing.adapters.tables import AdapterAssignmentRow, AdapterDocumentRow, AdapterVersionRow
from tests.routing.adapters.company import LEAVE, Company, passage


def in_service(
    company: Company, name: str, documents: tuple[str, ...] = (), access: tuple[str, ...] | None = None
) -> AdapterVersionRow:
    """A version that answers, as training or `add` would have left it."""
    store = Store(company.database)
    number = store.last_version("default", name) + 1
    new = NewVersion(number, "base", "", 8, 1, "x", 1, documents, "local.v1", access, {})
    store.add("default", name, new, "admin", "trained", "")
    row = store.row("default", name, number)
    current = next((a.in_service for a in store.adapters("default") if a.name == name), None)
    store.switch(row, current.served_name if current else None, "published", "admin")
    return store.row("default", name, number)


def assign(company: Company, name: str, scope: Scope = "workspace", value: str = "") -> None:
    company.adapters().assign(company.admin, scope, value, name)


def chosen(adapters: Adapters, caller: Caller, *sources: str) -> AdapterChoice | None:
    found = [passage("d", LEAVE, source=source) for source in sources or ("handbook",)]
    return adapters.choose(caller, found)


def test_nothing_assigned_means_the_base_model(company: Company) -> None:
    in_service(company, "general", (company.document("everyone"),))
    assert chosen(company.adapters(), company.person("ana")) is None


def test_a_team_comes_before_a_kind_of_source_and_that_before_the_workspace(company: Company) -> None:
    document, adapters = company.document("everyone"), company.adapters()
    ana = company.person("ana", team="sales")
    for name in ("general", "folders", "sales"):
        in_service(company, name, (document,))
    assign(company, "general")
    assert chosen(adapters, ana) == AdapterChoice("general.v1", "chosen for the whole workspace")
    assign(company, "folders", "source_kind", "folder")
    assert chosen(adapters, ana) == AdapterChoice("folders.v1", "chosen for sources of kind folder")
    assign(company, "sales", "team", "sales")
    assert chosen(adapters, ana) == AdapterChoice("sales.v1", "chosen for team sales")
    ben = company.person("ben", team="legal")
    assert chosen(adapters, ben) == AdapterChoice("folders.v1", "chosen for sources of kind folder")


@pytest.mark.parametrize(
    ("sources", "name"),
    [
        (["tickets", "handbook", "tickets"], "jira.v1"),
        (["handbook", "tickets", "handbook"], "general.v1"),
        (["tickets", "handbook"], "jira.v1"),
        (["gone", "gone", "tickets"], "jira.v1"),
        (["gone"], "general.v1"),
    ],
)
def test_the_kind_that_most_of_the_top_passages_come_from(
    small_company: Company, sources: list[str], name: str
) -> None:
    document = small_company.document("everyone")
    for adapter in ("general", "jira"):
        in_service(small_company, adapter, (document,))
    assign(small_company, "general")
    assign(small_company, "jira", "source_kind", "jira")
    found = chosen(small_company.adapters(), small_company.person("ana"), *sources)
    assert found is not None and found.served_name == name


def test_without_passages_no_kind_of_source_fits(small_company: Company) -> None:
    in_service(small_company, "jira", (small_company.document("everyone"),))
    assign(small_company, "jira", "source_kind", "jira")
    assert small_company.adapters().choose(small_company.person("ana"), []) is None


def test_an_adapter_that_may_not_serve_the_caller_gives_way_without_a_word(company: Company) -> None:
    ana, ben = company.person("ana", "sales", team="sales"), company.person("ben", team="sales")
    in_service(company, "closed", (company.document("everyone"), company.document("group:sales")))
    in_service(company, "general", (company.document("everyone"),))
    assign(company, "closed", "team", "sales")
    adapters = company.adapters()
    assert chosen(adapters, ana) == AdapterChoice("closed.v1", "chosen for team sales")
    assert chosen(adapters, ben) is None
    assign(company, "general")
    found = chosen(adapters, ben)
    assert found is not None and "closed" not in f"{found.served_name} {found.reason}"


def test_a_change_of_access_counts_at_the_next_question(company: Company) -> None:
    ana, document = company.person("ana"), company.document("everyone")
    in_service(company, "general", (document,))
    assign(company, "general")
    adapters = company.adapters()
    assert chosen(adapters, ana) is not None
    company.set_access(document, "group:legal")
    assert chosen(adapters, ana) is None
    company.set_access(document, "everyone")
    assert chosen(adapters, ana) is not None
    company.delete(document)
    assert chosen(adapters, ana) is None


def test_a_switch_by_another_process_counts_at_the_next_question(company: Company) -> None:
    ana, document = company.person("ana"), company.document("everyone")
    in_service(company, "general", (document,))
    assign(company, "general")
    adapters = company.adapters()
    assert chosen(adapters, ana) == AdapterChoice("general.v1", "chosen for the whole workspace")
    in_service(company, "general", (document,))
    assert chosen(adapters, ana) == AdapterChoice("general.v2", "chosen for the whole workspace")


def test_a_version_whose_documents_are_not_all_known_serves_nobody(company: Company) -> None:
    """A row that was lost must never widen access."""
    ana = company.person("ana")
    row = in_service(company, "general", (company.document("everyone"), company.document("everyone")))
    assign(company, "general")
    with company.database.write() as session:
        session.delete(
            session.get(AdapterDocumentRow, (row.id, min(Store(company.database).documents(row.id))))
        )
    assert chosen(company.adapters(), ana) is None


@pytest.mark.parametrize(
    ("access", "serves"),
    [
        (("everyone",), True),
        (("group:sales",), True),
        (("group:legal",), False),
        ((), False),
        (("group:sales", "nonsense"), False),
    ],
)
def test_an_adapter_from_elsewhere_serves_whom_an_admin_named(
    company: Company, access: tuple[str, ...], serves: bool
) -> None:
    in_service(company, "imported", (), access)
    assign(company, "imported")
    assert (chosen(company.adapters(), company.person("ana", "sales")) is not None) == serves


def test_one_trained_on_nothing_known_serves_nobody(small_company: Company) -> None:
    in_service(small_company, "empty", ())
    assign(small_company, "empty")
    assert chosen(small_company.adapters(), small_company.person("ana")) is None


def test_another_workspaces_adapter_is_never_chosen(small_company: Company) -> None:
    row = in_service(small_company, "general", (), ("everyone",))
    assign(small_company, "general")
    with small_company.database.write() as session:
        stored = session.get(AdapterVersionRow, row.id)
        assert stored is not None
        stored.workspace_id = "other"
    assert chosen(small_company.adapters(), small_company.person("ana")) is None


ACCESS = st.lists(st.sampled_from(["everyone", "group:a", "group:b", "user:ana@example.com"]), max_size=2)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    made_of=st.lists(st.lists(ACCESS, min_size=1, max_size=3), min_size=1, max_size=3),
    groups=st.sets(st.sampled_from(["a", "b"])),
)
def test_an_adapter_never_serves_a_caller_who_may_not_read_every_document(
    sqlite_database: Database, tmp_path: Path, made_of: list[list[list[str]]], groups: set[str]
) -> None:
    from app.core.config import Settings

    company = Company(sqlite_database, Settings(_env_file=None, data_dir=tmp_path))
    with sqlite_database.write() as session:
        for table in (AdapterAssignmentRow, AdapterDocumentRow, AdapterVersionRow):
            session.exec(delete(table))
    ana = company.person("ana")
    company.directory.set_groups("ana@example.com", tuple(sorted(groups)))
    ana = company.directory.caller("ana@example.com")
    allowed = {}
    scopes: list[tuple[Scope, str]] = [("team", ana.team), ("source_kind", "folder"), ("workspace", "")]
    for (scope, value), accesses in zip(scopes, made_of, strict=False):
        documents = tuple(company.document(*access) for access in accesses)
        row = in_service(company, scope.replace("_", "-"), documents)
        assign(company, row.name, scope, value)
        allowed[row.served_name] = all(may_read(parse_access(a), ana.principals) for a in accesses)
    found = chosen(company.adapters(), ana)
    expected = next((name for name, may in allowed.items() if may), None)
    assert (found.served_name if found else None) == expected
