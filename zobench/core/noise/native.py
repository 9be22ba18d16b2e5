"""Kernels as machine code, which numba makes once and later processes load without numba.

numba with the kernels of its own cache takes 0.3 s of a process, and LLVM alone, which comes with
numba, 0.04 s. A file of machine code is named after all that it depends on: the sources, the
processor, and the versions of Python, numba and LLVM. Where there is none, or a damaged one, numba
makes the kernels of a module and this module stores them.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

Kernel = Callable[[bytes | int], None]  # takes the numbers of a job, or their address

KERNELS = {  # module -> the names of its kernels
    "cpu": ("accumulate", "share"),
    "cpu_copies": ("share",),
    "cpu_halves": ("share",),
    "cpu_rows": ("rows", "pair"),
    "cpu_store": ("round_stochastic",),
    "cpu_tables": ("accumulate_rows",),
}
PARTS = ("compiled", "draw", "elements", "hadamard", "layout", "rounding", "native")  # of kernels
DIGEST = 32  # bytes before the machine code, of its SHA-256

_Function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)  # a call releases the interpreter's lock
_numbers = count()  # of libraries in this process, whose names must differ
_kept: list[Any] = []  # holds the machine code in memory


@cache
def kernel(path: str) -> Kernel:
    """Return a kernel, such as "cpu.share"; the first use of its module loads or makes it."""
    module, _, name = path.partition(".")
    return _kernels(module)[name]


@cache
def _kernels(module: str) -> dict[str, Kernel]:
    """Return the kernels of a module, by name."""
    for path in _places(module):
        with suppress(OSError, RuntimeError):
            content = path.read_bytes()
            digest, code = content[:DIGEST], content[DIGEST:]
            if sha256(code).digest() == digest:
                return _linked(module, code)
    return _made(module)


def _made(module: str) -> dict[str, Kernel]:
    """Let numba make the kernels, and store their machine code in the first place that takes it."""
    compiled = import_module(f"zobench.core.noise.{module}")
    made = {name: getattr(compiled, name) for name in KERNELS[module]}
    try:
        code = _machine_code(made)
        kernels = _linked(module, code)
    except RuntimeError:  # LLVM cannot load it here, or it needs numba
        return {name: _Function(function.address) for name, function in made.items()}
    for path in _places(module):
        part = path.with_suffix(f".{os.getpid()}")  # a reader never sees a part of a file
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(sha256(code).digest() + code)
            part.replace(path)
            break
        except OSError:
            with suppress(OSError):
                part.unlink()
    return kernels


def _machine_code(made: dict[str, Any]) -> bytes:
    """Return the machine code of C functions that numba has compiled, by name.

    Their code to raise errors is not in it. Kernels raise nothing, which LLVM sees once all other
    functions are internal. Raises RuntimeError for code that calls numba or Python.
    """
    import llvmlite.binding as llvm

    target, code = _target(), llvm.parse_assembly("")
    for name, function in made.items():
        part = llvm.parse_assembly(function.inspect_llvm())
        for value in (*part.functions, *part.global_variables):
            if value.name == function.native_name:
                value.name = name
            elif not value.is_declaration:
                value.linkage = "internal"
        code.link_in(part)
    builder = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=1))
    builder.getModulePassManager().run(code, builder)
    others = [function.name for function in code.functions if function.is_declaration]
    if needed := [name for name in others if name.startswith(("Py", "numba_", "NRT_"))]:
        raise RuntimeError(f"machine code of kernels calls {needed}")
    return target.emit_object(code)


def _linked(module: str, code: bytes) -> dict[str, Kernel]:
    """Load machine code. Raises RuntimeError if that cannot be done."""
    import llvmlite.binding as llvm

    builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
    for name in KERNELS[module]:
        builder.export_symbol(name)
    jit = _jit()
    library = builder.link(jit, f"{module}-{next(_numbers)}")
    _kept.append((jit, library))
    return {name: _Function(library[name]) for name in KERNELS[module]}


@cache
def _jit() -> Any:
    """Return LLVM's linker of this process."""
    import llvmlite.binding as llvm

    return llvm.create_lljit_compiler(_target(), suppress_errors=True)


@cache
def _target() -> Any:
    """Return LLVM's description of this processor, or of the one that numba is set to."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    name, features = _processor()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(cpu=name, features=features, opt=3, codemodel="jitdefault")


def _processor() -> tuple[str, str]:
    """Return the name and the features of the processor."""
    import llvmlite.binding as llvm

    name, features = (os.environ.get(option) for option in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"))
    if features is None:
        features = ""
        with suppress(RuntimeError):  # LLVM does not know those of every processor
            features = llvm.get_host_cpu_features().flatten()
    return name or llvm.get_host_cpu_name(), features


@cache
def sources() -> str:
    """Return a hash of all sources of kernels."""
    texts = [Path(__file__).with_name(f"{name}.py").read_bytes() for name in (*KERNELS, *PARTS)]
    return sha256(b"".join(texts)).hexdigest()


def _places(module: str) -> list[Path]:
    """Return the files where machine code of a module may lie, in the order of numba's cache."""
    import llvmlite

    numba = find_spec("numba")
    installed = os.stat(numba.origin) if numba and numba.origin else None
    versions = sys.version, object.__basicsize__, llvmlite.__version__
    numbas = installed and (installed.st_size, installed.st_mtime_ns), os.environ.get("NUMBA_OPT")
    facts = repr((sources(), versions, numbas, _processor()))
    name = f"{module}-{sha256(facts.encode()).hexdigest()[:16]}.code"
    users = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    folders = [Path(__file__).parent / "__pycache__", users / "zobench"]
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        folders.insert(0, Path(chosen))
    return [folder / name for folder in folders]
