"""The engine's process: shared, started and ended by itself, and safe to kill."""

import contextlib
import json
import multiprocessing
import os
import random
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from app.core.config import PROJECT_DIR
from app.core.errors import ConfigurationError, UnavailableError
from retrieval.index import wire
from retrieval.index.client import EngineClient
from retrieval.index.edge import EdgeIndex
from tests.fakes.embedder import HashEmbedder
from tests.fakes.engines import engines_of, kill_engine, stop_engine, wait_for_no_engine
from tests.fakes.points import make_point, make_query

pytestmark = pytest.mark.engine

OpenEdge = Callable[..., EdgeIndex]

HOLIDAY = make_point("holiday", "Everyone has 28 days of holiday each year")


def test_starts_on_first_use_and_is_private(open_edge: OpenEdge, tmp_path: Path) -> None:
    index = open_edge()
    assert engines_of(tmp_path) == []
    index.upsert([HOLIDAY])
    assert len(engines_of(tmp_path)) == 1
    assert stat.S_IMODE(wire.socket_path(wire.index_folder(tmp_path)).stat().st_mode) == 0o600
    assert stat.S_IMODE(wire.index_folder(tmp_path).stat().st_mode) == 0o700


def test_nothing_acknowledged_is_lost_when_it_is_killed_while_writing(
    open_edge: OpenEdge, tmp_path: Path
) -> None:
    index = open_edge()
    written: list[str] = []
    killed: list[int] = []
    done = threading.Event()

    def kill_after_each_few_writes() -> None:
        seen = 0
        while not done.wait(0.001):
            if len(written) >= seen + 100:
                seen = len(written)
                time.sleep(random.uniform(0, 0.01))
                killed.extend(engines_of(tmp_path))
                kill_engine(tmp_path)

    killer = threading.Thread(target=kill_after_each_few_writes)
    killer.start()
    try:
        for i in range(50):
            batch = [make_point(f"n{i}-{j}", f"number {i} {j}", document_id=f"d{i}") for j in range(20)]
            index.upsert(batch)
            written += [point.id for point in batch]
    finally:
        done.set()
        killer.join()
    assert len(killed) > 2
    kill_engine(tmp_path)
    fresh = open_edge()
    assert fresh.present(written) == set(written)
    assert fresh.stats().points == len(written)
    assert fresh.search(make_query("number 49 7", "everyone", limit=1))[0].title == "n49-7"


def test_a_killed_engine_is_replaced_without_the_caller_noticing(open_edge: OpenEdge, tmp_path: Path) -> None:
    index = open_edge()
    index.upsert([HOLIDAY])
    (before,) = engines_of(tmp_path)
    kill_engine(tmp_path)
    assert wait_for_no_engine(tmp_path)
    assert [hit.title for hit in index.search(make_query("holiday", "everyone"))] == ["holiday"]
    (after,) = engines_of(tmp_path)
    assert before != after


def _write_from_another_process(folder: str, number: int) -> None:
    index = EdgeIndex(Path(folder), embedder=HashEmbedder.name, dimensions=HashEmbedder.dimensions)
    index.upsert([make_point(f"p{number}", f"written by process {number}")])
    index.close()


def test_racing_processes_end_with_one_engine_and_share_it(open_edge: OpenEdge, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=_write_from_another_process, args=(str(tmp_path), number))
        for number in range(3)
    ]
    for writer in writers:
        writer.start()
    index = open_edge()
    index.upsert([HOLIDAY])
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert len(engines_of(tmp_path)) == 1
    assert index.stats().points == 4
    log = (wire.index_folder(tmp_path) / "engine.log").read_text()
    assert log.count(": ready") == 1


def test_many_threads_share_one_index(open_edge: OpenEdge, tmp_path: Path) -> None:
    index = open_edge()

    def work(number: int) -> list[str]:
        index.upsert([make_point(f"t{number}", f"thread {number} wrote zebra{number}")])
        return [hit.title for hit in index.search(make_query(f"zebra{number}", "everyone", limit=1))]

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(work, range(48))) == [[f"t{number}"] for number in range(48)]
    assert len(engines_of(tmp_path)) == 1


