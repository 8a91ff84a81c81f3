"""The Sources page says why no worker can be kept."""

from dataclasses import replace

from fastapi.testclient import TestClient

from tests.web.house import House


def test_the_page_says_what_is_wrong_with_the_worker(ana: TestClient, house: House) -> None:
    assert "Nothing is synced" not in ana.get("/sources").text
    services = ana.app.state.services  # type: ignore[attr-defined]
    trouble = "Nothing is synced: it ended <b>"
    try:
        ana.app.state.services = replace(services, worker_trouble=lambda: trouble)  # type: ignore[attr-defined]
        assert "Nothing is synced: it ended &lt;b&gt;" in ana.get("/sources").text
    finally:
        ana.app.state.services = services  # type: ignore[attr-defined]
