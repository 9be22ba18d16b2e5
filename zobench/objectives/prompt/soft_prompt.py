"""Soft prompts for a frozen model: black-box tuning (Sun et al., 2022, arXiv:2201.03514)."""

from __future__ import annotations

from functools import partial
from typing import Any, Unpack

import numpy as np

from zobench.core.params import Group
from zobench.core.seeds import derive
from zobench.core.vector import VectorParams
from zobench.errors import BadInput
from zobench.objectives.llm.batches import EVALUATED
from zobench.objectives.llm.tasks import Task
from zobench.objectives.prompt._frozen import Frozen
from zobench.objectives.prompt._rows import rows_of
from zobench.objectives.prompt._space import Space, clipped_deviation, make
from zobench.objectives.prompt.problem import FewShot, PromptProblem
from zobench.registry import objectives

WORKER = (
    "torch",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.opt.modeling_opt",
    "zobench.objectives.llm.loss",
)


class SoftPrompt(PromptProblem):
    """A prompt of `tokens` continuous tokens before every text.

    The settings are those of `soft-prompt`. The instance determines the few-shot rows, the first
    prompt and the projection, so that all runs on it start at the same score. Probes of one call
    share forward passes.
    """

    def __init__(
        self,
        task: Task,
        model: str = "tiny",
        tokens: int = 20,
        intrinsic: int = 0,
        deep: bool = False,
        alpha: float = 1.0,
        init: str = "",
        device: str = "cpu",
        dtype: str = "float32",
        **few: Unpack[FewShot],
    ) -> None:
        super().__init__(task, **few)
        if tokens < 1:
            raise BadInput(f"tokens is a number of prompt tokens of at least 1, not {tokens}")
        if intrinsic < 0:
            raise BadInput(f"intrinsic is a number of dimensions, or 0 for all, not {intrinsic}")
        if not alpha > 0.0:
            raise BadInput(f"alpha is a scale above 0, not {alpha}")
        self.intrinsic, self.deep, self.alpha, self.init = intrinsic, deep, alpha, init
        self.load = partial(Frozen, self.task, model, device, dtype, tokens)
        self.model = model
        self.space: Space

    def start(self, seed: int) -> VectorParams:
        """Start at the first prompt, x = 0; the seed is not used."""
        if not hasattr(self, "space"):
            self.frozen = self.load()
            self.first = self._first_tokens()
            self.space = self._space()
        shapes = self.space.shapes
        self.params = VectorParams(np.zeros(sum(map(int, map(np.prod, shapes)))), shapes)
        self.params.groups = tuple(
            Group(name, group.blocks) for name, group in zip(self.space.names, self.params.groups)
        )
        self.reset_meters()
        return self.params

    def answers(
        self,
        points: np.ndarray,
        split: str,
        rows: np.ndarray | None = None,
        seed: int | None = None,
    ) -> np.ndarray:
        """Run the model with the prompts of points (n, d); return scores (n, rows, words)."""
        return self.frozen.judged(self.space.prompts(points), split, rows)

    def _first_tokens(self) -> np.ndarray:
        """Return the ids of the first prompt: the text `init`, repeated, or random tokens."""
        count, ordinary = self.frozen.tokens, self.frozen.ordinary()
        if not self.init:
            return np.random.default_rng(derive("first", self.instance)).choice(ordinary, count)
        ids = self.frozen.tokenizer(self.init, add_special_tokens=False)["input_ids"]
        if not set(ids) & set(ordinary.tolist()):
            raise BadInput(f"init={self.init!r} holds no word that the tokenizer knows")
        return np.resize(np.array(ids), count)

    def _space(self) -> Space:
        import torch

        frozen, rng = self.frozen, np.random.default_rng(derive("projection", self.instance))
        table = frozen.vectors
        ids = torch.from_numpy(self.first).to(table.device)
        first = table[ids].float()[None]
        scales = [self.alpha * float(table.float().std())]
        if self.deep:
            scales += [self.alpha * s for s in self._deviations(first[None])]
            first = torch.cat([first, first.new_zeros(len(scales) - 1, *first.shape[1:])])
        return make(first, scales, self.intrinsic, rng)

    def _deviations(self, prompt: Any) -> list[float]:
        """Return the deviation of the input of each layer but the first, on the few-shot rows."""
        import torch

        from zobench.engine.wrapping import ModuleForward, Wrapper, wrapped

        passes = self.frozen.passes
        batch = self.frozen.split("train").parts(EVALUATED)[0]
        inputs: dict[Any, list[Any]] = {layer: [] for layer in passes.stack[1:]}

        def recording(layer: Any, is_token: Any) -> Wrapper:
            def wrapper(forward: ModuleForward) -> ModuleForward:
                def record_and_run(*args: Any, **kwargs: Any) -> Any:
                    states = args[0] if args else kwargs["hidden_states"]
                    inputs[layer].append(states[is_token])
                    return forward(*args, **kwargs)

                return record_and_run

            return wrapper

        with torch.inference_mode():
            for part in passes.by_length(batch):
                is_token = part.mask.bool()
                with wrapped((layer, recording(layer, is_token)) for layer in inputs):
                    passes.states(prompt, part)
        return [clipped_deviation(torch.cat(states)) for states in inputs.values()]

    def describe(self) -> dict[str, Any]:
        """Return the facts of the problem, the model and the first prompt."""
        return super().describe() | {
            "model": self.model,
            "tokens": self.frozen.tokens,
            "first_tokens": self.first.tolist(),
            "scales": self.space.scales,
            "intrinsic": self.intrinsic,
        }


