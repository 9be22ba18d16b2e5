"""`zobench bench noise`: a pass of fused noise, beside one of torch and beside the bandwidth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter

from zobench.bench.timing import Sample, TimedCase, interleave
from zobench.core.noise import interface as noise
from zobench.core.noise.copies import perturbed_pair
from zobench.errors import BadInput

TORCH, ADD = "torch.normal and add", "read and write"
SLICE = 1 << 21  # bytes of a copy: a slice of the weights, which stays in the caches


@dataclass(frozen=True)
class Pass:
    """Seconds of a pass over the tensor, and the bytes that it must read and write."""

    seconds: Sample
    moved: float
    elements: int

    @property
    def per_element(self) -> float:
        """Nanoseconds per element."""
        return self.seconds.median / self.elements * 1e9


def measure(
    size: int, dtype: str, device: str, repeats: int, stochastic: bool
) -> Iterator[tuple[str, dict[str, Pass]]]:
    """Yield (progress, passes so far): x += a z(seed) for a tensor of `size` elements.

    It measures one large tensor, the same elements as 1,000 small ones in one call, and copies
    x + a z and x - a z, slice by slice, with a move of x in the same pass and without one. Raises
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

    slices = list(x.split(SLICE // x.element_size()))
    plus, minus = (torch.empty_like(slices[0]) for _ in range(2))

    def copied(law: str, moves: bool) -> Callable[[], None]:
        def work() -> None:
            seed, start = next(seeds), 0
            rounding = (seed, seed, seed) if stochastic else None
            terms = [(1e-3, seed + 1)] if moves else []
            for part in slices:
                perturbed_pair(
                    part, plus[: len(part)], minus[: len(part)], (1e-3, -1e-3), seed, law, 0,
                    start=start, moves=terms, threads=threads, stochastic_seeds=rounding,
                )  # fmt: skip
                start += len(part)

        return work

    works: dict[str, Callable[[], object]] = {ADD: lambda: x.add_(1e-3), TORCH: torch_pass}
    works |= {law: fused(law) for law in noise.LAWS}
    works |= {f"{law}, 1000 tensors": small(law) for law in noise.LAWS}
    directions = [law for law in noise.LAWS if law != "uniform"]
    works |= {f"{law}, two copies": copied(law, False) for law in directions}
    works |= {f"{law}, move and two copies": copied(law, True) for law in directions}
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

    once = {f"{law}, two copies" for law in directions}  # the weights are not written
    with torch.inference_mode():
        for done, samples in interleave({n: case(w) for n, w in works.items()}, repeats):
            passes = {
                name: Pass(sample, (2.0 - (name in once)) * x.nbytes, size)
                for name, sample in samples.items()
            }
            yield f"round {done} of {repeats}", passes


def _nothing() -> None:
    pass
