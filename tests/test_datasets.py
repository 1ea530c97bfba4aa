"""The data registry: verified, resumed, from mirrors and addresses."""

import hashlib
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from lmaps_science import datasets
from lmaps_science.datasets import DATA_SETS, DataFile, DataSet, get_data

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(BaseHTTPRequestHandler):
    """Serves CONTENT; breaks off after `breaks_after` bytes, honours ranges if `ranges`."""

    breaks_after: int | None
    ranges: bool
    requests: list[str | None]

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        Server.requests.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        if "missing" in self.path or start >= len(CONTENT):
            self.send_error(404 if "missing" in self.path else 416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start : self.breaks_after])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Server.breaks_after, Server.ranges, Server.requests = None, True, []
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    address = f"{request.getfixturevalue('url')}/a.bin" if "url" in request.fixturenames else None
    for name, url, sha256 in (("small", address, SHA256), ("wrong", address, "0" * 64)):
        files = (DataFile("folder/a b.bin", sha256, url),)
        monkeypatch.setitem(datasets.DATA_SETS, name, DataSet(name, "", "CC0", "nobody", files))


def test_registry_is_well_formed() -> None:
    for name, data_set in DATA_SETS.items():
        assert name == data_set.name
        for file in data_set.files:
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
            assert file.url is None or re.match(r"https?://", file.url)
    assert not DATA_SETS["m87-2017"].needs_mirror
    assert DATA_SETS["cells"].needs_mirror


def test_mirror_has_what_the_registry_says(mirror: Path, tmp_path: Path) -> None:
    for name in set(DATA_SETS) - {"small", "wrong"}:
        for path in get_data(name, tmp_path / name, mirror):
            assert path.is_file()


def test_download_is_verified_and_not_repeated(url: str, tmp_path: Path) -> None:
    for _ in range(2):
        (path,) = get_data("small", tmp_path)
        assert path.read_bytes() == CONTENT
    assert Server.requests == [None]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ranges", [True, False])
def test_broken_download_goes_on(ranges: bool, url: str, tmp_path: Path) -> None:
    Server.breaks_after, Server.ranges = 4000, ranges
    with pytest.raises(ConnectionError, match="broke after 4000 of 10240 bytes"):
        get_data("small", tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
    Server.breaks_after = None
    (path,) = get_data("small", tmp_path)
    assert path.read_bytes() == CONTENT
    assert Server.requests == [None, "bytes=4000-"]
    assert list(tmp_path.iterdir()) == [path]


def test_complete_part_is_not_fetched_again(url: str, tmp_path: Path) -> None:
    (tmp_path / "a b.bin.part").write_bytes(CONTENT)
    (path,) = get_data("small", tmp_path)
    assert path.read_bytes() == CONTENT


def test_wrong_bytes_are_refused_and_removed(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"not the file a b\.bin of the registry"):
        get_data("wrong", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_web_mirror(url: str, tmp_path: Path) -> None:
    (path,) = get_data("small", tmp_path, f"{url}/mirror/")
    assert path.read_bytes() == CONTENT
    with pytest.raises(ConnectionError, match="the server answers 404"):
        get_data("small", tmp_path / "other", f"{url}/missing")


def test_folder_mirror(tmp_path: Path) -> None:
    source = tmp_path / "mirror" / "folder" / "a b.bin"
    source.parent.mkdir(parents=True)
    source.write_bytes(CONTENT)
    (path,) = get_data("small", tmp_path / "out", tmp_path / "mirror")
    assert path.read_bytes() == CONTENT
    source.write_bytes(b"damaged")
    with pytest.raises(ValueError, match="not the file"):
        get_data("small", tmp_path / "other", tmp_path / "mirror")
    assert list((tmp_path / "other").iterdir()) == []
    source.unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks folder/a b\.bin"):
        get_data("small", tmp_path / "other", tmp_path / "mirror")


def test_what_cannot_be_fetched_is_said() -> None:
    with pytest.raises(ValueError, match="'nothing': expected one of m87-2017, cells"):
        get_data("nothing")
    with pytest.raises(ValueError, match=r"'small' is prepared from nobody .* give --mirror"):
        get_data("small")
