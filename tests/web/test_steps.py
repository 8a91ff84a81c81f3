"""Steps on the way to an answer: streamed into the page, kept with the answer, explained, and in the API."""

import json
import re
from decimal import Decimal

import pytest

from tests.web.browser import TestClient
from tests.web.house import House

LEAVE = "How many weeks of parental leave does each parent take in Spain?"


@pytest.fixture
def stepping(house: House) -> House:
    house.premium.looks_for = ("the hotel limit", "<b>the</b> board")
    house.premium.says_first = "Let me look [1]. "
    return house


def ask(browser: TestClient) -> tuple[str, str]:
    response = browser.post("/ask", data={"question": LEAVE})
    thread, _, query_id = response.headers["location"].partition("#q-")
    return thread, query_id


def climb(browser: TestClient, house: House) -> tuple[str, str]:
    house.reader.abstain = True
    return ask(browser)


def events(text: str) -> list[tuple[str, str]]:
    return re.findall(r"event: (\w+)\n((?:data: .*\n)+)", text)


def test_steps_stream_in_as_they_are_done_and_fold_away_with_the_answer(
    tom: TestClient, stepping: House
) -> None:
    _, query_id = climb(tom, stepping)
    told = events(tom.get(f"/asks/{query_id}/events").text)
    steps = [data for name, data in told if name == "steps"]
    assert len(steps) == 3
    assert "Looking for the hotel limit" in steps[0] and "1 new passage" in steps[0]
    assert "&lt;b&gt;the&lt;/b&gt; board" in steps[1] and "nothing new" in steps[1]
    assert "<b>" not in "".join(steps)
    assert "<details" not in steps[1] and "Worked in 3 steps" in steps[2]
    names = [name for name, _ in told]
    # What was said before the first step makes room for the answer.
    assert "restart" in names[names.index("steps") : names.index("answer")]


def test_steps_stay_with_the_answer_and_are_explained(tom: TestClient, stepping: House) -> None:
    thread, query_id = climb(tom, stepping)
    page = tom.get(thread).text
    assert "Worked in 3 steps" in page and "Looking for the hotel limit" in page
    why = tom.get(f"/queries/{query_id}/why").text
    section = why[why.index('id="steps"') : why.index('id="read"')]
    assert "Looking for the hotel limit" in section and "Parental leave, Spain</a>" in section
    assert "100, 5" in section and "0.0020 ct" in section
    assert "a step on the way" in why


def test_an_answer_without_steps_shows_none(tom: TestClient, house: House) -> None:
    thread, query_id = ask(tom)
    assert "Worked in" not in tom.get(thread).text
    assert 'id="steps"' not in tom.get(f"/queries/{query_id}/why").text


def test_the_api_tells_steps_with_the_answer_and_afterwards(tom: TestClient, stepping: House) -> None:
    stepping.reader.abstain = True
    answer = tom.post("/api/v1/ask", json={"question": LEAVE}).json()
    (first, second) = answer["route"]["steps"]
    assert (first["ordinal"], first["kind"], first["text"]) == (1, "search", "Looking for the hotel limit")
    assert (first["input_tokens"], first["output_tokens"], first["cost_nano"]) == (100, 5, 20_000)
    assert [p["title"] for p in first["passages"]] == ["Parental leave, Spain"] and second["passages"] == []
    assert Decimal(answer["receipt"]["cost"]) == Decimal("0.00804")
    later = tom.get(f"/api/v1/queries/{answer['query_id']}").json()
    assert later["route"]["steps"] == answer["route"]["steps"]


def test_the_stream_of_the_api_has_steps(tom: TestClient, stepping: House) -> None:
    stepping.reader.abstain = True
    text = tom.post("/api/v1/ask", json={"question": LEAVE, "stream": True}).text
    told = [json.loads(data.removeprefix("data: ")) for name, data in events(text) if name == "step"]
    assert [step["text"] for step in told] == ["Looking for the hotel limit", "Looking for <b>the</b> board"]
    assert told[0]["cost_nano"] == 20_000 and told[0]["query_id"]
