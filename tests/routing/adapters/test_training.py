"""Training with peft, really, on a tiny model: what is learned, what a stop costs, what is refused."""

import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.core.config import Settings
from app.core.db import Database
from app.core.errors import ConflictError, InputError
from routing.adapters.adapter import AdapterVersion, Progress, TrainSettings
from routing.adapters.files import WEIGHTS, read_adapter
from routing.adapters.learning import making
from routing.adapters.learning.batches import Tokens, make_batches, tokenise
from routing.adapters.learning.examples import Example
from routing.adapters.shelf import CHECKPOINT
from routing.adapters.store import Store
from routing.llm.prompt import build_prompt
from routing.tier import TierRequest
from tests.routing.adapters.company import LEAVE, Company, passage
from tests.routing.world import ANA

QUICK = TrainSettings(rank=2, epochs=1, learning_rate=5e-3, batch=3, tokens=1024)
QUESTIONS = 16


class Killed(BaseException):
    """Stands for the end of the process: nothing in between may catch it."""


def train(
    company: Company, base_dir: Path, settings: TrainSettings = QUICK, stop_at: int = -1
) -> AdapterVersion:
    """Trains `support`; ends as if killed after that step."""

    def report(progress: Progress) -> None:
        if progress.stage == "Training" and progress.done == stop_at:
            raise Killed

    return company.adapters().train(company.admin, "support", base_dir, settings=settings, report=report)


def folder_of(company: Company, version: int) -> Path:
    return company.settings.adapters_folder / "default" / f"support.v{version}"


def example() -> Example:
    request = TierRequest("How much leave?", "How much leave?", (passage("d", LEAVE),), ANA)
    prompt = build_prompt("local.v1", request, 5, 3000)
    return Example("q", "accepted", request, prompt, f"{LEAVE} [1]", frozenset({"d"}), held_out=False)


@pytest.fixture
def lively(small_company: Company, monkeypatch: pytest.MonkeyPatch) -> Company:
    monkeypatch.setattr(making, "LEAST_EXAMPLES", 10)
    documents = [small_company.document("everyone"), small_company.document("group:sales")]
    small_company.lively(small_company.person("ana", "sales"), documents, questions=QUESTIONS)
    return small_company


def test_a_trained_version_is_a_candidate_with_its_files_card_and_documents(
    lively: Company, base_dir: Path
) -> None:
    lively.person("ben")
    made = train(lively, base_dir)
    assert (made.served_name, made.state, made.rank, made.base_model) == (
        "support.v1",
        "candidate",
        2,
        "base",
    )
    assert made.documents == 2 and 0 < made.examples < QUESTIONS
    counts = lively.adapters().example_counts("default")
    assert made.examples == counts.training == QUESTIONS - counts.held_out, "what is held out is not learned"
    folder = folder_of(lively, 1)
    assert read_adapter(folder).sha256 == made.sha256
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "adapter_config.json", WEIGHTS]
    card = (folder / "README.md").read_text()
    assert "these were 1 of 3 people" in card and "How much" not in card and LEAVE not in card
    assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == str(
        base_dir
    )
    row = Store(lively.database).row("default", "support", 1)
    assert len(Store(lively.database).documents(row.id)) == 2


