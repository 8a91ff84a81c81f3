"""What the settings of every connector keep to: they say where secrets go, and never repeat one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from ingest.connectors import CONNECTORS, connector_type
from ingest.connectors.checked import SettingsError, checked_settings
from ingest.credentials import secret_fields
from ingest.sources.fields import setting_fields

SECRET = "hunter2-never-shown"
_PLACES = re.compile(r"(^|_)(urls?|host|server|endpoint|address|port|tls|user_?name|ca_file)$")
_NO_SECRET_GOES_THERE = {"web": {"sitemap_url"}}


@pytest.mark.parametrize("kind", sorted(CONNECTORS))
def test_settings_that_say_where_secrets_go_are_marked(kind: str) -> None:
    settings_type = connector_type(kind).settings_type
    if not secret_fields(settings_type):
        return
    marked = {field.name for field in setting_fields(settings_type) if field.where}
    assert marked, f"{kind} has secrets: mark the settings that say where they are sent"
    assert marked.isdisjoint(secret_fields(settings_type))
    places = {name for name in settings_type.model_fields if _PLACES.search(name)}
    assert places - _NO_SECRET_GOES_THERE.get(kind, set()) <= marked


@pytest.mark.parametrize("kind", sorted(CONNECTORS))
def test_no_error_repeats_what_was_written(kind: str) -> None:
    settings_type = connector_type(kind).settings_type
    names = [*settings_type.model_fields, "no_such_setting"]
    for wrong in (SECRET, {"in": SECRET}, [SECRET], [[SECRET]], f"{SECRET}\x00\n;'({{", f"ssh://{SECRET}@x"):
        written = dict.fromkeys(names, wrong)
        with pytest.raises(ValidationError) as raw:
            settings_type.model_validate(written)
        assert SECRET not in str(raw.value) and SECRET not in repr(raw.value)
        with pytest.raises(SettingsError) as told:
            checked_settings(settings_type, written)
        assert SECRET not in str(told.value) and "no_such_setting" in told.value.errors
        assert told.value.__cause__ is None and told.value.__context__ is None


@pytest.mark.parametrize("kind", sorted(CONNECTORS))
def test_rules_about_several_settings_name_a_field(kind: str) -> None:
    settings_type = connector_type(kind).settings_type
    several = {
        "folder": {"path": "/srv", "owner_domain": "not a domain"},
        "imap": {"host": "mail.example.com", "username": "ann", "tls": "none"},
        "s3": {"bucket": "papers", "access_key_id": "AK"},
        "sql": {"address": "postgresql://reader@db.example.com/shop"},
    }.get(kind)
    if several is None:
        return
    with pytest.raises(SettingsError) as refused:
        checked_settings(settings_type, several)
    assert set(refused.value.errors) <= set(settings_type.model_fields)


def test_the_command_line_names_the_field_and_repeats_no_secret(tmp_path: Path) -> None:
    environment = {**os.environ, "RUNG_DATA_DIR": str(tmp_path), "TEST_SECRET": SECRET}
    command = ["source", "add", "s3", "--name", "papers", "--set", "bucket=papers"]
    asked = ["--secret", "secret_access_key=env:TEST_SECRET", "--access", "everyone"]
    done = subprocess.run(
        [sys.executable, "-m", "app", *command, *asked], env=environment, capture_output=True, text=True
    )
    assert done.returncode != 0 and "access_key_id" in done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
