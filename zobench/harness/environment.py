"""Environment: what a result depends on beyond its settings, found without importing packages."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import zobench
from zobench.harness.packages import versions

VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2"}  # flag -> name, the widest first


def environment(threads: int = 1, jobs: int = 1) -> dict[str, Any]:
    """Versions, processor, memory, threads a worker, system, GPUs and the commit of a checkout."""
    return {
        "zobench": zobench.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": versions(),
        "os": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpu": _cpu(),
        "cores": cores(),
        "memory": _memory(),
        "gpus": _gpus(),
        "threads": threads,
        "jobs": jobs,
    }


def fingerprint(environment: dict[str, Any]) -> str:
    """12 hex digits that name an environment."""
    return hashlib.sha256(json.dumps(environment, sort_keys=True).encode()).hexdigest()[:12]


def cores() -> int:
    """Processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def cpu_name(cpuinfo: str) -> str:
    """What /proc/cpuinfo says of the first processor: name, family, model and vector units.

    Machines of a cloud share a name ("AMD EPYC") over generations whose libraries round in other
    places, so that long runs differ; "" where there is no name.
    """
    first = cpuinfo.strip().partition("\n\n")[0]
    said = {key.strip(): value.strip() for key, _, value in
            (line.partition(":") for line in first.splitlines())}  # fmt: skip
    flags = said.get("flags", "").split()
    more = [
        f"{key.removeprefix('cpu ')} {said[key]}"
        for key in ("cpu family", "model")
        if said.get(key)
    ]
    more += [unit for flag, unit in VECTORS.items() if flag in flags][:1]
    name = said.get("model name", "")
    return f"{name} ({', '.join(more)})" if name and more else name


def _cpu() -> str:
    try:
        name = cpu_name(Path("/proc/cpuinfo").read_text())
    except OSError:
        name = ""
    return name or platform.processor() or platform.machine()


def _memory() -> int:
    """Bytes of physical memory, 0 where unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0


def _gpus() -> list[str]:
    """Names of the GPUs: from PyTorch if it is in use, else from the driver, never waking one."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    names = []
    for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        for line in file.read_text().splitlines():
            if line.startswith("Model:"):
                names.append(line.partition(":")[2].strip())
    return names


def _commit() -> str:
    """The git commit of the checkout that zobench runs from, "" otherwise; "+" if files changed.

    Leaderboards do not count: a suite's are written while others still run, and no run reads them.
    """
    root = Path(zobench.__file__).parent.parent
    if not (root / ".git").exists() or shutil.which("git") is None:
        return ""

    def git(*words: str) -> str:
        command = ["git", "--no-optional-locks", "-C", str(root), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip()

    try:
        head = git("rev-parse", "--verify", "--quiet", "HEAD")
        changed = head and git("status", "--porcelain", "--", ".", ":(exclude)leaderboards")
        return head + "+" if changed else head
    except (OSError, subprocess.TimeoutExpired):
        return ""
