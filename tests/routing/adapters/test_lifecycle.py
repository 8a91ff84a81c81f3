"""Adapters on a real vLLM: judged, published, rolled back, retired, restored, refused; killed in between."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.core.clock import utc_now
from app.core.config import Settings
from app.core.db import Database
from app.core.errors import ConflictError, InputError, RungError
from routing.adapters.adapter import Judgement, TrainSettings
from routing.adapters.files import CONFIG, WEIGHTS
from routing.adapters.learning.examples import is_held_out
from routing.adapters.registry import Adapters
from routing.adapters.server import LoraServer
from routing.adapters.service import BASE
from routing.adapters.store import Store
from tests.routing.adapters.company import LEAVE, Company, local_settings, passage
from tests.servers.base import make_adapter
from tests.servers.vllm import BASE_MODEL, VllmServer

TEACHING = TrainSettings(rank=8, epochs=10, learning_rate=1e-2, batch=8, tokens=1024)


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def served(
    sqlite_database: Database, settings: Settings, vllm: VllmServer, tmp_path: Path
) -> Iterator[Company]:
    """The company with the chat server, which has nothing of ours before and after."""
    company = Company(sqlite_database, local_settings(settings, vllm.url, tmp_path / "adapters"))
    yield company
    server = LoraServer(vllm.url)
    for model in server.models():
        if model.parent is not None and str(tmp_path) in model.path:
            server.unload(model.name)


def loaded(company: Company) -> set[str]:
    return set(company.adapters().server().loaded)


def ready(company: Company, vllm: VllmServer, name: str = "life", *, seed: int = 1, rank: int = 4) -> None:
    """A candidate that was judged better than what answers now, as `judge` would have written it down."""
    folder = make_adapter(
        company.settings.data_dir / f"{name}{seed}", base=vllm.base_dir, rank=rank, seed=seed
    )
    adapters = company.adapters()
    made = adapters.add(company.admin, name, folder, vllm.base_dir, ["everyone"])
    now = adapters.get("default", name).in_service
    judgement = Judgement(utc_now(), 20, 0.5, now.served_name if now else BASE, 0.1, True, "better by 0.4")
    store = Store(company.database)
    store.keep_judgement(store.row("default", name, made.version), judgement, "admin")


def publish(company: Company, vllm: VllmServer, name: str = "life", *, seed: int = 1) -> str:
    ready(company, vllm, name, seed=seed)
    return company.adapters().publish(company.admin, name).served_name


def states(adapters: Adapters, name: str = "life") -> list[str]:
    return [version.state for version in adapters.get("default", name).versions]


def say(vllm: VllmServer, model: str) -> str:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "How much leave?"}],
        "max_tokens": 8,
        "temperature": 0,
    }
    answer = httpx.post(f"{vllm.url}/chat/completions", json=body, timeout=60).raise_for_status()
    return str(answer.json()["choices"][0]["message"]["content"])


@pytest.mark.timeout(600)
def test_from_accepted_answers_to_a_better_adapter_that_answers(served: Company, vllm: VllmServer) -> None:
    """Trained and judged for real: it learned what the base does not know; one that did not stays out."""
    admin, ana, document = served.admin, served.person("ana"), served.document("everyone")
    questions = [f"How much leave does site {n} give?" for n in range(300)]
    asked = [q for q in questions if not is_held_out(q)][:44] + [q for q in questions if is_held_out(q)][:20]
    for question in asked:
        served.asked(ana, question, f"{LEAVE} [1]", [passage(document, LEAVE)])
    adapters = served.adapters()
    adapters.train(admin, "life", vllm.base_dir, settings=TEACHING)
    with pytest.raises(ConflictError) as unjudged:
        adapters.publish(admin, "life")
    assert unjudged.value.code == "not_better"
    judged = adapters.judge(admin, "life")
    assert judged.better and judged.score > judged.against_score and judged.questions == 20
    assert judged.against == BASE and loaded(served) == set(), "a candidate leaves the server again"
    assert adapters.publish(admin, "life").state == "in_service" and loaded(served) == {"life.v1"}
    adapters.assign(admin, "workspace", "", "life")
    choice = adapters.choose(ana, [passage(document, LEAVE)])
    assert choice is not None and choice.served_name == "life.v1"
    adapters.train(admin, "life", vllm.base_dir, settings=TrainSettings(rank=2, epochs=1, learning_rate=1e-6))
    second = adapters.judge(admin, "life")
    assert second.against == "life.v1" and not second.better
    with pytest.raises(ConflictError) as worse:
        adapters.publish(admin, "life")
    assert worse.value.code == "not_better"
    assert states(adapters) == ["candidate", "in_service"] and loaded(served) == {"life.v1"}


def test_too_few_held_out_questions_judge_nothing(served: Company, vllm: VllmServer) -> None:
    ready(served, vllm)
    with pytest.raises(InputError) as refused:
        served.adapters().judge(served.admin, "life")
    assert refused.value.code == "too_few_held_out"


def test_publish_keeps_the_last_and_rolls_back_to_it_without_a_restart(
    served: Company, vllm: VllmServer
) -> None:
    adapters, admin = served.adapters(), served.admin
    assert [publish(served, vllm, seed=seed) for seed in (1, 2, 3)] == ["life.v1", "life.v2", "life.v3"]
    assert states(adapters) == ["in_service", "previous", "retired"]
    assert loaded(served) == {"life.v2", "life.v3"}
    assert adapters.roll_back(admin, "life").served_name == "life.v2"
    assert states(adapters) == ["previous", "in_service", "retired"]
    assert say(vllm, "life.v2") != say(vllm, BASE_MODEL)
    assert adapters.retire(admin, "life", 3).state == "retired" and loaded(served) == {"life.v2"}
    with pytest.raises(ConflictError) as nothing:
        adapters.roll_back(admin, "life")
    assert nothing.value.code == "no_previous"
    with pytest.raises(ConflictError) as busy:
        adapters.retire(admin, "life")
    assert busy.value.code == "in_service"
    adapters.retire(admin, "life", in_service=True)
    assert loaded(served) == set()
    done = [event.action for event in adapters.history("default", "life")]
    assert done[:3] == ["retired", "retired", "rolled back"] and done.count("published") == 3


def test_a_judgement_against_what_no_longer_answers_counts_nothing(served: Company, vllm: VllmServer) -> None:
    ready(served, vllm, seed=1)
    ready(served, vllm, seed=2)
    served.adapters().publish(served.admin, "life", 1)
    with pytest.raises(ConflictError) as refused:
        served.adapters().publish(served.admin, "life", 2)
    assert refused.value.code == "not_better" and "life.v1 answers now" in refused.value.message


def test_after_the_server_was_restarted_any_process_restores_what_should_be_there(
    served: Company, vllm: VllmServer
) -> None:
    for seed in (1, 2, 3):
        publish(served, vllm, seed=seed)
    server = LoraServer(vllm.url)
    for name in loaded(served):
        server.unload(name)
    fresh = served.adapters()
    assert fresh.restore("life.v3") and fresh.restore("life.v2"), "in service, and the one before it"
    assert not fresh.restore("life.v1") and not fresh.restore("nobody.v1")
    assert loaded(served) == {"life.v2", "life.v3"}
    assert fresh.restore("life.v3"), "again does no harm"


def test_what_was_tampered_with_is_not_restored(served: Company, vllm: VllmServer) -> None:
    publish(served, vllm)
    LoraServer(vllm.url).unload("life.v1")
    weights = served.settings.adapters_folder / "default/life.v1" / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert not served.adapters().restore("life.v1")
    assert loaded(served) == set()


def test_killed_after_loading_publish_can_be_run_again(
    served: Company, vllm: VllmServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(served, vllm, seed=1)
    ready(served, vllm, seed=2)

    def die(*_args: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Store, "switch", die)
        with pytest.raises(Killed):
            served.adapters().publish(served.admin, "life")
    assert states(served.adapters()) == ["candidate", "in_service"]
    assert loaded(served) == {"life.v1", "life.v2"}
    assert served.adapters().publish(served.admin, "life").version == 2
    assert states(served.adapters()) == ["in_service", "previous"]


def test_killed_after_the_switch_publish_can_be_run_again(
    served: Company, vllm: VllmServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in (1, 2):
        publish(served, vllm, seed=seed)
    ready(served, vllm, seed=3)

    def die(*_args: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(LoraServer, "unload", die)
        with pytest.raises(Killed):
            served.adapters().publish(served.admin, "life")
    assert states(served.adapters()) == ["in_service", "previous", "retired"]
    assert served.adapters().publish(served.admin, "life", 3).state == "in_service"
    served.adapters().retire(served.admin, "life", 1)
    assert loaded(served) == {"life.v2", "life.v3"}


def test_six_adapters_over_two_slots_each_keep_their_voice(served: Company, vllm: VllmServer) -> None:
    names = [publish(served, vllm, f"life-{n}", seed=n + 1) for n in range(6)]
    assert set(names) == loaded(served)
    first = [say(vllm, name) for name in names]
    assert first == [say(vllm, name) for name in names]
    assert len(set(first)) > 3


def broken(kind: str, folder: Path) -> None:
    """Spoils a version's files after it was made."""
    config = json.loads((folder / CONFIG).read_text())
    if kind == "adapter_missing":
        shutil.rmtree(folder)
    elif kind == "truncated_adapter":
        (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:900])
    elif kind == "not_lora":
        (folder / CONFIG).write_text(json.dumps(config | {"peft_type": "IA3"}))
    else:
        (folder / CONFIG).write_text(json.dumps(config | {"lora_alpha": 1}))


