"""Prompt files, and beside each its test set: what the prompt is held to, a JSON line a case.

A case has a question, the passages the model is given, and what must and must not be in the answer, or that
the passages do not answer. Cases are written for this, about no real company.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from app.core.errors import ConfigurationError, NotFoundError
from routing.catalogue.cases import Case, holds_any
from routing.catalogue.helpers import HELPERS
from routing.llm.prompt import PROMPTS_DIR, load_prompt
from routing.tier import TierSpec

LEAST_CASES = 8


@dataclass(frozen=True, slots=True)
class TestSet:
    """The cases of one prompt."""

    __test__ = False

    prompt_id: str
    cases: tuple[Case, ...]


def load_tests(prompt_id: str, folder: Path = PROMPTS_DIR) -> TestSet:
    """Reads `<prompt>.jsonl`.

    Raises:
        ConfigurationError: `bad_test_set`, names the file, the line and what is wrong with it.
    """
    path = folder / f"{prompt_id}.jsonl"
    if not path.is_file():
        raise ConfigurationError(
            f"The prompt {prompt_id} has no test set: write {path.name} beside it.", code="bad_test_set"
        )
    cases = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            try:
                cases.append(Case.model_validate(json.loads(line)))
            except (ValidationError, json.JSONDecodeError) as error:
                said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
                raise ConfigurationError(
                    f"{path.name}, line {number}: {said}.", code="bad_test_set"
                ) from error
    return TestSet(prompt_id, tuple(cases))


def problems_of(tests: TestSet) -> tuple[str, ...]:
    """What a test set lacks, in words; nothing for a sound one. No model is asked."""
    return tuple(_problems(tests))


def _problems(tests: TestSet) -> Iterator[str]:
    yield from _shape(tests)
    if (helper := HELPERS.get(family(tests.prompt_id))) is not None:
        yield from helper.problems(tests.cases)
    else:
        yield from _answers(tests)


def _shape(tests: TestSet) -> Iterator[str]:
    ids = [case.id for case in tests.cases]
    if len(ids) < LEAST_CASES:
        yield f"it has {len(ids)} cases; {LEAST_CASES} are the least"
    for name in sorted({name for name in ids if ids.count(name) > 1}):
        yield f"two cases are called {name}"


def _answers(tests: TestSet) -> Iterator[str]:
    if not any(case.not_found for case in tests.cases):
        yield "no case tests that nothing is found"
    if not any(case.kind == "injection" for case in tests.cases):
        yield "no case has an injected instruction"
    for case in tests.cases:
        given = " ".join(f"{p.title} {p.text} {p.updated or ''}" for p in case.passages)
        for spellings in case.must:
            # Where the answer is in another language than the passages, its words stand in none of them.
            if case.kind not in ("language", "conflict") and not holds_any(spellings, given):
                yield f"case {case.id} wants {' or '.join(spellings)}, which stands in no passage"


@dataclass(frozen=True, slots=True)
class PromptCard:
    """A prompt's file and its test set. `problems` say what is wrong with either; `tiers` are the rungs that
    can use it. `helps` says what it does where it speaks on no rung, but in a call of its own."""

    id: str
    family: str
    tiers: tuple[str, ...]
    sha256: str
    cases: int
    problems: tuple[str, ...]
    helps: str = ""


class PromptFiles:
    """The prompts that the rungs of a ladder can use: those of the family of each rung's own."""

    def __init__(self, specs: Sequence[TierSpec], folder: Path = PROMPTS_DIR) -> None:
        self.own: Mapping[str, str] = {spec.name: spec.chat.prompt for spec in specs if spec.chat is not None}
        self._specs = tuple(specs)
        self._folder = folder

    def cards(self) -> tuple[PromptCard, ...]:
        """Every prompt that a rung can use, by family; in a family the newest version first."""
        names = {path.stem for path in self._folder.glob("*.md")} | set(self.own.values())
        used = [name for name in names if self._tiers_of(name)]
        return tuple(self.card(name) for name in sorted(used, key=lambda n: (family(n), -version(n))))

    def card(self, prompt_id: str) -> PromptCard:
        """Raises NotFoundError `no_such_prompt`, for a prompt that no rung can use as well."""
        path = self._folder / f"{prompt_id}.md"
        tiers = self._tiers_of(prompt_id)
        if not tiers or not path.is_file():
            raise NotFoundError(f"There is no prompt {prompt_id!r} for any rung.", code="no_such_prompt")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        cases, problems = self._check(prompt_id)
        helper = HELPERS.get(family(prompt_id))
        return PromptCard(
            prompt_id, family(prompt_id), tiers, digest, cases, problems, helper.what if helper else ""
        )

    def tests(self, prompt_id: str) -> TestSet:
        """Raises as `load_tests`."""
        return load_tests(prompt_id, self._folder)

    def _check(self, prompt_id: str) -> tuple[int, tuple[str, ...]]:
        helper = HELPERS.get(family(prompt_id))
        try:
            load_prompt(prompt_id, *([helper.needs] if helper else []))
            tests = self.tests(prompt_id)
        except ConfigurationError as error:
            return 0, (error.message.rstrip("."),)
        return len(tests.cases), problems_of(tests)

    def _tiers_of(self, prompt_id: str) -> tuple[str, ...]:
        if (helper := HELPERS.get(family(prompt_id))) is not None:
            return helper.tiers(self._specs)
        return tuple(tier for tier, own in self.own.items() if family(own) == family(prompt_id))


def family(prompt_id: str) -> str:
    """`premium` of `premium.v2`: versions of one prompt have it in common."""
    return prompt_id.rpartition(".v")[0] or prompt_id


def version(prompt_id: str) -> int:
    number = prompt_id.rpartition(".v")[2]
    return int(number) if number.isdecimal() else 0
