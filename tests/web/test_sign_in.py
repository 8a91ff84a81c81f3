import pytest

from tests.web.browser import TestClient
from tests.web.house import House

PASSWORD = "correct horse battery"


@pytest.fixture
def house(house: House) -> House:
    house.services.sign_ins.set_password("tom@example.com", PASSWORD)
    return house


def test_a_password_signs_in_and_goes_where_one_wanted_to(anonymous: TestClient, house: House) -> None:
    form = {"email": "Tom@example.com", "password": PASSWORD, "next": "/usage?month=2026-11"}
    response = anonymous.post("/sign-in", data=form)
    assert response.status_code == 303 and response.headers["location"] == "/usage?month=2026-11"
    cookie = response.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and "; secure" not in cookie
    assert "Tom Okafor" in anonymous.get("/").text


def test_behind_tls_the_cookie_is_secure_and_bound_to_the_host(house: House) -> None:
    from dataclasses import replace

    from web.application import create_app

    settings = house.services.settings.model_copy(update={"secure_cookies": True})
    browser = TestClient(
        create_app(replace(house.services, settings=settings)),
        base_url="https://rung.example.com",
        follow_redirects=False,
    )
    response = browser.post("/sign-in", data={"email": "tom@example.com", "password": PASSWORD})
    assert response.headers["set-cookie"].startswith("__Host-rung=")
    assert "; secure" in response.headers["set-cookie"].lower()


def test_a_wrong_password_is_explained_beside_the_field(anonymous: TestClient, house: House) -> None:
    response = anonymous.post("/sign-in", data={"email": "tom@example.com", "password": "wrong"})
    assert response.status_code == 401 and "set-cookie" not in response.headers
    assert "do not belong together" in response.text and 'value="tom@example.com"' in response.text
    assert 'aria-invalid="true"' in response.text


def test_too_many_attempts_are_told_when_to_try_again(anonymous: TestClient, house: House) -> None:
    for _ in range(8):
        anonymous.post("/sign-in", data={"email": "tom@example.com", "password": "wrong"})
    response = anonymous.post("/sign-in", data={"email": "tom@example.com", "password": PASSWORD})
    assert response.status_code == 429 and "15 minutes" in response.text


def test_sign_in_never_leads_to_another_site(anonymous: TestClient, house: House) -> None:
    for path in ("https://evil.example", "//evil.example", "/\\evil.example", "evil", "/a\nb"):
        form = {"email": "tom@example.com", "password": PASSWORD, "next": path}
        assert anonymous.post("/sign-in", data=form).headers["location"] == "/", path


def test_a_link_signs_in_at_one_click(anonymous: TestClient, house: House) -> None:
    link = house.services.sign_ins.make_link("tom@example.com")
    assert anonymous.get(f"/sign-in/link/{link}", headers={"Sec-Fetch-Site": "none"}).status_code == 303
    assert anonymous.get("/").status_code == 200


def test_a_link_clicked_on_another_site_asks_first(anonymous: TestClient, house: House) -> None:
    link = house.services.sign_ins.make_link("tom@example.com")
    page = anonymous.get(f"/sign-in/link/{link}", headers={"Sec-Fetch-Site": "cross-site"})
    assert page.status_code == 200 and "set-cookie" not in page.headers
    assert f'action="/sign-in/link/{link}"' in page.text
    assert anonymous.post(f"/sign-in/link/{link}").status_code == 303


def test_a_used_link_says_what_to_do(anonymous: TestClient, house: House) -> None:
    link = house.services.sign_ins.make_link("tom@example.com")
    anonymous.get(f"/sign-in/link/{link}")
    response = TestClient(anonymous.app, follow_redirects=False).get(f"/sign-in/link/{link}")
    assert response.status_code == 401 and "ask for a new one" in response.text


def test_signing_out_ends_it_on_the_server_too(tom: TestClient) -> None:
    cookie = dict(tom.cookies)
    assert tom.post("/sign-out").headers["location"] == "/sign-in"
    again = TestClient(tom.app, cookies=cookie, follow_redirects=False)
    assert again.get("/").status_code == 303
