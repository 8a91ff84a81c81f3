"""What the documents say must be so: settings, commands, folders and links."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from app.core.config import Settings

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")])


def _documented_settings() -> dict[str, str]:
    rows = re.findall(
        r"^\| `RUNG_([A-Z_]+)` \| (.*?) \| (.*?) \|$", (ROOT / "docs/settings.md").read_text(), re.M
    )
    return {name.lower(): text for name, _, text in rows}


def test_every_setting_is_documented_in_the_words_of_its_field_and_nothing_else_is() -> None:
    fields = {name: field.description for name, field in Settings.model_fields.items()}
    assert _documented_settings() == fields


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_setting_a_page_names_exists(page: Path) -> None:
    tests_only = {
        "RUNG_REQUIRE_BROWSER",
        "RUNG_REQUIRE_SERVERS",
        "RUNG_REQUIRE_VLLM",
        "RUNG_TEST_CHROMIUM",
        "RUNG_TEST_QDRANT_URL",
        "RUNG_WRITE_DOC_IMAGES",
        "RUNG_SCREENSHOT_DIR",
    }
    named = set(re.findall(r"RUNG_[A-Z][A-Z_]+[A-Z]", page.read_text())) - tests_only
    assert named <= {f"RUNG_{name.upper()}" for name in Settings.model_fields}


def _command_lines(text: str) -> list[str]:
    """What follows `python -m app` anywhere, and the alias `rung` in code."""
    found: list[str] = re.findall(r"python -m app ([a-z][^\n`]*)", text)
    found += re.findall(r"`rung ([a-z][^`]*)`", text)
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S):
        found += re.findall(r"^rung ([a-z].*)$", block, re.M)
    return found


def _commands(command: object, prefix: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    children = getattr(command, "commands", None)
    if not children:
        return {prefix}
    return {prefix}.union(*(_commands(child, (*prefix, name)) for name, child in children.items()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_a_page_names_exists(page: Path) -> None:
    from app.cli.application import app

    known = _commands(get_command(app))
    groups = {path[0] for path in known if len(path) == 2}
    for line in _command_lines(page.read_text()):
        words = re.match(r"[a-z]+(?: [a-z]+)?", line)
        assert words is not None, line
        path = tuple(words[0].split())
        # In a group the second word is a command too; elsewhere it is an argument.
        assert (path if path[0] in groups else path[:1]) in known, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), target


def test_each_top_folder_says_what_it_owns() -> None:
    for folder in ("app", "ingest", "retrieval", "routing", "billing", "web", "bench", "tests"):
        text = (ROOT / folder / "README.md").read_text()
        assert "owns" in text.lower() and len(text.splitlines()) <= 60, folder


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    listed = subprocess.run(
        ["make", "-C", str(ROOT), "help"], capture_output=True, text=True, check=True
    ).stdout
    for target in re.findall(r"^\.PHONY: (.*)$", makefile, re.M)[0].split():
        assert re.search(rf"^{target}\b", listed, re.M), target


def test_help_loads_neither_torch_nor_litellm_nor_the_database() -> None:
    code = (
        "import sys; sys.argv=['app','--help']\n"
        "from app.cli.application import run\n"
        "try: run()\nexcept SystemExit: pass\n"
        "heavy={'torch','litellm','sqlalchemy','fastapi','qdrant_edge','dbos','numpy'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert found.returncode == 0, found.stderr


def test_importing_the_web_app_loads_neither_torch_nor_litellm() -> None:
    code = (
        "import sys, app.main\n"
        "heavy={'torch','litellm','openai','transformers','qdrant_edge','dbos'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert found.returncode == 0, found.stderr


def test_every_command_explains_itself() -> None:
    from app.cli.application import app

    def silent(command: object, path: str) -> list[str]:
        own = [] if getattr(command, "help", None) else [path]
        return own + [
            found
            for name, child in getattr(command, "commands", {}).items()
            for found in silent(child, f"{path} {name}")
        ]

    assert silent(typer.main.get_command(app), "app") == []
