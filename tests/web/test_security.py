import pytest
from structlog.testing import capture_logs

from tests.web.browser import TestClient
from tests.web.house import House
from web.serving.security import MAX_BODY_BYTES

ASK = {"question": "How many weeks of parental leave?"}


FOREIGN: tuple[dict[str, str], ...] = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Authorization": "Basic x"},
)


@pytest.mark.parametrize("path", ["/ask", "/sign-in", "/sign-out", "/api/v1/search", "/queries/x/feedback"])
def test_what_another_site_sends_is_refused(tom: TestClient, path: str) -> None:
    for headers in FOREIGN:
        response = tom.post(path, data=ASK, headers=headers)
        assert response.status_code == 403, headers
        if path.startswith("/api/"):
            assert response.json()["code"] == "cross_site"
        else:
            assert "came from another site" in response.text


def test_what_comes_from_here_is_taken(tom: TestClient) -> None:
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://testserver"}, {}):
        assert tom.post("/ask", data=ASK, headers=headers).status_code == 303


def test_an_api_key_needs_no_origin(anonymous: TestClient, house: House) -> None:
    _, key = house.services.sign_ins.make_key("tom@example.com", "laptop")
    headers = {
        "Authorization": f"Bearer {key}",
        "Origin": "https://tool.example",
        "Sec-Fetch-Site": "cross-site",
    }
    assert anonymous.post("/api/v1/search", json={"query": "leave"}, headers=headers).status_code == 200


def test_a_large_body_is_refused_with_and_without_a_length(tom: TestClient) -> None:
    large = b"x" * (MAX_BODY_BYTES + 1)
    said = tom.post("/api/v1/ask", content=large, headers={"Content-Type": "application/json"})
    assert said.status_code == 413 and said.json()["code"] == "too_large"
    chunks = (large[start : start + 65_536] for start in range(0, len(large), 65_536))
    unsaid = tom.post("/api/v1/ask", content=chunks, headers={"Content-Type": "application/json"})
    assert unsaid.status_code == 413 and unsaid.json()["code"] == "too_large"
    assert "at most" in tom.post("/ask", content=large).text


def test_every_answer_tells_browsers_what_to_refuse(tom: TestClient) -> None:
    for path in ("/", "/sign-in", "/nowhere", "/api/v1/usage", "/healthz"):
        headers = tom.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"


def test_pages_hold_no_inline_script_or_style(tom: TestClient) -> None:
    for path in ("/", "/threads", "/usage", "/search?q=leave", "/nowhere"):
        page = tom.get(path).text
        assert "<style" not in page and " style=" not in page and " onclick=" not in page
        assert page.count("<script") == page.count("<script src=")


def test_assets_may_be_kept_for_a_year_under_the_address_of_their_content(tom: TestClient) -> None:
    import re

    page = tom.get("/").text
    addresses = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert len(addresses) == 12
    for address in addresses:
        response = tom.get(address)
        assert response.status_code == 200 and "immutable" in response.headers["Cache-Control"]
    assert tom.get("/static/0000000000000000/app.js").status_code == 404
    assert tom.get("/static/x/../../package.json").status_code == 404


def test_missing_packages_name_the_command_that_installs_them(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from app.core.errors import ConfigurationError
    from web.serving.assets import Assets

    with pytest.raises(ConfigurationError, match="make install"):
        Assets(packages=tmp_path)


def test_an_unexpected_error_shows_an_id_that_the_log_holds(
    tom: TestClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    import re

    def broken(*_args: object, **_kwargs: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(house.services.history, "conversations", broken)
    with capture_logs() as logs:
        response = tom.get("/threads")
    shown = re.search(r"finds ([0-9a-f-]{36}) in the log", response.text)
    assert response.status_code == 500 and shown and "secret detail" not in response.text
    logged = [line for line in logs if line["event"] == "unexpected_error"]
    assert [line["error_id"] for line in logged] == [shown[1]]
    assert isinstance(logged[0]["exc_info"], ZeroDivisionError)
