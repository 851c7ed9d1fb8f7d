"""`fetch` against a local server that drops connections, serves wrong bytes and goes away."""

from __future__ import annotations

import io
import itertools
import json
import re
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import edfstat
from edfstat import downloads
from edfstat.downloads import DownloadError
from edfstat.errors import FormatError, InputError
from edfstat.paper.results import Results

JOBS = [
    {"job_id": i, "params": 10 + i, "flops": 20, "net": {"ds": [1, i]}, "min_test_top1": 5.0 + i % 7}
    for i in range(3000)
]


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        # An entry made by its name alone carries the time of day, and no two archives would be the same.
        file.writestr(zipfile.ZipInfo("nds_data/ResNet.json"), json.dumps(JOBS))
        file.writestr(zipfile.ZipInfo("nds_data/readme.txt"), "hello")
    return buffer.getvalue()


class Server(ThreadingHTTPServer):
    files: dict[str, bytes]
    drop_after: int | None = None
    ranges: bool = True
    broken: int = 0
    answers: int = 1000
    delay: float = 0.0
    log: list[tuple[str, str | None, int]]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        body = self.server.files.get(self.path)
        self.server.answers -= 1
        asked = self.headers.get("Range")
        if self.server.broken > 0 or self.server.answers < 0:
            self.server.broken -= 1
            self.send_response(503)
            self.end_headers()
            return
        if body is None:
            self.send_response(404)
            self.end_headers()
            return
        start = 0
        tag = f'"{hash(body)}"'
        if asked and self.server.ranges and self.headers.get("If-Range") == tag:
            start = int(re.findall(r"\d+", asked)[0])
        if start >= len(body):
            self.send_response(416)
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.send_header("ETag", tag)
        self.end_headers()
        sent = body[start:]
        if self.server.drop_after is not None:
            sent = sent[: self.server.drop_after]
        self.server.log.append((self.path, asked, len(sent)))
        piece = len(sent) // 20 + 1 if self.server.delay else len(sent)
        for at in range(0, len(sent), piece):
            self.wfile.write(sent[at : at + piece])
            time.sleep(self.server.delay)
        if len(sent) < len(body) - start:
            self.wfile.flush()
            self.connection.close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(downloads, "PAUSE", 0.0)
    running = Server(("127.0.0.1", 0), Handler)
    running.files, running.log = {"/nds/data.zip": archive()}, []
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def address(server: Server, path: str = "/nds/data.zip") -> str:
    return f"http://127.0.0.1:{server.server_address[1]}{path}"


def test_archive_is_fetched_once_and_loads(server: Server, tmp_path: Path) -> None:
    (path,) = edfstat.fetch(directory=tmp_path, url=address(server))
    assert path.read_bytes() == archive()
    population = edfstat.load(path)
    assert population["params"].values.tolist() == [job["params"] for job in JOBS]
    edfstat.fetch(directory=tmp_path, url=address(server))
    assert len(server.log) == 1


