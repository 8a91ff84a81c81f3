"""The S3 connector against moto's server."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any
from urllib.parse import unquote

import pytest
from pydantic import SecretStr, ValidationError

from app.core.errors import InputError, UnavailableError
from app.core.identity import EVERYONE
from ingest.connector import Checkpoint, Delete, Estimate, Failure, ReadContext, Unchanged, Upsert
from ingest.connectors.s3 import S3Connector, S3Settings
from ingest.connectors.s3.bucket import PAGE_KEYS
from ingest.remote import RemoteCalls, SourceWaitError
from tests.ingest.connectors.changes import failures, nothing_known, upserts
from tests.servers.moto import S3Server, s3_server

ONCE = RemoteCalls(tries=1, longest_wait_seconds=1)
Read = Callable[..., S3Connector]


@pytest.fixture(scope="module")
def store() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def bucket(store: S3Server, request: pytest.FixtureRequest) -> Iterator[str]:
    store.answers.clear()
    name = f"b{abs(hash(request.node.name))}"
    store.client().create_bucket(Bucket=name)
    yield name
    store.answers.clear()


@pytest.fixture
def put(store: S3Server, bucket: str) -> Callable[..., None]:
    client = store.client()

    def put(key: str, text: str = "text", **more: Any) -> None:
        client.put_object(Bucket=bucket, Key=key, Body=text.encode(), **more)

    return put


@pytest.fixture
def reader(store: S3Server, bucket: str) -> Iterator[Read]:
    made: list[S3Connector] = []

    def read(calls: RemoteCalls = ONCE, **settings: object) -> S3Connector:
        given = {
            "bucket": bucket,
            "endpoint": store.url,
            "access_key_id": "AKIATEST",
            "secret_access_key": SecretStr("s3cret-key"),
            "path_style": True,
            **settings,
        }
        context = ReadContext(frozenset({EVERYONE}), 1_000, calls=calls)
        made.append(S3Connector(S3Settings.model_validate(given), context))
        return made[-1]

    yield read
    for connector in made:
        connector.close()


def test_objects_come_with_what_the_store_knows(reader: Read, put: Callable[..., None], bucket: str) -> None:
    put("handbook/leave policy.md", "# Leave", Metadata={"author": "Ana Ferreira"})
    put("notes", "plain words", ContentType="text/plain; charset=utf-8")
    found = upserts(reader().pull("", nothing_known))
    leave = found["handbook/leave policy.md"]
    assert (leave.content, leave.author, leave.file_name) == (b"# Leave", "Ana Ferreira", "leave policy.md")
    assert leave.url == f"s3://{bucket}/handbook/leave%20policy.md" and leave.updated_at is not None
    assert leave.updated_at.utcoffset() is not None
    assert found["notes"].media_type == "text/plain; charset=utf-8"
    linked = reader(link="https://files.example.com/{key}").fetch("handbook/leave policy.md")
    assert isinstance(linked, Upsert)
    assert linked.document.url == "https://files.example.com/handbook/leave%20policy.md"


@pytest.mark.parametrize(
    "key", ["a b.md", "ü/ñ.md", "a/../b.md", "a+b&c=d%20.md", "back\\slash.md", "tab\t.md"]
)
def test_odd_keys_are_read_and_found_again(reader: Read, put: Callable[..., None], key: str) -> None:
    put(key, key)
    connector = reader()
    (name,) = connector.list_ids()
    again = connector.fetch(name)
    assert name.isprintable() and isinstance(again, Upsert) and again.document.content == key.encode()
    assert again.document.url is not None and unquote(again.document.url).endswith(key)


def test_what_is_no_document_is_named(reader: Read, put: Callable[..., None]) -> None:
    put("folder/")
    put("cold.md", StorageClass="DEEP_ARCHIVE")
    put("film.mp4")
    put("large.md", "x" * 1_001)
    put("unnamed")
    assert failures(reader().pull("", nothing_known)) == {
        "cold.md": "archived",
        "film.mp4": "unsupported_format",
        "large.md": "too_large",
        "unnamed": "unsupported_format",
    }
    assert set(reader().list_ids()) == {"cold.md", "film.mp4", "large.md", "unnamed"}


def test_newest_version_is_read_and_a_delete_marker_removes(
    reader: Read, put: Callable[..., None], store: S3Server, bucket: str
) -> None:
    client = store.client()
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for text in ("first", "second"):
        put("versioned.md", text)
    put("gone.md")
    client.delete_object(Bucket=bucket, Key="gone.md")
    found = upserts(reader().pull("", nothing_known))
    assert {name: document.content for name, document in found.items()} == {"versioned.md": b"second"}
    assert set(reader().list_ids()) == {"versioned.md"} and reader().fetch("gone.md") == Delete("gone.md")


def test_prefixes_and_patterns_choose(reader: Read, put: Callable[..., None]) -> None:
    for key in ("a/1.md", "a/sub/2.md", "b/3.md", "c/4.md", "a/5.txt"):
        put(key)
    connector = reader(prefixes=("b/", "a/", "a/sub/"), include=("*.md",))
    assert list(connector.list_ids()) == ["a/1.md", "a/sub/2.md", "b/3.md"]
    assert connector.estimate().documents == 3
    rest = upserts(connector.pull("a/1.md", nothing_known))
    assert list(rest) == ["a/sub/2.md", "b/3.md"]


def test_a_hundred_thousand_keys_are_paged_and_taken_up_again(reader: Read) -> None:
    listed, connector = _Listing(), reader()
    connector._bucket._made = listed
    known = "same-3"
    changes = list(connector.pull("", lambda _: known))
    checkpoints = [c for c in changes if isinstance(c, Checkpoint)]
    assert len(changes) - len(checkpoints) == 100_000 and listed.pages == 100_000 // PAGE_KEYS
    assert len(checkpoints) == 2_001
    listed.pages = 0
    rest = list(connector.pull("k/098999.md", lambda _: known))
    assert listed.pages == 1 and len([c for c in rest if not isinstance(c, Checkpoint)]) == 1_000
    assert connector.estimate() == Estimate(20_000, 60_000, at_least=True)


class _Listing:
    """Lists 100,000 keys of one kind, in pages, as a store does: nothing else is asked of it."""

    pages = 0

    def list_objects_v2(self, **given: Any) -> Any:
        self.pages += 1
        after = given.get("StartAfter")
        first = int(after[2:8]) + 1 if after else 0
        last = min(first + given["MaxKeys"], 100_000)
        found = [{"Key": f"k/{n:06}.md", "ETag": '"same"', "Size": 3} for n in range(first, last)]
        return {"Contents": found, "IsTruncated": last < 100_000}

    def close(self) -> None:
        return


def test_real_pages_follow_one_another(reader: Read, put: Callable[..., None], monkeypatch: Any) -> None:
    monkeypatch.setattr("ingest.connectors.s3.bucket.PAGE_KEYS", 7)
    for number in range(23):
        put(f"{number:02}.md", str(number))
    assert list(reader().list_ids()) == [f"{number:02}.md" for number in range(23)]


def test_a_hundred_thousand_keys_at_the_server_are_taken_up_in_the_middle(
    reader: Read, put: Callable[..., None], store: S3Server, bucket: str
) -> None:
    put("model.md")
    # In ten prefixes, because the server sorts for each page all keys of the prefix.
    names = sorted(f"p{n % 10}/{n:06}.md" for n in range(100_000))
    store.fill(bucket, names, "model.md")
    connector = reader(prefixes=tuple(f"p{n}/" for n in range(10)))
    one = connector.fetch(names[0])
    assert isinstance(one, Upsert)
    store.asked.clear()
    # A page costs the server a third of a second: the first and the last four of the hundred.
    changes = connector.pull("", lambda _: one.document.revision)
    first = [c for c in islice(changes, 1_000) if isinstance(c, Unchanged)]
    rest = list(connector.pull(names[95_999], lambda _: one.document.revision))
    found = [c.external_id for c in rest if isinstance(c, Unchanged)]
    assert [c.external_id for c in first] == names[: len(first)] and len(first) > 900
    assert found == names[96_000:] and len(store.asked) == 1 + 4


def test_page_that_repeats_ends_the_reading(reader: Read) -> None:
    class Stuck(_Listing):
        def list_objects_v2(self, **given: Any) -> Any:
            return super().list_objects_v2(**given | {"StartAfter": ""})

    connector = reader()
    connector._bucket._made = Stuck()
    with pytest.raises(UnavailableError) as error:
        list(connector.list_ids())
    assert error.value.code == "paging_repeats"


@pytest.mark.parametrize(
    ("status", "code", "stable"),
    [
        (403, "InvalidAccessKeyId", "sign_in_failed"),
        (403, "SignatureDoesNotMatch", "sign_in_failed"),
        (400, "ExpiredToken", "token_expired"),
        (403, "RequestTimeTooSkewed", "clock_skew"),
        (403, "AccessDenied", "permission_missing"),
        (404, "NoSuchBucket", "bucket_missing"),
        (301, "PermanentRedirect", "wrong_region"),
    ],
)
def test_refusals_say_what_to_do(reader: Read, store: S3Server, status: int, code: str, stable: str) -> None:
    headers = {"x-amz-bucket-region": "eu-west-3"} if status == 301 else {}
    # The library asks once more by itself where a redirect names a region.
    store.answers.extend([(status, code, headers)] * 3)
    with pytest.raises(InputError) as error:
        list(reader().pull("", nothing_known))
    assert error.value.code == stable and "s3cret-key" not in f"{error.value!r}"
    if status == 301:
        assert "eu-west-3" in error.value.message
    if stable == "permission_missing":
        assert '"s3:ListBucket"' in error.value.message and '"s3:GetObject"' in error.value.message


def test_bucket_that_is_not_there(reader: Read) -> None:
    found = reader(bucket="not-there").check()
    assert not found.ok and "no bucket not-there" in found.message


def test_busy_store_is_asked_again_or_left_alone(
    reader: Read, store: S3Server, put: Callable[..., None]
) -> None:
    put("a.md")
    waited: list[float] = []
    store.answers.append((503, "SlowDown", {"Retry-After": "2"}))
    patient = RemoteCalls(tries=3, sleep=waited.append)
    assert set(reader(calls=patient).list_ids()) == {"a.md"} and waited == [2]
    store.answers.append((503, "SlowDown", {"Retry-After": "3600"}))
    with pytest.raises(SourceWaitError) as error:
        list(reader().list_ids())
    assert (error.value.code, error.value.retry_after_seconds) == ("rate_limited", 3600)


def test_store_that_is_away(reader: Read) -> None:
    with pytest.raises(SourceWaitError) as error:
        list(reader(endpoint="http://127.0.0.1:9").list_ids())
    assert error.value.code == "source_unreachable"


_MESSAGES = {
    "customer_key": "The object was stored using a form of Server Side Encryption. The correct parameters "
    "must be provided to retrieve the object."
}


def test_object_that_cannot_be_read_is_a_failure_of_its_own(
    reader: Read, store: S3Server, put: Callable[..., None]
) -> None:
    put("a.md")
    for status, code, stable in (
        (403, "AccessDenied", "permission_denied"),
        (403, "InvalidObjectState", "archived"),
        (400, "InvalidRequest", "customer_key"),
        (418, "Teapot", "unreadable"),
    ):
        connector = reader()
        store.answers.append((status, code, {"message": _MESSAGES.get(stable, code)}))
        found = connector.fetch("a.md")
        assert isinstance(found, Failure) and found.code == stable, found


def test_right_to_read_that_is_missing_for_all_is_one_error(
    reader: Read, store: S3Server, put: Callable[..., None]
) -> None:
    for number in range(30):
        put(f"{number:02}.md")
    connector = reader()
    changes = connector.pull("", nothing_known)
    connector._bucket.first()
    pages = list(connector._bucket.pages())
    assert len(pages[0]) == 30
    listing = connector._bucket._list
    connector._bucket._list = lambda prefix, after: _then_deny(store, listing(prefix, after))  # type: ignore[method-assign]
    with pytest.raises(InputError) as error:
        list(changes)
    assert error.value.code == "permission_missing" and "s3:GetObject" in error.value.message


def _then_deny(store: S3Server, page: Any) -> Any:
    store.answers.extend([(403, "AccessDenied", {})] * 30)
    return page


def test_check_tells_of_a_missing_right_to_read(
    reader: Read, store: S3Server, put: Callable[..., None]
) -> None:
    put("a.md")
    assert reader().check().ok
    connector = reader()
    listing = connector._bucket._list
    connector._bucket._list = lambda prefix, after: _then_deny(store, listing(prefix, after))  # type: ignore[method-assign]
    found = connector.check()
    assert not found.ok and "s3:GetObject" in found.message
    assert [finding.ok for finding in found.findings] == [True, False]


def test_anybodys_bucket_is_read_without_a_key(
    reader: Read, put: Callable[..., None], store: S3Server, bucket: str
) -> None:
    put("a.md", ACL="public-read")
    connector = reader(access_key_id="", secret_access_key=SecretStr(""), anonymous=True)
    assert set(upserts(connector.pull("", nothing_known))) == {"a.md"}


@pytest.mark.parametrize(
    "bad",
    [
        {"bucket": "s3://docs/x"},
        {"endpoint": "https://key:pa55word@store.example.com"},
        {"endpoint": "store.example.com"},
        {"secret_access_key": ""},
        {"anonymous": True},
        {"access_key_id": "", "secret_access_key": ""},
        {"link": "javascript:alert({key})"},
        {"link": "https://x/{secret}"},
        {"region": "eu west"},
    ],
)
def test_settings_that_cannot_be_used(bad: dict[str, object]) -> None:
    good = {"bucket": "docs", "access_key_id": "a", "secret_access_key": "b"}
    S3Settings.model_validate(good)
    with pytest.raises(ValidationError) as error:
        S3Settings.model_validate(good | bad)
    assert "pa55word" not in error.value.errors()[0]["msg"]
