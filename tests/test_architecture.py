"""The rules of the house that import-linter cannot hold."""

import ast
import importlib
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("app", "ingest", "retrieval", "routing", "billing", "web", "bench")


def _sources() -> list[Path]:
    return [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def test_the_folder_names_resolve_inside_this_checkout() -> None:
    for folder in FOLDERS:
        module = importlib.import_module(folder)
        assert module.__file__ and Path(module.__file__).is_relative_to(ROOT), folder


def test_only_wiring_joins_the_siblings() -> None:
    siblings = {"ingest", "routing", "billing"}
    for path in _sources():
        folder = path.relative_to(ROOT).parts[0]
        if folder in siblings:
            text = path.read_text()
            for other in siblings - {folder}:
                assert not re.search(rf"^\s*(from|import) {other}\b", text, re.M), path


VENDORS = {
    "qdrant_client": ("retrieval/index/",),
    "qdrant_edge": ("retrieval/index/",),
    "litellm": ("routing/llm/", "bench/routing/rivals.py"),
    "openai": ("routing/llm/",),
    "torch": (
        "retrieval/embedder.py",
        "retrieval/minilm.py",
        "routing/reading/",
        "routing/adapters/learning/",
        "bench/",
    ),
    "sentence_transformers": ("retrieval/embedder.py", "bench/"),
    "transformers": ("routing/reading/network.py", "routing/adapters/learning/"),
    "peft": ("routing/reading/network.py", "routing/adapters/learning/"),
    "httpx": (
        "app/core/outgoing/",
        "ingest/connectors/",
        "routing/adapters/server.py",
        "routing/llm/",
        "bench/",
    ),
    "boto3": ("ingest/connectors/s3",),
    "botocore": ("ingest/connectors/s3",),
    "dulwich": ("ingest/connectors/git",),
    "imapclient": ("ingest/connectors/imap",),
    "protego": ("ingest/connectors/web",),
    "watchfiles": ("ingest/sync/workers/watch.py",),
    "cryptography": ("ingest/credentials/",),
    "docutils": ("ingest/parsing/",),
    "icalendar": ("ingest/parsing/",),
    "oxmsg": ("ingest/parsing/",),
    "py3langid": ("ingest/parsing/",),
    "sklearn": ("bench/",),
    "dbos": ("app/worker/jobs.py",),
    "pypdfium2": ("ingest/parsing/",),
    "python_calamine": ("ingest/parsing/",),
    "selectolax": ("ingest/parsing/",),
    "docx": ("ingest/parsing/", "app/demo/formats.py"),
    "pptx": ("ingest/parsing/", "app/demo/formats.py"),
    "fpdf": ("app/demo/formats.py",),
}


def test_each_vendor_has_one_place_that_knows_it() -> None:
    """Unlike a contract that lists modules, this also holds for a file that is added tomorrow."""
    for path in _sources():
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules = [node.module]
            for module in modules:
                places = VENDORS.get(module.partition(".")[0])
                assert places is None or name.startswith(places), f"{name} imports {module}"


def test_no_exception_is_swallowed() -> None:
    for path in _sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                only = node.body[0] if len(node.body) == 1 else None
                assert not isinstance(only, ast.Pass), f"{path}:{node.lineno} swallows an exception"


def test_money_is_never_a_float() -> None:
    for path in sorted((ROOT / "billing").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            written = isinstance(node, ast.Constant) and isinstance(node.value, float)
            named = isinstance(node, ast.Name) and node.id == "float"
            assert not (written or named), f"{path}: {ast.unparse(node)}"


LARGE_FILES = {"routing/reading/adapters/reader.safetensors": 6_000_000}


def test_nothing_large_is_committed() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        path = ROOT / name
        if path.is_file():
            assert path.stat().st_size < LARGE_FILES.get(name, 2_000_000), name


def test_files_fit_their_room() -> None:
    for path in _sources():
        if "migrations/versions" not in path.as_posix():
            assert path.read_text().count("\n") <= 400, f"{path} has outgrown its room"
