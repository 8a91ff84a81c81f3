"""What the tables promise, on both databases."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.errors import ConflictError, ForbiddenError, InputError, NotFoundError
from routing.adapters.store import NewVersion, Store
from routing.adapters.tables import AdapterVersionRow
from tests.routing.adapters.company import Company


def add(store: Store, name: str = "support") -> AdapterVersionRow:
    number = store.last_version("default", name) + 1
    new = NewVersion(number, "base", "", 8, 1, "x", 1, ("d1", "d2"), "local.v1", None, {"a": 1})
    store.add("default", name, new, "admin", "trained", "of two")
    return store.row("default", name, number)


def states(store: Store) -> list[str]:
    return [version.state for adapter in store.adapters("default") for version in adapter.versions]


def test_a_switch_keeps_the_last_version_and_retires_the_one_before_it(company: Company) -> None:
    store = Store(company.database)
    one, two, three = add(store), add(store), add(store)
    assert store.switch(one, None, "published", "admin") == []
    assert store.switch(two, "support.v1", "published", "admin") == []
    retired = store.switch(three, "support.v2", "published", "admin")
    assert [version.served_name for version in retired] == ["support.v1"]
    assert states(store) == ["in_service", "previous", "retired"]


def test_going_back_and_forth_swaps_the_two(company: Company) -> None:
    store = Store(company.database)
    one, two = add(store), add(store)
    store.switch(one, None, "published", "admin")
    store.switch(two, "support.v1", "published", "admin")
    assert store.switch(one, "support.v2", "rolled back", "admin") == []
    assert states(store) == ["previous", "in_service"]


def test_who_decided_on_an_older_state_does_not_switch(company: Company) -> None:
    store = Store(company.database)
    one, two = add(store), add(store)
    store.switch(one, None, "published", "ana")
    with pytest.raises(ConflictError) as refused:
        store.switch(two, None, "published", "ben")
    assert refused.value.code == "changed_meanwhile"
    assert states(store) == ["candidate", "in_service"]


def test_the_database_itself_holds_one_version_in_service(company: Company) -> None:
    store = Store(company.database)
    store.switch(add(store), None, "published", "admin")
    add(store)
    with pytest.raises(DBAPIError), company.database.write() as session:
        session.connection().execute(text("UPDATE adapter_version SET state = 'in_service'"))


@pytest.mark.parametrize("statement", ["UPDATE adapter_event SET done_by = 'x'", "DELETE FROM adapter_event"])
def test_events_are_never_changed(company: Company, statement: str) -> None:
    add(Store(company.database))
    with pytest.raises(DBAPIError, match="append-only"), company.database.write() as session:
        session.connection().execute(text(statement))


def test_a_version_is_written_with_its_documents_and_the_event(company: Company) -> None:
    store = Store(company.database)
    row = add(store)
    assert store.documents(row.id) == {"d1", "d2"}
    (event,) = store.events("default", "support")
    assert (event.by, event.action, event.version, event.detail) == ("admin", "trained", 1, "of two")


def test_served_names_differ_between_workspaces(company: Company) -> None:
    store = Store(company.database)
    new = NewVersion(1, "base", "", 8, 1, "x", 1, (), "local.v1", None, {})
    names = {store.add(w, "support", new, "admin", "trained", "").served_name for w in ("default", "other")}
    assert names == {"support.v1", "other.support.v1"}


def test_an_assignment_replaces_the_one_of_its_scope(company: Company) -> None:
    store, adapters, admin = Store(company.database), company.adapters(), company.admin
    for name in ("support", "sales"):
        add(store, name)
    adapters.assign(admin, "workspace", "", "support")
    adapters.assign(admin, "team", "legal", "support")
    kept = adapters.assign(admin, "team", "legal", "sales")
    found = adapters.assignments("default")
    assert [(a.scope, a.value, a.adapter) for a in found] == [
        ("team", "legal", "sales"),
        ("workspace", "", "support"),
    ]
    adapters.unassign(admin, kept.id)
    assert [a.scope for a in adapters.assignments("default")] == ["workspace"]
    with pytest.raises(NotFoundError) as missing:
        adapters.unassign(admin, kept.id)
    assert missing.value.code == "no_such_assignment"
    assert [e.action for e in adapters.history("default", "sales")] == ["unassigned", "assigned", "trained"]


def test_what_cannot_be_assigned(small_company: Company) -> None:
    adapters, admin = small_company.adapters(), small_company.admin
    add(Store(small_company.database))
    with pytest.raises(NotFoundError) as missing:
        adapters.assign(admin, "workspace", "", "nobody")
    assert missing.value.code == "no_such_adapter"
    for scope, value, code in (
        ("team", " ", "no_scope_value"),
        ("workspace", "x", "bad_scope"),
        ("x", "x", "bad_scope"),
    ):
        with pytest.raises(InputError) as refused:
            adapters.assign(admin, scope, value, "support")  # type: ignore[arg-type]
        assert refused.value.code == code


def test_only_admins_change_anything(small_company: Company) -> None:
    adapters, ana = small_company.adapters(), small_company.person("ana")
    add(Store(small_company.database))
    folder = small_company.settings.data_dir
    for act in (
        lambda: adapters.assign(ana, "workspace", "", "support"),
        lambda: adapters.unassign(ana, "x"),
        lambda: adapters.train(ana, "support", folder),
        lambda: adapters.add(ana, "support", folder, folder, ["everyone"]),
        lambda: adapters.judge(ana, "support"),
        lambda: adapters.publish(ana, "support"),
        lambda: adapters.roll_back(ana, "support"),
        lambda: adapters.retire(ana, "support"),
    ):
        with pytest.raises(ForbiddenError) as refused:
            act()
        assert refused.value.code == "admin_only"
    assert states(Store(small_company.database)) == ["candidate"]