def test_a_tilde_is_the_home_folder(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(elsewhere)
    assert edfstat.fetch(directory="~/nds", url=address(server)) == [home / "nds" / "data.zip"]
    assert not list(elsewhere.iterdir())


def test_single_names_come_out_of_the_archive(server: Server, tmp_path: Path) -> None:
    (path,) = edfstat.fetch(["ResNet"], directory=tmp_path, url=address(server))
    assert path == tmp_path / "ResNet.json"
    assert json.loads(path.read_text()) == JOBS
    assert not list(tmp_path.glob("*.part*"))


def test_what_was_fetched_is_read_by_its_folder_and_by_names(server: Server, tmp_path: Path) -> None:
    edfstat.fetch(directory=tmp_path, url=address(server))
    params = [job["params"] for job in JOBS]
    assert edfstat.load(tmp_path)["params"].values.tolist() == params
    assert edfstat.load(tmp_path / "ResNet.json")["params"].values.tolist() == params
    assert Results(tmp_path).missing(("ResNet", "Vanilla")) == ["Vanilla"]
    assert Results(tmp_path).jobs("ResNet").error.size == len(JOBS)
    with pytest.raises(FileNotFoundError, match=r"no file \S+/Vanilla\.json"):
        edfstat.load(tmp_path / "Vanilla.json")
    edfstat.fetch("ResNet", directory=tmp_path, url=address(server))  # now it is there twice, and read once
    assert edfstat.load(tmp_path)["params"].values.tolist() == params
    (tmp_path / "data.zip").unlink()
    assert edfstat.load(tmp_path)["params"].values.tolist() == params
    (tmp_path / "ResNet.json").unlink()
    with pytest.raises(FormatError, match="holds no results file"):
        edfstat.load(tmp_path)


def test_mirror_folder_with_single_files(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files = {"/m/Vanilla.json": b"[]", "/m/data.zip": archive()}
    monkeypatch.setenv("EDFSTAT_MIRROR", address(server, "/m/"))
    paths = edfstat.fetch(["Vanilla", "ResNet"], directory=tmp_path)
    assert [p.name for p in paths] == ["Vanilla.json", "ResNet.json"]
    assert paths[0].read_bytes() == b"[]"


def test_dropped_connections_are_taken_up_where_they_broke(server: Server, tmp_path: Path) -> None:
    server.drop_after = len(archive()) // 3 + 1
    (path,) = edfstat.fetch(directory=tmp_path, url=address(server))
    assert path.read_bytes() == archive()
    starts = [asked for _, asked, _ in server.log]
    assert starts == [None, f"bytes={server.drop_after}-", f"bytes={2 * server.drop_after}-"]
    assert sum(sent for *_, sent in server.log) == len(archive())


def test_a_later_call_resumes_what_an_earlier_one_left(server: Server, tmp_path: Path) -> None:
    server.drop_after, server.answers = 1000, 1
    with pytest.raises(DownloadError, match="answers 503, and 5 attempts in a row brought nothing new"):
        edfstat.fetch(directory=tmp_path, url=address(server))
    server.drop_after, server.answers = None, 1000
    (path,) = edfstat.fetch(directory=tmp_path, url=address(server))
    assert path.read_bytes() == archive()
    assert server.log[-1][1:] == ("bytes=1000-", len(archive()) - 1000)


def test_a_connection_that_breaks_often_but_goes_on_is_not_given_up(server: Server, tmp_path: Path) -> None:
    server.drop_after = len(archive()) // 20 + 1
    seen: list[tuple[str, int, int | None]] = []
    (path,) = edfstat.fetch(directory=tmp_path, url=address(server), progress=lambda *at: seen.append(at))
    assert path.read_bytes() == archive()
    assert len(server.log) == 20
    assert seen[-1] == ("data.zip", len(archive()), len(archive()))
    assert all(before[1] < after[1] for before, after in itertools.pairwise(seen))


@pytest.mark.parametrize("kept", [False, True])
def test_a_part_that_is_the_whole_starts_anew_where_the_server_refuses_to_go_on(
    server: Server, tmp_path: Path, kept: bool
) -> None:
    tag = f'"{hash(archive())}"'
    (tmp_path / "data.zip.part").write_bytes(archive() if kept else b"")
    (tmp_path / "data.zip.part.version").write_text(tag)
    (path,) = edfstat.fetch(directory=tmp_path, url=address(server))
    assert path.read_bytes() == archive()
    assert not list(tmp_path.glob("*.part*"))


def test_two_processes_that_fetch_to_one_folder_get_the_archive_once(server: Server, tmp_path: Path) -> None:
    pytest.importorskip("fcntl", reason="Windows has no such locks")
    server.delay = 0.05
    code = "import sys, edfstat; print(edfstat.fetch(directory=sys.argv[1], url=sys.argv[2])[0])"
    command = [sys.executable, "-c", code, str(tmp_path), address(server)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in both] == [str(tmp_path / "data.zip")] * 2
    assert [process.returncode for process in both] == [0, 0]
    assert (tmp_path / "data.zip").read_bytes() == archive()
    assert len(server.log) == 1


def test_two_processes_that_fetch_different_files_record_both(server: Server, tmp_path: Path) -> None:
    server.files = {f"/m/{name}.json": b"[]" for name in ("Vanilla", "ResNet")}
    server.delay = 0.2
    code = "import sys, edfstat; edfstat.fetch(sys.argv[3], directory=sys.argv[1], url=sys.argv[2])"
    command = [sys.executable, "-c", code, str(tmp_path), address(server, "/m")]
    both = [subprocess.Popen([*command, name]) for name in ("Vanilla", "ResNet")]
    assert [process.wait() for process in both] == [0, 0]
    assert set(json.loads((tmp_path / "checksums.json").read_text())) == {"Vanilla.json", "ResNet.json"}


def test_addresses_may_be_signed(server: Server, tmp_path: Path) -> None:
    server.files = {"/nds/data.zip?sig=abc": archive()}
    for folder, signed in (("a", "/nds/data.zip?sig=abc"), ("b", "/nds/?sig=abc")):
        (path,) = edfstat.fetch(directory=tmp_path / folder, url=address(server, signed))
        assert path.read_bytes() == archive()


def test_a_file_that_changed_meanwhile_starts_anew(server: Server, tmp_path: Path) -> None:
    server.drop_after, server.answers = 1000, 1
    with pytest.raises(DownloadError):
        edfstat.fetch(directory=tmp_path, url=address(server))
    server.drop_after, server.answers = None, 1000
    server.files["/nds/data.zip"] = changed = archive() + b" "
    (path,) = edfstat.fetch(directory=tmp_path, url=address(server))
    assert path.read_bytes() == changed


def test_a_server_without_ranges_starts_anew(server: Server, tmp_path: Path) -> None:
    server.ranges, server.broken = False, 2
    (path,) = edfstat.fetch(directory=tmp_path, url=address(server))
    assert path.read_bytes() == archive()


def test_wrong_bytes_are_refused(server: Server, tmp_path: Path) -> None:
    (path,) = edfstat.fetch(directory=tmp_path, url=address(server))
    path.unlink()
    server.files["/nds/data.zip"] = b"PK other bytes"
    with pytest.raises(DownloadError, match="other bytes than the first time"):
        edfstat.fetch(directory=tmp_path, url=address(server))
    assert not path.exists()


def test_damage_on_disk_is_repaired(server: Server, tmp_path: Path) -> None:
    (path,) = edfstat.fetch(directory=tmp_path, url=address(server))
    path.write_bytes(b"damaged")
    edfstat.fetch(directory=tmp_path, url=address(server))
    assert path.read_bytes() == archive()


def test_a_page_in_place_of_the_archive_is_refused(server: Server, tmp_path: Path) -> None:
    server.files["/nds/data.zip"] = b"<html>not here</html>"
    with pytest.raises(DownloadError, match=r"no zip file; check the address http\S+$"):
        edfstat.fetch(directory=tmp_path, url=address(server))
    assert not (tmp_path / "data.zip").exists()
    assert not (tmp_path / "checksums.json").exists()
    (tmp_path / "data.zip").write_text("no zip, put there by hand")
    with pytest.raises(DownloadError, match=r"no zip file; get it again, or delete \S+/data\.zip$"):
        edfstat.fetch(directory=tmp_path, url=address(server))


def test_offline(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = edfstat.fetch(directory=tmp_path, url=address(server))
    closed = "http://127.0.0.1:9/data.zip"
    assert edfstat.fetch(directory=tmp_path, url=closed) == [path]  # what is there needs no network
    with pytest.raises(DownloadError, match=r"cannot be reached.*EDFSTAT_MIRROR"):
        edfstat.fetch(directory=tmp_path / "new", url=closed)


def test_bad_arguments(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none of the published files"):
        edfstat.fetch("ResNet-1001")
    with pytest.raises(InputError, match="no web address"):
        edfstat.fetch("ResNet", directory=tmp_path, url="file:///etc")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        edfstat.fetch("ResNet", directory=tmp_path / "file")
