"""compose.yaml and the Dockerfile, as far as they can be checked without an engine."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.core.config import Settings

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return loaded


def test_every_lasting_service_says_how_it_is_checked(compose: dict[str, Any]) -> None:
    lasting = [name for name, service in compose["services"].items() if service.get("restart") != "no"]
    assert {"app", "worker", "postgres", "qdrant", "vllm"} == set(lasting)
    assert all("test" in compose["services"][name]["healthcheck"] for name in lasting)


def test_what_waits_for_a_service_waits_for_one_that_exists(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in services
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[needed]


def test_every_named_volume_is_declared(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for volume in service["volumes"]:
            name = volume.split(":")[0]
            assert name.startswith((".", "/", "$")) or name in compose["volumes"]


def test_only_the_app_is_published_and_on_loopback_only(compose: dict[str, Any]) -> None:
    published = {name: s["ports"] for name, s in compose["services"].items() if "ports" in s}
    assert published == {"app": ["127.0.0.1:8000:8000"]}


def test_every_setting_it_passes_exists(compose: dict[str, Any]) -> None:
    known = {f"RUNG_{name.upper()}" for name in Settings.model_fields}
    for name in ("app", "worker", "migrate"):
        passed = {key for key in compose["services"][name]["environment"] if key.startswith("RUNG_")}
        assert passed and passed <= known


def test_images_are_pinned_to_a_version(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert re.search(r":v?\d+\.\d+", service["image"]), service["image"]


def test_vllm_needs_the_gpu_profile(compose: dict[str, Any]) -> None:
    assert compose["services"]["vllm"]["profiles"] == ["gpu"]


def test_the_image_runs_as_a_user_without_rights_and_copies_only_what_exists() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert "USER rung" in lines
    for line in lines:
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), source