@objectives.register(
    "soft-prompt",
    version="2",
    paper="arXiv:2201.03514",
    in_worker=WORKER,
    packages=("tokenizers",),
    isolate=True,
    sanity={"tokens": 5, "shots": 8, "dev_shots": 40},
)
def soft_prompt(
    model: str = "tiny",
    task: str = "sentiment",
    data: str = "",
    tokens: int = 20,
    intrinsic: int = 0,
    deep: bool = False,
    alpha: float = 1.0,
    init: str = "",
    loss: str = "cross-entropy",
    shots: int = 16,
    dev_shots: int = 0,
    batch: int = 0,
    device: str = "cpu",
    dtype: str = "float32",
    instance: int = 1,
) -> SoftPrompt:
    """Continuous tokens before the text of a frozen language model: black-box tuning.

    `model`, `task`, `data`, `device`, `dtype`: as for `llm`. A sequence is <s>, `tokens` prompt
    tokens, the text. At x = 0 the prompt is the words of `init`, or words drawn by the instance;
    an x of deviation 1 moves its entries by `alpha` deviations of the word embeddings.
    `intrinsic` > 0: x has that many coordinates, which a fixed random projection maps to the
    prompt (the paper: 50 tokens, intrinsic 500, CMA-ES with sigma 1 and 20 points, 8000 queries).
    `deep`: x also adds to the input of each further layer at the prompt, scaled by that layer's
    own states (BBTv2, arXiv:2205.11200); a group is a layer. Otherwise a group is a token.

    A query is the mean `loss` over the few-shot train split, `shots` rows per label word, or over
    a minibatch of `batch` of them: cross-entropy, hinge (margin 2) or accuracy (the share of wrong
    answers, a step function). The score is the same loss over `dev_shots` dev rows per label word
    (0: the whole dev split). A run ends with the test split, at the last prompt (`test_accuracy`)
    and at the one with the best dev accuracy (`best_dev_test_accuracy`, the paper's). Gradients are
    not used. Deviation: the prompt follows <s> and is not inside a template.
    """
    return SoftPrompt(
        rows_of(task, data), model, tokens, intrinsic, deep, alpha, init, device, dtype,
        loss=loss, shots=shots, dev_shots=dev_shots, batch=batch, instance=instance,
    )  # fmt: skip
