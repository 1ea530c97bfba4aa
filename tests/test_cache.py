import os
import subprocess
import sys
import time

import numpy as np
import pytest

from lmaps_science import cache


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LMAPS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "enabled", True)
    return tmp_path / "cache"


class Compute:
    def __init__(self, size=1000):
        self.calls = 0
        self.size = size

    def __call__(self):
        self.calls += 1
        return {"a": np.arange(self.size, dtype=np.float32), "b": np.eye(3)}


def stored(folder):
    return sorted(folder.glob("*.safetensors"))


def same(found):
    return np.array_equal(found["a"], Compute()()["a"]) and np.array_equal(found["b"], np.eye(3))


def test_computed_once_per_key(folder):
    compute = Compute()
    assert same(cache.arrays("thing", "one", compute))
    assert same(cache.arrays("thing", "one", compute))
    assert compute.calls == 1
    cache.arrays("thing", "two", compute)
    assert compute.calls == 2
    assert len(stored(folder)) == 2
    description = cache.describe()
    assert description.folder == folder
    assert description.num_files == 2
    assert description.num_bytes == sum(path.stat().st_size for path in stored(folder))


@pytest.mark.parametrize("how", ["flag", "environment"])
def test_switched_off(folder, monkeypatch, how):
    if how == "flag":
        monkeypatch.setattr(cache, "enabled", False)
    else:
        monkeypatch.setenv("LMAPS_CACHE", "off")
    compute = Compute()
    for _ in range(2):
        assert same(cache.arrays("thing", "one", compute))
    assert compute.calls == 2
    assert not folder.exists()
    assert cache.describe().folder is None


def test_the_platforms_folder_by_default(monkeypatch):
    monkeypatch.delenv("LMAPS_CACHE")
    assert cache.folder().name == "lmaps-science"


@pytest.mark.parametrize("damage", ["truncated", "bit flipped", "not safetensors"])
def test_a_damaged_file_is_computed_again(folder, damage):
    compute = Compute()
    cache.arrays("thing", "one", compute)
    (path,) = stored(folder)
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        content = content[:-100]
    elif damage == "bit flipped":
        content[-8] ^= 1
    else:
        content = b"hello"
    path.write_bytes(content)
    with pytest.warns(UserWarning, match=r"damaged cache file .* computed again"):
        assert same(cache.arrays("thing", "one", compute))
    assert compute.calls == 2
    assert same(cache.arrays("thing", "one", compute))
    assert compute.calls == 2


def test_the_least_recently_used_goes_first(folder, monkeypatch):
    compute = Compute()
    for age, key in enumerate(("old", "older", "oldest")):
        cache.arrays(key, key, compute)
        os.utime(next(folder.glob(f"{key}-*.safetensors")), (time.time() - 100 * age - 100,) * 2)
    cache.arrays("oldest", "oldest", compute)  # used again: now the newest
    assert compute.calls == 3
    size = stored(folder)[0].stat().st_size
    monkeypatch.setattr(cache, "max_bytes", 3 * size)
    cache.arrays("new", "new", compute)
    names = {path.name.split("-")[0] for path in stored(folder)}
    assert names == {"old", "oldest", "new"}


def test_what_a_killed_writer_left_is_removed(folder):
    folder.mkdir()
    for name, age in ((".left-x.safetensors", 7200), (".writing-x.safetensors", 1)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age,) * 2)
    cache.arrays("thing", "one", Compute())
    assert not (folder / ".left-x.safetensors").exists()
    assert (folder / ".writing-x.safetensors").exists()
    assert cache.describe().num_files == 1


def test_a_folder_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LMAPS_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(UserWarning, match=r"cannot write to the cache folder .* LMAPS_CACHE"):
        assert same(cache.arrays("thing", "one", Compute()))


def test_a_full_disk(folder, monkeypatch):
    import safetensors.numpy

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(safetensors.numpy, "save_file", full)
    with pytest.warns(UserWarning, match="No space left on device.* going on without it"):
        assert same(cache.arrays("thing", "one", Compute()))
    assert not list(folder.glob("*.safetensors"))
    assert not list(folder.glob(".*.safetensors"))


_WORKER = """
import sys, time, pathlib
import numpy as np
from lmaps_science import cache
def compute():
    with open(sys.argv[1], "a") as log:
        log.write("computed\\n")
    time.sleep(0.5)
    return {"a": np.arange(5.0)}
assert cache.arrays("thing", "shared", compute)["a"][4] == 4
"""


def test_two_processes_compute_once(tmp_path):
    log = tmp_path / "log"
    command = [sys.executable, "-c", _WORKER, str(log)]
    workers = [subprocess.Popen(command, env=dict(os.environ)) for _ in range(2)]  # noqa: S603
    assert [worker.wait(60) for worker in workers] == [0, 0]
    assert log.read_text() == "computed\n"
