import re

from app.core.errors import UnavailableError
from routing.history import REASON_CODES
from routing.updates import EscalationUpdate
from tests.web.browser import TestClient
from tests.web.house import BOARD_ID, HOTEL_ID, LEAVE_ID, House
from web.present.asking.live import climbing_words

LEAVE = "How many weeks of parental leave does each parent take in Spain?"
BOARD = "When is the merger with Aquatrace planned?"


def ask(browser: TestClient, question: str, **fields: str) -> str:
    """Asks without a script and returns the address of the thread."""
    response = browser.post("/ask", data={"question": question, **fields})
    assert response.status_code == 303, response.text
    address: str = response.headers["location"]
    return address


def test_the_start_page_shows_the_box_what_to_try_and_what_is_indexed(tom: TestClient) -> None:
    page = tom.get("/")
    assert page.status_code == 200
    assert 'name="question"' in page.text and 'action="/ask"' in page.text
    assert "How many weeks of parental leave are there in Spain?" in page.text
    assert "handbook" in page.text and "3 documents" in page.text


def test_a_visitor_is_sent_to_sign_in_and_back(anonymous: TestClient) -> None:
    response = anonymous.get("/usage?month=2026-11")
    assert response.status_code == 303
    assert response.headers["location"] == "/sign-in?next=/usage%3Fmonth%3D2026-11"
    assert anonymous.get("/").headers["location"] == "/sign-in"


def test_a_question_without_a_script_waits_and_lands_in_its_thread(tom: TestClient) -> None:
    address = ask(tom, LEAVE)
    page = tom.get(address.partition("#")[0])
    assert "Each parent takes 16 weeks of parental leave, fully paid." in page.text
    assert f'href="/documents/{LEAVE_ID}?from=' in page.text
    assert "This answer" in page.text and "0.10 ct" in page.text
    assert "Why this answer?" in page.text
    assert re.search(r"difficulty <span[^>]*>\d+ %</span> · \w", page.text)


def test_a_follow_up_continues_the_thread_and_filters_stay(tom: TestClient) -> None:
    thread = ask(tom, LEAVE).partition("#")[0]
    conversation_id = thread.rpartition("/")[2]
    address = ask(tom, "And in Lisbon?", conversation_id=conversation_id, source="handbook")
    assert address.startswith(f"{thread}?source=handbook#q-")
    page = tom.get(address.partition("#")[0])
    assert page.text.count("data-turn") == 2
    assert "Remove the filter source: handbook" in page.text


def test_the_filters_of_a_past_question_stand_with_it_and_go_up_the_ladder(
    tom: TestClient, house: House
) -> None:
    address = ask(tom, LEAVE, source="handbook", after="2026-01-01")
    thread, query_id = address.partition("?")[0], address.rpartition("#q-")[2]
    again = tom.post(f"/queries/{query_id}/escalate").headers["location"]
    assert "source=handbook&after=2026-01-01" in again
    page = tom.get(thread).text
    for words in ("source: handbook", "on or after: 2026-01-01"):
        assert page.count(f'<span class="chip still">{words}</span>') == 2
    assert "source: handbook" in tom.get(f"/queries/{query_id}/why").text
    asked = house.services.history.query(house.caller("tom@example.com"), again.rpartition("#q-")[2])
    assert asked.filters.sources == ("handbook",)
    plain = ask(tom, LEAVE, source="elsewhere")
    assert "I found nothing" in tom.get(plain.partition("?")[0]).text


def test_with_a_script_the_question_becomes_a_running_part_of_the_page(tom: TestClient, house: House) -> None:
    house.reader.immediate = False
    house.reader.gate.clear()
    try:
        response = tom.post(
            "/ask", data={"question": LEAVE}, headers={"HX-Request": "true", "HX-Target": "main"}
        )
        query_id = re.search(r"/asks/([0-9a-f-]{36})/events", response.text)
        assert response.status_code == 200 and query_id
        assert response.headers["HX-Push-Url"].endswith(f"#q-{query_id[1]}")
        assert 'name="conversation_id"' in response.text
    finally:
        house.reader.gate.set()