@pytest.mark.parametrize("code", ["adapter_missing", "truncated_adapter", "not_lora", "adapter_changed"])
def test_a_broken_candidate_is_refused_by_name_and_what_answers_stays(
    served: Company, vllm: VllmServer, code: str
) -> None:
    publish(served, vllm, seed=1)
    ready(served, vllm, seed=2)
    broken(code, served.settings.adapters_folder / "default/life.v2")
    with pytest.raises(RungError) as refused:
        served.adapters().publish(served.admin, "life")
    assert refused.value.code == code
    versions = served.adapters().get("default", "life").versions
    assert [(v.state, v.problem) for v in versions] == [("failed", refused.value.message), ("in_service", "")]
    assert loaded(served) == {"life.v1"}


def test_a_rank_over_the_servers_is_refused_and_what_answers_stays(served: Company, vllm: VllmServer) -> None:
    publish(served, vllm, seed=1)
    ready(served, vllm, seed=2, rank=16)
    with pytest.raises(InputError) as refused:
        served.adapters().publish(served.admin, "life")
    assert refused.value.code == "rank_over_server" and "--max-lora-rank 16" in refused.value.message
    assert states(served.adapters()) == ["failed", "in_service"] and loaded(served) == {"life.v1"}


def test_a_base_of_another_name_or_width_is_refused(
    served: Company, vllm: VllmServer, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(vllm.base_dir, tmp_path / "other-base"))
    adapter = make_adapter(tmp_path / "theirs", base=other)
    adapters, admin = served.adapters(), served.admin
    adapters.add(admin, "life", adapter, other, ["everyone"])
    with pytest.raises(InputError) as refused:
        adapters.judge(admin, "life")
    assert refused.value.code in ("base_mismatch", "too_few_held_out")
    row = Store(served.database).row("default", "life", 1)
    store = Store(served.database)
    store.keep_judgement(row, Judgement(utc_now(), 20, 1.0, BASE, 0.0, True, "x"), "admin")
    with pytest.raises(InputError) as mismatch:
        adapters.publish(admin, "life")
    assert mismatch.value.code == "base_mismatch" and "other-base" in mismatch.value.message


def test_a_path_that_the_server_does_not_see(served: Company, vllm: VllmServer) -> None:
    ready(served, vllm)
    elsewhere = served.settings.model_copy(update={"local_adapters_dir_on_server": "/nowhere"})
    with pytest.raises(InputError) as refused:
        served.adapters(elsewhere).publish(served.admin, "life")
    assert refused.value.code == "adapter_not_on_server"
    assert served.adapters().publish(served.admin, "life").state == "in_service", "mended, it is published"


def test_a_server_that_is_down_changes_nothing(served: Company, vllm: VllmServer) -> None:
    publish(served, vllm, seed=1)
    ready(served, vllm, seed=2)
    down = served.adapters(served.settings.model_copy(update={"local_url": "http://127.0.0.1:9/v1"}))
    for act in (lambda: down.publish(served.admin, "life"), lambda: down.judge(served.admin, "life", 1)):
        with pytest.raises(RungError) as refused:
            act()
        assert refused.value.code in ("local_server_unreachable", "too_few_held_out")
    assert states(served.adapters()) == ["candidate", "in_service"]
    assert not down.restore("life.v1")
