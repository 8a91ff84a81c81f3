"""The demo company as plain values, and its documents as real files in a folder."""

import datetime as dt
import email.utils
import json
import os
import re
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from app.core.errors import ConflictError
from app.demo.blocks import split_front_matter
from app.demo.formats import COMPILED_SUFFIXES, compile_source

HERE = Path(__file__).parent
SOURCES = HERE / "documents"
MARKER = ".quillmark-demo"
SOURCE_NAME = "quillmark"

_HTML_DATE = re.compile(r'<meta name="date" content="(\d{4}-\d{2}-\d{2})"')
_TEXT_DATE = re.compile(r"^(?:Date|Updated|Released|Exported): (\d{4}-\d{2}-\d{2})", re.MULTILINE)
_NAME_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})|(\d{4}-\d{2})(?!\d)")
_DATED_TEXT_CHARACTERS = 1000

QuestionKind = Literal["single", "multi", "changed", "conflict", "unanswerable", "restricted"]


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What one build did; names are relative to the target folder, `.access.toml` files included."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]


class DemoPerson(BaseModel):
    """One person of the demo company.

    `sign_in` marks the three that the first page offers; `sees` says in one line what they can find.
    `groups` are names without prefix, as they stand after `group:` in an access file. `admin` may see sources
    and the whole usage, and no more documents than anybody.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    email: str
    title: str
    office: str
    team: str
    groups: tuple[str, ...] = ()
    admin: bool = False
    sign_in: bool = False
    sees: str = ""


class DemoQuestion(BaseModel):
    """A question with its gold documents and the substrings of which a right answer holds one.

    Both are empty when the documents do not hold the answer. `as_email` may see all gold documents.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    question: str
    kind: QuestionKind
    answer: tuple[str, ...]
    documents: tuple[str, ...]
    as_email: str = Field(alias="as")


@dataclass(frozen=True, slots=True)
class _Output:
    """One file of the built folder: where it comes from, and its suffix before compilation."""

    source: Path
    name: str

    @classmethod
    def of(cls, source: Path) -> Self:
        name = source.relative_to(SOURCES).as_posix()
        compiled = name.endswith(tuple(COMPILED_SUFFIXES))
        return cls(source, name.rpartition(".")[0] if compiled else name)

    def content(self) -> bytes:
        raw = self.source.read_bytes()
        if self.name.endswith(self.source.suffix):
            return raw
        return compile_source(raw.decode("utf-8"), self.name)


def load_people() -> list[DemoPerson]:
    """Everybody in `people.toml`, in file order."""
    rows = tomllib.loads((HERE / "people.toml").read_text(encoding="utf-8"))["person"]
    return TypeAdapter(list[DemoPerson]).validate_python(rows)


def load_questions() -> list[DemoQuestion]:
    """The evaluation questions of `questions.jsonl`, in file order."""
    lines = (HERE / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [DemoQuestion.model_validate(json.loads(line)) for line in lines if line.strip()]


def load_suggestions() -> list[str]:
    """Questions for the empty home page; everybody may see their answers."""
    values = tomllib.loads((HERE / "people.toml").read_text(encoding="utf-8"))["suggestions"]
    return TypeAdapter(list[str]).validate_python(values)


def build_documents(target: Path) -> BuildReport:
    """Make the demo company's files in `target`, the same bytes every time.

    A file whose bytes are right already is not written again; what the sources no longer have is removed.
    The folder belongs to the demo alone: raises ConflictError when it holds anything that this function did
    not make, so that it never removes somebody's own files.
    """
    _claim(target)
    outputs = {output.name: output for output in _outputs()}
    written, unchanged = list[str](), list[str]()
    for name, output in outputs.items():
        path, content = target / name, output.content()
        (written if _write(path, content) else unchanged).append(name)
        if (date := document_date(name, content, output.source)) is not None:
            os.utime(path, (date.timestamp(), date.timestamp()))
    removed = _remove_others(target, outputs.keys() | {MARKER})
    return BuildReport(tuple(written), tuple(unchanged), tuple(removed))


def document_date(name: str, content: bytes, source: Path) -> dt.datetime | None:
    """The moment a document was written, from its header, its front matter or its name; None if unknown.

    `content` is the built file, `source` the text it was made from; days count from 09:00 UTC.
    """
    if name.endswith(".eml"):
        return email.utils.parsedate_to_datetime(BytesHeaderParser().parsebytes(content)["Date"])
    text = source.read_text(encoding="utf-8")
    found = split_front_matter(text)[0].get("date")
    for pattern in (_HTML_DATE, _TEXT_DATE):
        if found is None and (match := pattern.search(text[:_DATED_TEXT_CHARACTERS])):
            found = match[1]
    if found is None and (match := _NAME_DATE.search(Path(name).name)):
        found = match[1] or f"{match[2]}-01"
    return dt.datetime.fromisoformat(f"{found}T09:00:00+00:00") if found else None


def _outputs() -> Iterator[_Output]:
    for source in sorted(SOURCES.rglob("*")):
        if source.is_file():
            yield _Output.of(source)


def _claim(target: Path) -> None:
    if target.exists() and any(target.iterdir()) and not (target / MARKER).is_file():
        raise ConflictError(
            f"{target} holds files that are not the demo's. Choose an empty or a new folder for the demo.",
            code="demo_target_in_use",
        )
    target.mkdir(parents=True, exist_ok=True)
    _write(target / MARKER, b"This folder is made by the demo; other files in it are removed.\n")


def _write(path: Path, content: bytes) -> bool:
    """Put `content` at `path` unless it is there already; true if it was written."""
    if path.is_symlink() or path.is_dir():
        _remove(path)
    if path.is_file() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)
    return True


def _remove_others(target: Path, keep: set[str]) -> list[str]:
    """Remove what is not in `keep`, and folders left empty; returns the names of the removed files."""
    removed = []
    for path in sorted(target.rglob("*"), reverse=True):
        name = path.relative_to(target).as_posix()
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif name not in keep:
            path.unlink()
            removed.append(name)
    return removed


def _remove(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path)
