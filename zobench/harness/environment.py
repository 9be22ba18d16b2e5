"""The environment of runs, on which results depend beyond their settings.

No package is imported to describe it.
"""

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
    """Describe the environment: versions, hardware, system, and the commit of a checkout.

    Args:
        threads: per worker.
        jobs: runs at the same time.
    """
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
    """Return 12 hex digits that name an environment."""
    return hashlib.sha256(json.dumps(environment, sort_keys=True).encode()).hexdigest()[:12]


def cores() -> int:
    """Return how many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def cpu_name(cpuinfo: str) -> str:
    """Return name, family, model and vector units of the first processor of /proc/cpuinfo.

    Machines of a cloud share a name ("AMD EPYC") over generations on which libraries round
    differently, so that long runs differ. "" without a name.
    """
    first = cpuinfo.strip().partition("\n\n")[0]
    facts = {key.strip(): value.strip() for key, _, value in
            (line.partition(":") for line in first.splitlines())}  # fmt: skip
    flags = facts.get("flags", "").split()
    more = [
        f"{key.removeprefix('cpu ')} {facts[key]}"
        for key in ("cpu family", "model")
        if facts.get(key)
    ]
    more += [unit for flag, unit in VECTORS.items() if flag in flags][:1]
    name = facts.get("model name", "")
    return f"{name} ({', '.join(more)})" if name and more else name


def _cpu() -> str:
    try:
        name = cpu_name(Path("/proc/cpuinfo").read_text())
    except OSError:
        name = ""
    return name or platform.processor() or platform.machine()


def _memory() -> int:
    """Return the bytes of physical memory; 0 if unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0


def _gpus() -> list[str]:
    """Return the names of the GPUs: from PyTorch if it uses one, else from the driver."""
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
    """Return the git commit of the checkout that runs, with "+" if files changed; "" without one.

    Changed leaderboards do not count: they are written while runs go on, which never read them.
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