def test_ends_by_itself_once_nobody_is_connected(open_edge: OpenEdge, tmp_path: Path) -> None:
    index = open_edge(idle_seconds=0.5)
    index.upsert([HOLIDAY])
    time.sleep(1.2)
    assert len(engines_of(tmp_path)) == 1, "a connected client keeps it"
    index.close()
    assert wait_for_no_engine(tmp_path, 5)
    assert not wire.socket_path(wire.index_folder(tmp_path)).exists()
    assert index.present([HOLIDAY.id]) == {HOLIDAY.id}


def test_a_client_that_comes_while_it_ends_gets_the_next_one(open_edge: OpenEdge, tmp_path: Path) -> None:
    for attempt in range(8):
        index = open_edge(idle_seconds=0.0)
        index.upsert([make_point(f"n{attempt}", "text")])
        index.close()
        time.sleep(0.06 * attempt)
        assert index.stats().points == attempt + 1


def test_a_stale_socket_and_a_half_made_store_are_no_obstacle(open_edge: OpenEdge, tmp_path: Path) -> None:
    folder = wire.index_folder(tmp_path)
    (folder / "shard.new" / "segments").mkdir(parents=True)
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(wire.socket_path(wire.index_folder(tmp_path))))
    stale.close()
    index = open_edge()
    index.upsert([HOLIDAY])
    assert index.stats().points == 1
    index.close()
    stop_engine(tmp_path)
    (folder / "shard" / "temp_segments" / "left-over").mkdir(parents=True)
    assert index.stats().points == 1
    assert not (folder / "shard" / "temp_segments" / "left-over").exists()


def test_an_engine_whose_folder_was_removed_makes_way(open_edge: OpenEdge, tmp_path: Path) -> None:
    index = open_edge()
    index.upsert([HOLIDAY])
    (old,) = engines_of(tmp_path)
    shutil.rmtree(wire.index_folder(tmp_path))
    fresh = open_edge()
    fresh.upsert([make_point("new", "a new beginning")])
    deadline = time.monotonic() + 10
    while old in engines_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(engines_of(tmp_path)) == 1 and old not in engines_of(tmp_path)
    assert fresh.stats().points == index.stats().points == 1


def test_an_engine_whose_socket_was_removed_makes_way_and_loses_nothing(
    open_edge: OpenEdge, tmp_path: Path
) -> None:
    index = open_edge()
    index.upsert([HOLIDAY])
    wire.socket_path(wire.index_folder(tmp_path)).unlink()
    assert open_edge().present([HOLIDAY.id]) == {HOLIDAY.id}
    index.upsert([make_point("more", "text")])
    assert index.stats().points == 2
    assert len(engines_of(tmp_path)) == 1


def test_removed_chunks_give_their_room_back(open_edge: OpenEdge) -> None:
    index = open_edge()
    for part in range(3):
        index.upsert(
            [make_point(f"n{part}-{i}", f"text {i}", document_id=f"d{part}-{i % 10}") for i in range(700)]
        )
    index.delete_documents("acme", [f"d{part}-{i}" for part in range(2) for i in range(10)])
    index.flush()
    before = index.stats()
    index.vacuum()
    after = index.stats()
    assert after.points == before.points == 700
    assert before.disk_bytes is not None and after.disk_bytes is not None
    assert after.disk_bytes < before.disk_bytes
    index.upsert([HOLIDAY, replace(HOLIDAY, title="changed")])
    index.set_access("acme", {"d2-0": frozenset()})
    assert len(index.search(make_query("text 0", "everyone", limit=1000))) == 631
    assert index.search(make_query("holiday", "everyone"))[0].title == "changed"


