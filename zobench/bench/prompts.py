"""`zobench bench prompts`: queries per second of a population in one call, and one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from time import perf_counter

from zobench.bench.timing import Sample, TimedCase, interleave
from zobench.core.directions import Noise
from zobench.errors import BadInput
from zobench.objectives.llm.tasks import GENERATED
from zobench.objectives.prompt.soft_prompt import SoftPrompt
from zobench.registry import objectives

DEFAULT = (20, 50)  # tokens of a prompt
SCALE = 0.5  # of the probes
WHOLE, SINGLE = "whole sequences, one prompt per pass", "one call per probe"


@dataclass(frozen=True)
class PromptRow:
    """Seconds per query of a case, and of the two ways to go one by one on the same problem."""

    problem: str
    name: str
    seconds: Sample
    sequences: Sample  # one prompt per pass over whole sequences, as published implementations do
    single: Sample  # one call per probe: texts share the prompt's keys and values


def prompts(
    model: str, tokens: Sequence[int], count: int, rounds: int
) -> Iterator[tuple[str, list[PromptRow]]]:
    """Yield (progress, rows of the finished problems) over all generated tasks and lengths."""
    for name, value in {"repeats": rounds, "probes": count}.items():
        if value < 1:
            raise BadInput(f"{name} is a number of at least 1, not {value}")
    rows: list[PromptRow] = []
    for task, length in product(GENERATED, tokens):
        problem: SoftPrompt = objectives["soft-prompt"].build(
            {"model": model, "task": task, "tokens": length, "intrinsic": 50}
        )
        label = f"{task}, {length} tokens"
        samples: dict[str, Sample] = {}
        for done, latest in interleave(_cases(problem, count), rounds):
            samples = latest
            yield f"{label}: round {done} of {rounds}", rows
        one_by_one = samples[WHOLE], samples[SINGLE]
        rows += [PromptRow(label, case, sample, *one_by_one) for case, sample in samples.items()]
    yield "done", rows


def _cases(problem: SoftPrompt, count: int) -> dict[str, TimedCase]:
    """Return three cases of the same probes."""
    import torch

    problem.start(0)
    probes = [(SCALE, Noise(k)) for k in range(count)]
    passes, batch = problem.frozen.passes, problem.frozen.split("train")
    owner = torch.zeros(len(batch.labels), dtype=torch.long, device=batch.ids.device)

    def whole() -> None:
        with torch.inference_mode():
            for probe in probes:
                prompt = problem.space.prompts(problem.params.rows([probe]))
                scores = passes.full_scores(prompt, batch, owner)
                torch.nn.functional.cross_entropy(scores, batch.labels).item()

    def one_by_one() -> None:
        for probe in probes:
            problem.losses([probe], 1)

    return {
        WHOLE: _timed(whole, count),
        SINGLE: _timed(one_by_one, count),
        f"{count} probes per call": _timed(lambda: problem.losses(probes, 1), count),
    }


def _timed(work: Callable[[], object], queries: int) -> TimedCase:
    def case() -> float:
        began = perf_counter()
        work()
        return (perf_counter() - began) / queries

    return case
