"""`zobench bench noise`: a pass of fused noise, beside one of torch and beside the bandwidth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter

from zobench.bench.timing import Sample, TimedCase, interleave
from zobench.core.noise import interface as noise
from zobench.errors import BadInput

TORCH, ADD = "torch.normal and add", "read and write"
LAWS = ("gaussian", "rademacher")


@dataclass(frozen=True)
class Pass:
    """Seconds of a pass over the tensor, and the bytes that it must read and write."""

    seconds: Sample
    moved: float


def measure(
    size: int, dtype: str, device: str, repeats: int, stochastic: bool
) -> Iterator[tuple[str, dict[str, Pass]]]:
    """Yield (progress, passes so far): x += a z(seed) for a tensor of `size` elements.

    It measures one large tensor, and the same elements as 1,000 small ones in one call. Raises
    BadInput for a size, type or device that does not exist.
    """
    if size < 1000 or repeats < 1:
        raise BadInput("size is a number of at least 1000, and repeats of at least 1")
    import torch

    from zobench.objectives.llm.models import as_device, as_dtype

    on, kind = as_device(device), as_dtype(dtype)
    if not noise.serves(on.type):
        raise BadInput(
            f"no noise kernel for {on.type}: install triton (pip install 'zobench[gpu]')"
        )
    x = torch.zeros(size, dtype=kind, device=on)
    parts = list(x[: size // 1000 * 1000].view(1000, -1))
    threads = torch.get_num_threads()
    seeds = iter(range(1 << 62))

    def torch_pass() -> None:
        x.add_(torch.normal(0.0, 1.0, (size,), dtype=kind, device=on), alpha=1e-3)

    def fused(law: str) -> Callable[[], None]:
        def work() -> None:
            seed = next(seeds)
            rounding = seed if stochastic else None
            terms = [(1e-3, seed)]
            noise.accumulate(x, terms, law, 0, threads=threads, stochastic_seed=rounding)

        return work

    def small(law: str) -> Callable[[], None]:
        def work() -> None:
            seed = next(seeds)
            rounding = seed if stochastic else None
            noise.accumulate_blocks(
                parts, range(1000), [(1e-3, seed)], law, threads=threads, stochastic_seed=rounding
            )

        return work

    works: dict[str, Callable[[], object]] = {ADD: lambda: x.add_(1e-3), TORCH: torch_pass}
    works |= {law: fused(law) for law in LAWS}
    works |= {f"{law}, 1000 tensors": small(law) for law in LAWS}
    sync = torch.cuda.synchronize if on.type == "cuda" else _nothing

    def case(work: Callable[[], object]) -> TimedCase:
        def sample() -> float:
            sync()
            began = perf_counter()
            for _ in range(3):
                work()
            sync()
            return (perf_counter() - began) / 3

        return sample

    moved = 2.0 * x.nbytes
    with torch.inference_mode():
        for done, samples in interleave({n: case(w) for n, w in works.items()}, repeats):
            yield f"round {done} of {repeats}", {n: Pass(s, moved) for n, s in samples.items()}


def _nothing() -> None:
    pass