def test_a_long_data_folder_uses_a_short_private_address(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 30) / "data"
    address = wire.socket_path(wire.index_folder(folder))
    assert len(os.fsencode(address)) <= 100
    assert stat.S_IMODE(address.parent.stat().st_mode) == 0o700
    index = EdgeIndex(folder, embedder=HashEmbedder.name, dimensions=HashEmbedder.dimensions)
    try:
        index.upsert([HOLIDAY])
        assert address.exists()
        assert index.present([HOLIDAY.id]) == {HOLIDAY.id}
    finally:
        index.close()
        stop_engine(folder)
        address.unlink(missing_ok=True)


def test_vectors_of_two_encoders_never_meet(open_edge: OpenEdge, tmp_path: Path) -> None:
    index = open_edge()
    index.upsert([HOLIDAY])
    with pytest.raises(ConfigurationError, match="another-encoder") as running:
        open_edge(embedder="another-encoder").stats()
    assert running.value.code == "other_vectors"
    index.close()
    stop_engine(tmp_path)
    with pytest.raises(ConfigurationError, match="another-encoder") as starting:
        open_edge(embedder="another-encoder").stats()
    assert starting.value.code == "other_vectors"
    assert open_edge().stats().points == 1


def test_an_engine_that_cannot_start_says_why(open_edge: OpenEdge, tmp_path: Path) -> None:
    shard = wire.index_folder(tmp_path) / "shard"
    shard.mkdir(parents=True)
    (shard / "edge_config.json").write_text("{")
    with pytest.raises(UnavailableError, match=r"engine\.log") as caught:
        open_edge().stats()
    assert caught.value.code == "index_unavailable"
    assert "cannot start" in (wire.index_folder(tmp_path) / "engine.log").read_text()


def test_a_vector_of_the_wrong_length_is_refused_before_it_is_sent(open_edge: OpenEdge) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        open_edge().upsert([replace(HOLIDAY, vector=HOLIDAY.vector[:100])])


def test_what_the_engine_refuses_is_an_error_and_the_engine_stays(
    open_edge: OpenEdge, tmp_path: Path
) -> None:
    index = open_edge()
    index.upsert([HOLIDAY])
    before = engines_of(tmp_path)
    with pytest.raises(UnavailableError, match="refused"):
        index.present(["not a uuid"])
    client = EngineClient(tmp_path, embedder=HashEmbedder.name, dimensions=384)
    for operation in ("close", "__init__", "unknown"):
        with pytest.raises(UnavailableError, match="unknown operation"):
            client.call(operation)
    client.close()
    assert index.stats().points == 1
    assert engines_of(tmp_path) == before


def test_garbage_on_the_socket_ends_that_connection_only(open_edge: OpenEdge, tmp_path: Path) -> None:
    index = open_edge()
    index.upsert([HOLIDAY])
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\xff\xff\xff\xff", b"\x00\x00\x00\x02\xc1\xc1"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(wire.socket_path(wire.index_folder(tmp_path))))
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(100) == b""
    assert index.stats().points == 1


def test_an_engine_of_another_version_is_replaced(
    open_edge: OpenEdge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_edge().upsert([HOLIDAY])
    (old,) = engines_of(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(wire, "PROTOCOL_VERSION", wire.PROTOCOL_VERSION + 1)
        client = EngineClient(tmp_path, embedder=HashEmbedder.name, dimensions=384, start_seconds=3)
        with pytest.raises(UnavailableError):
            client.call("stats")
    assert old not in engines_of(tmp_path)
    assert open_edge().stats().points == 1


def test_the_engine_loads_no_model_library() -> None:
    program = (
        "import sys, json, retrieval.index.engine; heavy = {'torch', 'transformers', 'litellm'}; "
        "print(json.dumps(sorted(heavy & set(sys.modules))))"
    )
    shown = subprocess.run([sys.executable, "-c", program], cwd=PROJECT_DIR, capture_output=True, check=True)
    assert json.loads(shown.stdout) == []
