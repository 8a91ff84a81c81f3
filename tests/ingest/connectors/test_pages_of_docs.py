"""What docs/connectors says of each kind is what the code has: its fields, its choices, its codes."""

import inspect
import re
from pathlib import Path
from typing import get_args

import pytest

from app.core import outgoing
from ingest import remote
from ingest.connectors import CONNECTORS, connector_type

DOCS = Path(__file__).parents[3] / "docs" / "connectors"
OF_EVERY_SOURCE = {"as at the source"}
_ITALIC = re.compile(r"(?<![*\w])\*([A-Z][^*\n]{2,60})\*(?![*\w])")
_CODE = re.compile(r"`([a-z]+(?:_[a-z]+)+)`")


def page(kind: str) -> str:
    # A line of prose may end within a name.
    return re.sub(r"(?<=[^\n|])\n(?=[^\n|#-])", " ", (DOCS / f"{kind}.md").read_text())


def source(kind: str) -> str:
    """The code of a kind, with that of the guard through which some call other machines."""
    folder = Path(inspect.getfile(connector_type(kind))).parent
    text = "\n".join(file.read_text() for file in folder.glob("*.py"))
    if "app.core.outgoing" in text:
        guard = Path(inspect.getfile(outgoing)).parent
        text += "\n".join(file.read_text() for file in guard.glob("*.py"))
    return text + Path(remote.__file__).read_text()


def codes_in(kind: str) -> set[str]:
    """Codes as they stand in the code of a kind: named, or given to a failure."""
    text = source(kind)
    found = set(re.findall(r'code="([a-z_]+)"', text))
    found |= set(re.findall(r'(?:Failure|ItemError|PageError)\(\s*(?:[^,"]+,\s*)?"([a-z_]+)"', text))
    return found


def test_each_kind_has_a_page() -> None:
    assert {file.stem for file in DOCS.glob("*.md")} == {*CONNECTORS, "README"}


@pytest.mark.parametrize("kind", sorted(CONNECTORS))
def test_fields_named_on_a_page_are_in_the_form(kind: str) -> None:
    fields = connector_type(kind).settings_type.model_fields.values()
    titles = {str(field.title).lower() for field in fields}
    choices = {str(choice).lower() for field in fields for choice in get_args(field.annotation)}
    named = {name.lower() for name in _ITALIC.findall(page(kind))} - OF_EVERY_SOURCE
    assert named <= titles | choices


@pytest.mark.parametrize("kind", sorted(CONNECTORS))
def test_codes_in_the_table_of_a_page_are_in_the_code(kind: str) -> None:
    rows = [line.split("|")[1] for line in page(kind).splitlines() if line.startswith("| `")]
    missing = [code for code in _CODE.findall("\n".join(rows)) if f'"{code}"' not in source(kind)]
    assert not missing


@pytest.mark.parametrize("kind", sorted(CONNECTORS))
def test_codes_of_a_kind_are_on_its_page_or_on_the_page_of_all(kind: str) -> None:
    text = page(kind) + page("README")
    assert not {code for code in codes_in(kind) if f"`{code}`" not in text}
