"""What every connector must do. Each registered connector is held to it, through its kit."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ingest.connector import Change, Checkpoint, Connector, Failure, Unchanged, Upsert
from ingest.connectors import CONNECTORS, connector_type
from tests.contracts.connectors import KITS, ConnectorKit


@pytest.fixture(params=sorted(CONNECTORS))
def kit(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ConnectorKit]:
    assert request.param in KITS, f"add a kit for {request.param} to tests/contracts/connectors.py"
    monkeypatch.setattr(os, "open", os.open)
    found = KITS[request.param](tmp_path)
    make, made = found.connector, []

    def connector() -> Connector:
        made.append(make())
        return made[-1]

    monkeypatch.setattr(found, "connector", connector)
    yield found
    for one in made:
        one.close()


def nothing_known(_: str) -> str | None:
    return None


def ids(changes: Sequence[Change]) -> list[str]:
    found = []
    for change in changes:
        if isinstance(change, Upsert):
            found.append(change.document.external_id)
        elif not isinstance(change, Checkpoint):
            found.append(change.external_id)
    return found


def pull(kit: ConnectorKit, checkpoint: str = "") -> list[Change]:
    return list(kit.connector().pull(checkpoint, nothing_known))


def revisions(changes: Sequence[Change]) -> dict[str, str]:
    return {c.document.external_id: c.document.revision for c in changes if isinstance(c, Upsert)}


def test_class_says_its_kind_and_settings(kit: ConnectorKit) -> None:
    connector = kit.connector()
    assert connector_type(connector.kind).settings_type is connector.settings_type
    assert all(field.description for field in connector.settings_type.model_fields.values())
    assert connector.check().ok


def test_order_is_the_same_in_each_run(kit: ConnectorKit) -> None:
    first, second = pull(kit), pull(kit)
    assert ids(first) == ids(second)
    assert len(ids(first)) == len(set(ids(first))) > 120


def test_run_ends_with_a_checkpoint_and_has_some_between(kit: ConnectorKit) -> None:
    changes = pull(kit)
    assert isinstance(changes[-1], Checkpoint) and changes[-1].last
    assert not any(change.last for change in changes[:-1] if isinstance(change, Checkpoint))
    assert sum(isinstance(change, Checkpoint) for change in changes) >= 3


def test_resume_at_each_checkpoint_gives_exactly_the_rest(kit: ConnectorKit) -> None:
    changes = pull(kit)
    for position, change in enumerate(changes):
        if isinstance(change, Checkpoint) and not change.last:
            assert ids(pull(kit, change.state)) == ids(changes[position:])


def test_listing_names_exactly_what_a_run_hands_over(kit: ConnectorKit) -> None:
    assert sorted(kit.connector().list_ids()) == sorted(ids(pull(kit)))


def test_ids_are_printable_text(kit: ConnectorKit) -> None:
    assert all(name.isprintable() and name.encode() for name in kit.connector().list_ids())


def test_known_revision_is_not_read_again(kit: ConnectorKit) -> None:
    known = revisions(pull(kit))
    kit.forbid_reading()
    changes = list(kit.connector().pull("", known.get))
    assert not any(isinstance(change, Upsert) for change in changes)
    assert {c.external_id for c in changes if isinstance(c, Unchanged)} == set(known)


def test_changed_item_has_a_new_revision_and_comes_alone(kit: ConnectorKit) -> None:
    known = revisions(pull(kit))
    changed = kit.change_one()
    assert set(revisions(list(kit.connector().pull("", known.get)))) == {changed}


def test_removed_item_is_no_longer_listed(kit: ConnectorKit) -> None:
    removed = kit.remove_one()
    assert removed not in set(kit.connector().list_ids())
    assert removed not in ids(pull(kit))


def test_item_that_cannot_be_read_is_a_failure_and_the_run_goes_on(kit: ConnectorKit) -> None:
    changes = pull(kit)
    failures = [change for change in changes if isinstance(change, Failure)]
    assert [failure.external_id for failure in failures] == [kit.unreadable_id()]
    assert all(failure.code and failure.reason for failure in failures)
    assert isinstance(changes[-1], Checkpoint)
    assert len([change for change in changes if isinstance(change, Upsert)]) >= 120
