"""The Sources page says when a new index is being made."""

from dataclasses import replace

from fastapi.testclient import TestClient

from tests.web.house import House


def test_the_page_says_how_far_a_new_index_is(ana: TestClient, house: House) -> None:
    assert "Re-indexing" not in ana.get("/sources").text
    services = ana.app.state.services  # type: ignore[attr-defined]
    try:
        ana.app.state.services = replace(services, reindexing=lambda: "Re-indexing, 42% <b>")  # type: ignore[attr-defined]
        assert "Re-indexing, 42% &lt;b&gt;" in ana.get("/sources").text
    finally:
        ana.app.state.services = services  # type: ignore[attr-defined]
