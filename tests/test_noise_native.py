"""Machine code of kernels: numba makes it once, and where it holds it loads without numba."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numba
import numpy as np
import pytest
from numba import types

from zobench.core.noise import interface as noise
from zobench.core.noise import jobs, layout, native, reference

MODULE = "cpu_store"  # its kernel is made in the least time
PACKAGE = "zobench.core.noise"
ROOT = str(Path(noise.__file__).parents[3])


@pytest.fixture
def file(tmp_path, monkeypatch):
    """The only place of machine code; nothing is there yet."""
    place = tmp_path / "new" / "kernels.code"
    monkeypatch.setattr(native, "_places", lambda module: [place])
    return place


@pytest.fixture
def made(monkeypatch):
    """The names of the modules whose kernels numba has made."""
    calls, make = [], native._made
    monkeypatch.setattr(native, "_made", lambda module: calls.append(module) or make(module))
    return calls


def rounded() -> None:
    """Look for the kernels anew, and compare what they do with NumPy."""
    values = np.linspace(-1, 1, 1000, dtype=np.float32)
    uniforms = reference.values("uniform", 3, 0, 0, 0, 1000)
    out = np.zeros(1000, np.uint16)
    job = jobs.round_stochastic(layout.BFLOAT16, id(out), 1000, id(values), id(uniforms))
    native._kernels.__wrapped__(MODULE)["round_stochastic"](job)
    bits = values.view(np.uint32)
    up = uniforms * 2.0**24 < (bits << np.uint32(8) & np.uint32(0xFFFFFF))
    assert 0 < up.sum() < 1000
    assert np.array_equal(out, (bits >> np.uint32(16)) + up)


def test_kernels_are_made_once(file, made):
    rounded()
    assert made == [MODULE]
    assert os.listdir(file.parent) == [file.name]
    rounded()
    assert made == [MODULE]


def spoiled(content: bytes) -> dict[str, bytes]:
    middle = len(content) // 2
    no_code = b"no machine code"
    return {
        "empty": b"",
        "half": content[:middle],
        "one bit": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "longer": content + b"\0",
        "no code": native.sha256(no_code).digest() + no_code,
    }


@pytest.mark.parametrize("fault", spoiled(b"01"))
def test_a_damaged_file_is_made_again(file, made, fault):
    rounded()
    sound = file.read_bytes()
    file.write_bytes(spoiled(sound)[fault])
    rounded()
    assert made == [MODULE] * 2
    assert file.read_bytes() == sound
    rounded()
    assert made == [MODULE] * 2


def test_kernels_are_made_where_none_can_be_stored(tmp_path, monkeypatch, made):
    """A file stands where the folder would go."""
    (tmp_path / "folder").touch()
    monkeypatch.setattr(native, "_places", lambda module: [tmp_path / "folder" / "kernels.code"])
    rounded()
    rounded()
    assert made == [MODULE] * 2
    monkeypatch.setattr(
        native,
        "_places",
        lambda module: [tmp_path / f / "kernels.code" for f in ("folder", "other")],
    )
    rounded()
    rounded()
    assert made == [MODULE] * 3
    assert os.listdir(tmp_path / "other") == ["kernels.code"]


def test_a_write_that_fails_leaves_nothing(file, monkeypatch):
    def full(path, content):
        with path.open("wb") as part:
            part.write(content[:100])
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    rounded()
    assert os.listdir(file.parent) == []


def test_code_that_llvm_cannot_load_here_is_numbas(file, made, monkeypatch):
    def linked(module, code):
        raise RuntimeError("no such relocation")

    monkeypatch.setattr(native, "_linked", linked)
    rounded()
    assert made == [MODULE]
    assert not file.exists()


def test_code_that_needs_numba_is_not_stored():
    def sums(job: int) -> None:
        numbers = np.ones(job)  # from numba's memory
        if numbers.sum() < 0:
            raise ValueError

    kernel = numba.cfunc(types.void(types.int64))(sums)
    with pytest.raises(RuntimeError, match="NRT_"):
        native._machine_code({"sums": kernel})


def python(code: str, *arguments: object, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": ROOT} | environment,
    )


def test_two_processes_can_store_at_once(tmp_path, file, made):
    """Both begin with the same file missing, and make it."""
    code = """
        import sys
        from pathlib import Path
        from zobench.core.noise import native
        native._places = lambda module: [Path(sys.argv[1])]
        native.kernel("cpu_store.round_stochastic")
        print("numba" in sys.modules)
    """
    both = [python(code, file) for _ in range(2)]
    assert [process.communicate(timeout=300)[0] for process in both] == ["True\n"] * 2
    assert os.listdir(file.parent) == [file.name]
    rounded()
    assert not made
    assert python(code, file).communicate(timeout=60)[0] == "False\n"


@pytest.mark.parametrize(
    "change",
    [
        lambda patch: patch.setenv("NUMBA_CPU_NAME", "generic"),
        lambda patch: patch.setenv("NUMBA_CPU_FEATURES", "-fma"),
        lambda patch: patch.setattr(native, "sources", lambda: "others"),
        lambda patch: patch.setattr("llvmlite.__version__", "0"),
        lambda patch: patch.setattr(sys, "version", "3"),
    ],
)
def test_each_fact_that_code_depends_on_is_in_its_name(monkeypatch, change):
    before = {path.name for path in native._places(MODULE)}
    change(monkeypatch)
    assert len(before) == 1
    assert not before & {path.name for path in native._places(MODULE)}


def test_all_sources_are_in_the_name():
    folder = Path(noise.__file__).parent
    reached, left = set(), [*native.KERNELS, "native"]
    while left:
        name = left.pop()
        reached.add(name)
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text())):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith(PACKAGE):
                parts = str(node.module).split(".")[3:] or [alias.name for alias in node.names]
                left += [part for part in parts if part not in reached]
    assert reached == {*native.KERNELS, *native.PARTS}


@pytest.mark.slow
def test_a_plain_processor_gives_the_same_bits(tmp_path):
    """Without fused multiply and add, and with vectors of four numbers."""
    code = """
        import hashlib
        from zobench.core.noise import interface as noise
        for law in noise.LAWS:
            values = noise.values(law, 20240607, 3, noise.DIRECTION, 777, 777 + 200000)
            print(hashlib.sha256(values.tobytes()).hexdigest())
    """
    plain = {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    one, other = python(code), python(code, **plain)
    want = one.communicate(timeout=300)[0]
    assert len(want.split()) == len(noise.LAWS)
    assert other.communicate(timeout=300)[0] == want
    assert len(list(tmp_path.iterdir())) == 1
    assert python(code, **plain).communicate(timeout=60)[0] == want