def test_the_stream_sends_results_first_then_words_the_answer_and_the_receipt(tom: TestClient) -> None:
    response = tom.post("/ask", data={"question": LEAVE}, headers={"HX-Request": "true", "HX-Target": "main"})
    query_id = re.search(r"/asks/([0-9a-f-]{36})/events", response.text)
    assert query_id
    with tom.stream("GET", f"/asks/{query_id[1]}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        text = "".join(stream.iter_text())
    names = re.findall(r"^event: (\w+)$", text, re.M)
    order = [names.index(name) for name in ("restart", "passages", "delta", "answer", "receipt", "done")]
    assert order == sorted(order)
    assert "route" in names and names[-1] == "done"


def test_a_browser_that_was_cut_off_gets_only_what_it_has_not_seen(tom: TestClient) -> None:
    address = ask(tom, LEAVE)
    query_id = address.rpartition("#q-")[2]
    whole = tom.get(f"/asks/{query_id}/events").text
    ids = [int(number) for number in re.findall(r"^id: (\d+)$", whole, re.M)]
    rest = tom.get(f"/asks/{query_id}/events", headers={"Last-Event-ID": str(ids[-2])}).text
    assert "event: restart" not in rest
    assert [int(number) for number in re.findall(r"^id: (\d+)$", rest, re.M)] == ids[-1:]


def test_an_escalation_shows_the_first_answer_as_superseded(tom: TestClient, house: House) -> None:
    house.reader.abstain = True
    address = ask(tom, LEAVE)
    query_id = address.rpartition("#q-")[2]
    text = tom.get(f"/asks/{query_id}/events").text
    assert (
        "event: escalation" in text
        and "The quick answer was not sure enough; asking the premium model…" in text
    )
    page = tom.get(address.partition("#")[0]).text
    assert "Premium model" in page and "Rung 3 of 3" in page


def test_an_empty_or_endless_question_is_explained_beside_the_box(tom: TestClient) -> None:
    for question, words in (("   ", "question"), ("x" * 20_000, "4,000"), ("a\x00b", "control")):
        response = tom.post("/ask", data={"question": question})
        assert response.status_code == 422
        assert 'aria-invalid="true"' in response.text and words in response.text
        fragment = tom.post("/ask", data={"question": question}, headers={"HX-Request": "true"})
        assert fragment.status_code == 422 and fragment.headers["HX-Retarget"] == "#ask-error"


def test_a_question_in_another_script_is_answered(tom: TestClient) -> None:
    page = tom.get(ask(tom, "スペインの育児休暇は何週間ですか？").partition("#")[0])
    assert page.status_code == 200 and "スペインの育児休暇は何週間ですか？" in page.text


def test_a_failed_answer_says_what_to_do(tom: TestClient, house: House) -> None:
    house.reader.error = UnavailableError("The model does not answer; ask again.", code="index_gone")
    page = tom.get(ask(tom, LEAVE).partition("#")[0])
    assert "The model does not answer; ask again." in page.text and 'class="problem"' in page.text


UNREACHABLE = "The local model could not be reached. An admin checks that its server runs at RUNG_LOCAL_URL."


def test_a_rung_that_failed_is_told_calmly_and_stands_in_the_trail_at_its_cost(
    tom: TestClient, house: House
) -> None:
    house.reader.abstain = True
    house.local.unavailable, house.local.failed = None, UNREACHABLE
    address = ask(tom, LEAVE)
    query_id = address.rpartition("#q-")[2]
    page = tom.get(address.partition("#")[0]).text
    assert (
        "<strong>Premium model</strong>" in page and "· the local model could not be reached</span>" in page
    )
    why = tom.get(f"/queries/{query_id}/why").text
    row = re.search(r"<tr><th[^>]*>Local model.*?</tr>", why, re.S)
    assert row and '<span class="state bad">failed</span>' in row[0]
    assert UNREACHABLE in row[0] and "0.0040 ct" in row[0] and "€0.00" in row[0]
    assert ".." not in re.sub(r"<[^>]+>", "", why).replace("...", "")


def test_the_escalation_after_a_failure_says_what_failed() -> None:
    failed = EscalationUpdate("q", "local", "premium", UNREACHABLE, failed=True)
    assert climbing_words(failed) == "The local model could not be reached; asking the premium model…"
    doubtful = EscalationUpdate("q", "reader", "local", "the model was not sure of its words")
    assert climbing_words(doubtful) == "The quick answer was not sure enough; asking the local model…"


def test_the_adapter_stands_in_the_trail_and_not_beside_the_answer(tom: TestClient, house: House) -> None:
    house.reader.notes = ("Adapter support.v3: team engineering has it", "The answer was cut.")
    address = ask(tom, LEAVE)
    page = tom.get(address.partition("#")[0]).text
    assert "support.v3" not in page and "The answer was cut." in page
    why = tom.get(f"/queries/{address.rpartition('#q-')[2]}/why").text
    assert "support.v3</strong>: team engineering has it" in why and why.count("The answer was cut.") == 1


def test_a_question_that_failed_shows_what_was_tried(tom: TestClient, house: House) -> None:
    house.local.unavailable, house.local.failed = None, UNREACHABLE
    thread = ask(tom, LEAVE)
    tom.post(f"/queries/{thread.rpartition('#q-')[2]}/escalate")
    page = tom.get(thread.partition("#")[0]).text
    why = re.search(r'href="(/queries/[^"]+/why)">See what was tried', page)
    assert why
    trail = tom.get(why[1]).text
    assert "Why no answer?" in trail and UNREACHABLE in trail and "0.0040 ct" in trail


def test_the_better_model_can_be_asked_once_from_the_answer(tom: TestClient) -> None:
    address = ask(tom, LEAVE)
    query_id = address.rpartition("#q-")[2]
    assert "Ask Premium model" in tom.get(address.partition("#")[0]).text
    response = tom.post(f"/queries/{query_id}/escalate")
    assert response.status_code == 303
    page = tom.get(response.headers["location"].partition("#")[0])
    assert page.text.count("data-turn") == 2 and "Rung 3 of 3" in page.text


def test_feedback_is_kept_and_shown(tom: TestClient) -> None:
    address = ask(tom, LEAVE)
    query_id = address.rpartition("#q-")[2]
    response = tom.post(f"/queries/{query_id}/feedback", data={"verdict": "bad", "reason": "It is 20."})
    assert response.status_code == 303
    assert "Marked as wrong" in tom.get(address.partition("#")[0]).text
    fragment = tom.post(
        f"/queries/{query_id}/feedback", data={"verdict": "good"}, headers={"HX-Request": "true"}
    )
    assert "Marked as good" in fragment.text and "<html" not in fragment.text


def test_what_is_wrong_is_chosen_from_a_list_and_stands_there_later(tom: TestClient) -> None:
    address = ask(tom, LEAVE)
    thread, query_id = address.partition("#")[0], address.rpartition("#q-")[2]
    offered = re.findall(r'name="code" value="(\w+)"', tom.get(thread).text)
    assert offered == list(REASON_CODES)
    said = {"verdict": "bad", "code": "outdated", "reason": "It is <20> since May."}
    fragment = tom.post(f"/queries/{query_id}/feedback", data=said, headers={"HX-Request": "true"})
    words = "Marked as wrong: it is outdated <q>It is &lt;20&gt; since May.</q>"
    assert words in fragment.text and words in tom.get(thread).text
    assert tom.get(f"/api/v1/queries/{query_id}").json()["feedback"] == {
        "good": False,
        "code": "outdated",
        "reason": "It is <20> since May.",
    }
    unknown = tom.post(f"/queries/{query_id}/feedback", data={"verdict": "bad", "code": "ugly"})
    assert unknown.status_code == 422


def test_the_better_model_says_its_price_for_this_question_before_it_is_asked(
    tom: TestClient, house: House
) -> None:
    house.premium.expected_nano = 5_000_000
    page = tom.get(ask(tom, LEAVE).partition("#")[0]).text
    assert 'Ask Premium model <span class="quiet">about 0.60 ct, at most 0.96 ct</span>' in page
    asked = house.reader.asked[-1]
    assert house.premium.priced[-1].passages == asked.passages


def test_why_shows_scores_rungs_passages_and_price(tom: TestClient) -> None:
    query_id = ask(tom, LEAVE).rpartition("#q-")[2]
    page = tom.get(f"/queries/{query_id}/why").text
    for words in (
        "From the question alone",
        "After the first answer",
        "Rungs tried",
        "Passages it was given",
        "Price",
    ):
        assert words in page


def test_a_document_opens_at_the_passage_with_everything_escaped(tom: TestClient, house: House) -> None:
    text = house.services.library.document(house.caller("tom@example.com"), HOTEL_ID).text
    start = text.index("The hotel")
    page = tom.get(f"/documents/{HOTEL_ID}?from={start}&to={start + 9}").text
    assert '<p id="passage"><mark>The hotel</mark>' in page
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page


def test_a_document_that_one_may_not_read_is_like_one_that_is_not_there(tom: TestClient) -> None:
    missing = tom.get("/documents/00000000-0000-0000-0000-00000000ffff")
    for path in (f"/documents/{BOARD_ID}", "/documents/nothing", "/documents/%00"):
        response = tom.get(path)
        assert response.status_code == missing.status_code == 404
        assert response.text == missing.text and "merger" not in response.text


def test_the_restricted_document_is_found_by_its_reader_alone(tom: TestClient, mei: TestClient) -> None:
    assert "Board minutes" in mei.get("/search?q=merger+Aquatrace").text
    assert mei.get(f"/documents/{BOARD_ID}").status_code == 200
    found = tom.get("/search?q=merger+Aquatrace").text
    assert "Board minutes" not in found and "planned for June" not in found
    answer = tom.get(ask(tom, BOARD).partition("#")[0]).text
    assert "Board minutes" not in answer and "planned for June" not in answer


def test_another_persons_thread_and_answer_are_not_there(tom: TestClient, mei: TestClient) -> None:
    address = ask(mei, BOARD)
    query_id = address.rpartition("#q-")[2]
    for path in (address.partition("#")[0], f"/queries/{query_id}/why", f"/asks/{query_id}/events"):
        assert mei.get(path).status_code == 200
        assert tom.get(path).status_code == 404
    assert tom.get(f"/queries/{query_id}/answer").status_code == 404
    assert tom.post(f"/queries/{query_id}/feedback", data={"verdict": "good"}).status_code == 404
    assert tom.post(f"/queries/{query_id}/escalate").status_code == 404
    assert tom.post("/ask", data={"question": "And?", "conversation_id": address[9:45]}).status_code == 404


def test_the_list_of_threads_holds_ones_own_questions(tom: TestClient, mei: TestClient) -> None:
    ask(tom, LEAVE)
    assert LEAVE in tom.get("/threads").text
    assert LEAVE not in mei.get("/threads").text and "asked nothing yet" in mei.get("/threads").text


def test_search_shows_results_and_chips_and_explains_a_bad_date(tom: TestClient) -> None:
    page = tom.get("/search?q=parental+leave&source=handbook&after=2025-01-01").text
    assert "Parental leave, Spain" in page
    assert 'href="/search?q=parental+leave&amp;after=2025-01-01"' in page
    assert tom.get("/search?q=leave&source=other").text.count('class="result"') == 0
    bad = tom.get("/search?q=leave&after=yesterday")
    assert bad.status_code == 422 and "write it as 2026-03-31" in bad.text


def test_usage_shows_ones_own_sums_and_the_workspaces_to_admins_alone(
    tom: TestClient, ana: TestClient
) -> None:
    ask(tom, LEAVE)
    mine = tom.get("/usage").text
    assert "0.10 ct" in mine and LEAVE in mine
    assert LEAVE not in ana.get("/usage").text
    workspace = ana.get("/usage?scope=workspace").text
    assert "A question of Tom Okafor" in workspace and LEAVE not in workspace
    assert tom.get("/usage?scope=workspace").status_code == 403


def test_sources_are_for_admins_and_group_failures_with_what_to_do(tom: TestClient, ana: TestClient) -> None:
    assert tom.get("/sources").status_code == 403
    assert "complete with 1 failure" in ana.get("/sources").text
    page = ana.get("/sources/handbook").text
    assert "Protected by a password" in page and "finance/old.pdf" in page and "Save a copy" in page
    assert ana.get("/sources/none").status_code == 404


def test_a_source_with_an_odd_name_keeps_its_page_and_its_command(ana: TestClient, house: House) -> None:
    from ingest.tables import SourceRow
    from tests.web.house import SOURCE_ID

    with house.database.write() as session:
        session.get_one(SourceRow, SOURCE_ID).name = "what? #1; rm"
    listed = ana.get("/sources").text
    assert 'href="/sources/what%3F%20%231%3B%20rm"' in listed
    page = ana.get("/sources/what%3F%20%231%3B%20rm").text
    assert "source sync &#39;what? #1; rm&#39;" in page


def test_pages_that_are_not_there_say_so(tom: TestClient) -> None:
    response = tom.get("/nowhere")
    assert response.status_code == 404 and "There is nothing at this address" in response.text