def test_a_killed_training_goes_on_where_it_was_and_ends_the_same(
    lively: Company, base_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from routing.adapters.learning import training

    whole = train(lively, base_dir)
    monkeypatch.setattr(training, "_CHECKPOINT_SECONDS", 0.0)
    with pytest.raises(Killed):
        train(lively, base_dir, stop_at=4)
    seen: list[int] = []
    lively.adapters().train(
        lively.admin,
        "support",
        base_dir,
        settings=QUICK,
        report=lambda p: seen.append(p.done) if p.stage == "Training" else None,
    )
    assert seen[0] == 4, "three steps were written down, the fourth is taken again"
    first, second = ((folder_of(lively, n) / WEIGHTS).read_bytes() for n in (1, 2))
    assert first == second and whole.sha256 == read_adapter(folder_of(lively, 2)).sha256


def test_other_settings_begin_anew(lively: Company, base_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from routing.adapters.learning import training

    monkeypatch.setattr(training, "_CHECKPOINT_SECONDS", 0.0)
    with pytest.raises(Killed):
        train(lively, base_dir, stop_at=4)
    assert train(lively, base_dir, replace(QUICK, rank=4)).rank == 4


def test_killed_before_it_was_written_down_it_is_taken_up_again(
    lively: Company, base_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_args: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Store, "add", die)
        with pytest.raises(Killed):
            train(lively, base_dir)
    assert (folder_of(lively, 1) / CHECKPOINT).exists()
    steps: list[Progress] = []
    made = lively.adapters().train(lively.admin, "support", base_dir, settings=QUICK, report=steps.append)
    assert made.version == 1 and not any(p.stage == "Training" for p in steps), "no step is taken twice"
    assert not (folder_of(lively, 1) / CHECKPOINT).exists()


def test_two_at_once_are_refused(lively: Company, base_dir: Path) -> None:
    refused: list[str] = []

    def second() -> None:
        try:
            lively.adapters().train(lively.admin, "support", base_dir, settings=QUICK)
        except ConflictError as error:
            refused.append(error.code)

    def report(progress: Progress) -> None:
        if progress.stage == "Training" and progress.done == 1:
            thread = threading.Thread(target=second)
            thread.start()
            thread.join(60)

    lively.adapters().train(lively.admin, "support", base_dir, settings=QUICK, report=report)
    assert refused == ["training_running"]


def test_too_few_examples_say_how_many_are_needed_and_where_they_come_from(
    small_company: Company, base_dir: Path
) -> None:
    small_company.lively(small_company.person("ana"), [small_company.document("everyone")], questions=10)
    with pytest.raises(InputError) as refused:
        train(small_company, base_dir)
    assert refused.value.code == "too_few_examples"
    assert (
        f"at least {making.LEAST_EXAMPLES}" in refused.value.message and "mark good" in refused.value.message
    )
    assert small_company.adapters().list("default") == ()


def test_refusals(lively: Company, base_dir: Path, tmp_path: Path) -> None:
    speechless = Path(shutil.copytree(base_dir, tmp_path / "speechless"))
    config = json.loads((speechless / "tokenizer_config.json").read_text())
    del config["chat_template"]
    (speechless / "tokenizer_config.json").write_text(json.dumps(config))
    cases = (
        (tmp_path / "nothing", QUICK, "bad_base"),
        (speechless, QUICK, "no_chat_template"),
        (base_dir, replace(QUICK, tokens=70), "examples_too_long"),
    )
    for base, settings, code in cases:
        with pytest.raises(InputError) as refused:
            train(lively, base, settings)
        assert refused.value.code == code
    for name in ("Support", "a b", "../x", "reader", ""):
        with pytest.raises(InputError) as bad:
            lively.adapters().train(lively.admin, name, base_dir)
        assert bad.value.code == "bad_adapter_name"
    assert lively.adapters().list("default") == ()


def test_only_the_answer_is_learned(base_dir: Path) -> None:
    from transformers import AutoTokenizer

    from routing.adapters.learning.training import pad

    tokenizer = AutoTokenizer.from_pretrained(str(base_dir))
    tokens = tokenise(tokenizer, example())
    assert tokenizer.decode(tokens.ids[tokens.answer_start :]) == f"{LEAVE} [1]</s>"
    assert tokenizer.decode(tokens.ids[: tokens.answer_start]).endswith("<|assistant|>\n")
    ids, mask, labels = pad([tokens, Tokens((5, 6, 7), 2)])
    assert labels[1].tolist()[:4] == [-100, -100, 7, -100]
    assert mask[1].sum() == 3 and ids.shape == mask.shape == labels.shape
    assert (labels[0] != -100).sum() == len(tokens.ids) - tokens.answer_start


def test_a_template_that_knows_no_system_message_is_refused() -> None:
    class Tokenizer:
        chat_template: Any = "x"
        eos_token: str | None = "</s>"

        def apply_chat_template(self, conversation: list[dict[str, str]], **_options: object) -> str:
            if any(message["role"] == "system" for message in conversation):
                raise ValueError("System role not supported")
            return ""

        def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
            return []

    with pytest.raises(InputError) as refused:
        tokenise(Tokenizer(), example())
    assert refused.value.code == "no_chat_template" and "System role" in refused.value.message


def test_every_example_is_seen_once_an_epoch_beside_others_of_its_length() -> None:
    lengths = [10, 500, 20, 480, 900, 30, 15, 510]
    batches = make_batches(lengths, batch=2, epochs=2, seed=1)
    assert sorted(i for batch in batches[:4] for i in batch) == list(range(8))
    assert batches == make_batches(lengths, batch=2, epochs=2, seed=1)
    assert batches != make_batches(lengths, batch=2, epochs=2, seed=2)
    short = {0, 2, 5, 6}
    assert all(set(batch) <= short or not set(batch) & short for batch in batches)


def test_an_adapter_from_elsewhere_needs_its_access_said_aloud(
    sqlite_database: Database, settings: Settings, base_dir: Path, tmp_path: Path
) -> None:
    from tests.servers.base import make_adapter

    company = Company(sqlite_database, settings)
    folder = make_adapter(tmp_path / "theirs", base=base_dir)
    adapters, admin = company.adapters(), company.admin
    for access, code in (([], "access_unknown"), (["everybody"], "invalid_principal")):
        with pytest.raises(InputError) as refused:
            adapters.add(admin, "theirs", folder, base_dir, access)
        assert refused.value.code == code
    made = adapters.add(admin, "theirs", folder, base_dir, ["everyone"])
    assert (made.state, made.access, made.rank, made.examples) == ("candidate", ("everyone",), 4, 0)
    assert adapters.history("default", "theirs")[0].detail == "may serve everyone"
