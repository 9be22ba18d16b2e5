"""Machine code of the Triton kernels for GPUs that are not here: what a launch would compile."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from zobench.core.noise import interface as noise

pytest.importorskip("triton")

PLACES = str(Path(noise.__file__).parents[3]), str(Path(__file__).parent)  # of what is imported

# Instructions per element of a tile without masks, one term, at most. An H200 has time for 43 per
# element of bfloat16 and 85 of float32 at 70 % of the bandwidth of a copy (see `cuda`).
MOST = {
    "gaussian": {"bfloat16": 38.0, "float32": 39.0},
    "hadamard": {"bfloat16": 21.0, "float32": 19.0},
    "copies": {"bfloat16": 43.0, "float32": 38.0},  # a move and both copies, of hadamard
}


@pytest.mark.slow
@pytest.mark.parametrize("capability", [80, 90, 100])
def test_kernels_have_no_spills_wide_loads_and_few_instructions(capability, tmp_path):
    """A thread's elements: its lanes, times the rows of a chunk that its counters give."""
    code = f"""
        import re, subprocess
        from pathlib import Path
        import torch, triton
        from triton_tools import compiling
        from zobench.core.noise import cuda

        made = compiling({capability})
        tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
        place = Path({str(tmp_path)!r}) / "kernel.cubin"
        most = {MOST!r}
        for law in ("gaussian", "hadamard", "rademacher", "copies"):
            for dtype in ("bfloat16", "float32"):
                kind = getattr(torch, dtype)
                x = torch.zeros(90000, dtype=kind)
                if law == "copies":
                    terms = [(0.5, 1), (0.1, 2), (-0.1, 2)]
                    cuda.copies(x, x.clone(), x.clone(), terms, "hadamard", 1, 0, 0)
                else:
                    cuda.accumulate(x, [(0.5, 1)], law, 1, 0, 0, None)
                kernel = made.pop()
                assert "convert_layout" not in kernel.asm["ttgir"], (law, dtype)
                assert kernel.metadata.shared == 0, (law, dtype)
                place.write_bytes(kernel.asm["cubin"])
                text = subprocess.run(
                    [tool, "-sass", place], capture_output=True, text=True, check=True
                ).stdout
                operation = r"^\\s+/\\*[0-9a-f]{{4,}}\\*/\\s+(?:@!?U?P\\w+ )?\\s*([A-Z0-9_.]+)"
                names = re.findall(operation, text, re.M)
                assert not [n for n in names if n.startswith(("LDL", "STL"))], (law, dtype)
                whole = names[: names.index("EXIT") + 1]  # a tile without masks comes first
                if law == "rademacher":  # a loop over bits: not counted here
                    continue
                narrow = dtype == "bfloat16" and law != "gaussian"
                width, rows = 8 if narrow else 16, 4 if law == "gaussian" else 16  # bytes
                wide = [n for n in whole if n.startswith(f"LDG.E.{{8 * width}}")]
                assert len(wide) == rows, (law, dtype, wide)
                count = len(whole) / (width // kind.itemsize * rows)
                assert count <= most[law][dtype], (law, dtype, count)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=600,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(PLACES),
            "TRITON_CACHE_DIR": str(tmp_path / "cache"),
            "TRITON_INTERPRET": "0",
        },
    )
    assert done.returncode == 0, done.stderr
