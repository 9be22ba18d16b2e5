"""Language-model fine-tuning by prompt and label words: the MeZO protocol (arXiv:2305.17333)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from zobench.core.directions import Probe
from zobench.core.params import law_named
from zobench.core.problem import Losses
from zobench.core.seeds import fold
from zobench.errors import BadInput, unknown
from zobench.objectives.llm.in_place import LabelLoss
from zobench.registry import objectives

if TYPE_CHECKING:
    import torch

    from zobench.engine.numerics import Numerics
    from zobench.engine.tensors import TensorParams
    from zobench.objectives.llm.batches import Batch, Split
    from zobench.objectives.llm.tasks import Task
REALISATIONS, ROUNDINGS = ("walk", "scratch", "paired"), ("nearest", "stochastic")
GRAPHS = ("auto", "on", "off")


class FineTuning(LabelLoss):
    """A causal language model that is moved in place; a query is the loss of one minibatch.

    The score is the loss over the whole dev split, which queries do not use, with the accuracy.
    """

    stochastic = has_batches = True

    def __init__(
        self,
        task: Task,
        model: dict[str, Any],
        batch: int,
        max_length: int,
        micro_batch: int = 0,
        realisation: str = "walk",
        rounding: str = "nearest",
        graphs: str = "auto",
        law: str = "gaussian",
    ) -> None:
        super().__init__(realisation, graphs, micro_batch)
        self.law = law_named(law)
        self.task, self.source, self.batch, self.max_length = task, model, batch, max_length
        self.rounding = rounding

    def start(self, seed: int) -> TensorParams:
        """Load the model: the checkpoint for every seed, or random weights from this seed."""
        from zobench.engine.numerics import Trace
        from zobench.objectives.llm import batches, models
        from zobench.objectives.llm.loss import decide

        net, tokenizer = models.load(**self.source, seed=seed)
        length = min(self.max_length, batches.room(net)) or batches.room(net)
        device = next(net.parameters()).device

        def encode(rows: list) -> Split:
            return batches.encode(rows, self.task, tokenizer, length, device)

        self.train, self.dev = encode(self.task.train), encode(self.task.dev)
        self._test = lambda: encode(self.task.test)
        words, longest = self.train.words, int(self.train.lengths.max())
        decide(net, words, max(longest, int(self.dev.lengths.max())))
        rounding = fold(seed, 0) if self.rounding == "stochastic" else None
        self.realise(net, words, longest, rounding)
        self.params.law = self.law
        self.trace = self.params.observer = Trace(self.params.blocks)
        self.reset_meters()
        self._last_minibatch: tuple[int, Batch] | None = None
        return self.params

    def warm_up(self) -> None:
        """Evaluate once without counting, and test the realisation and the shared layers."""
        super().warm_up()
        self.params.check(lambda: self.loss(0))
        if not self.prefix.holds(self.params, lambda shared: self.label_loss(0, shared).item()):
            self.prefix.layers = ()  # layers that pass on more than their output
        self.samples = 0

    def evaluate(
        self, probes: Sequence[Probe], seed: int, as_given: Callable[[torch.Tensor], float]
    ) -> Losses:
        """Record the probes in the trace and evaluate them."""
        self.trace.probed(probes)
        return super().evaluate(probes, seed, as_given)

    def minibatch(self, seed: int) -> Batch:
        """Return the rows of `seed`, which all probes of a call share."""
        from zobench.objectives.llm.batches import minibatch

        if self._last_minibatch is None or self._last_minibatch[0] != seed:
            self._last_minibatch = seed, minibatch(self.train, seed, self.batch)
        batch = self._last_minibatch[1]
        self.samples += len(batch.labels)
        return batch

    def score(self) -> dict[str, float]:
        """Return the mean loss (nats) and accuracy of the current point over the dev split."""
        from zobench.objectives.llm.loss import evaluate

        self.params.flush()
        loss, accuracy = evaluate(self.net, self.dev)
        return {"loss": loss, "accuracy": accuracy}

    def finish(self) -> dict[str, float]:
        """Return loss and accuracy over the test split, and the effects of rounding.

        The test split is held-out templates, or the official dev file. `engine.numerics` describes
        the effects of rounding on the last probes and the last move.
        """
        from zobench.objectives.llm.loss import evaluate

        self.params.flush()
        loss, accuracy = evaluate(self.net, self._test())
        return {"test_loss": loss, "test_accuracy": accuracy} | self.numerics().defined()

    def numerics(self) -> Numerics:
        """Measure what rounding does to the last probes and the last move, at this point."""
        self.params.flush()
        return self.trace.figures(self.params.rounding, apart=self.realisation != "walk")

    def gradient(self, seed: int) -> tuple[float, Sequence[torch.Tensor]]:
        """Return the loss on the minibatch of `seed` and its gradient, a flat tensor per block."""
        from zobench.objectives.llm.loss import label_loss

        self.params.flush()
        self.trace.probed(())
        self.net.zero_grad(set_to_none=True)
        loss = label_loss(self.net, self.minibatch(seed))
        loss.backward()
        self.forwards += 3  # a backward pass costs about two forwards
        trained = [p for p in self.net.parameters() if p.requires_grad]
        return loss.item(), [(0 * p if p.grad is None else p.grad).reshape(-1) for p in trained]

    def describe(self) -> dict[str, Any]:
        """Return the facts of the problem, the model and how its losses are computed."""
        return super().describe() | {
            "model": self.source["model"],
            "task": self.task.name,
            "dtype": str(next(self.net.parameters()).dtype).removeprefix("torch."),
            "realisation": self.realisation,
            "rounding": self.rounding,
            "law": self.law,
            "prefix_reuse": bool(self.prefix.layers),
            "graphs": self.graphs.describe(),
        }


@objectives.register(
    "llm",
    version="2",
    in_worker=(
        "torch",
        "transformers.models.auto.modeling_auto",
        "transformers.models.auto.tokenization_auto",
        "transformers.models.opt.modeling_opt",
        "zobench.engine.realise",
        "zobench.objectives.llm.loss",
    ),
    packages=("tokenizers",),
    isolate=True,
    sanity={"model": "tiny"},
)
def llm(
    model: str = "tiny",
    task: str = "sentiment",
    data: str = "",
    label_noise: float = 0.0,
    batch: int = 16,
    dtype: str = "float32",
    device: str = "cpu",
    pretrained: bool = True,
    data_seed: int = 0,
    max_length: int = 0,
    micro_batch: int = 0,
    realisation: str = "walk",
    rounding: str = "nearest",
    graphs: str = "auto",
    law: str = "gaussian",
    dev_rows: int = 0,
    test_rows: int = 0,
) -> FineTuning:
    """Fine-tune a causal language model on a task given by prompts and label words.

    `model`: "tiny", "small" or "deep" (embedded, no network), a folder in the hub's format, or a
    hub id. `task`: sentiment, topic or majority (generated, no network), or sst2 or rte, read from
    the official files in the folder `data` (empty: from the hub). A query is the cross-entropy over
    the label words on one minibatch of `batch` examples, reduced in fp32; the two probes of a pair
    share it. The score is the loss on the dev split. `label_noise`: the share of wrong labels in
    the generated train and dev splits. `pretrained=false`: the same architecture with random
    weights. `max_length`: tokens per sequence (0: as many as the model takes). `micro_batch`: rows
    per forward pass (0: all of the batch), which does not change the loss. `realisation`: "walk"
    moves the weights to a probe and back; "scratch" does not perturb them, but needs the memory of
    one more layer; "paired" does not either, and runs all probes of a call in one forward pass,
    which needs the memory of their activations. `rounding` of 16-bit weights: "nearest" or
    "stochastic". Groups: embeddings, each decoder layer, head; layers below the first one that a
    call's probes move are computed once per call. `graphs` records losses as CUDA graphs, for
    buckets of lengths: "auto" for models below 1 billion weights that are walked on one GPU; "on"
    for any size, and on a CPU as a test of the recordings; "off". `law` of normal directions:
    "gaussian" or "hadamard". `dev_rows`, `test_rows`: the rows that a score and the end of a run
    read, the first of the split (0: all of it).
    """
    if batch < 1:
        raise BadInput(f"llm: batch is a number of examples of at least 1, not {batch}")
    if micro_batch < 0:
        raise BadInput(f"llm: micro_batch is a number of examples, or 0 for all, not {micro_batch}")
    for key, value, allowed in (
        ("realisation", realisation, REALISATIONS),
        ("rounding", rounding, ROUNDINGS),
        ("graphs", graphs, GRAPHS),
    ):
        if value not in allowed:
            raise unknown(f"{key} of llm", value, allowed)
    if graphs == "on" and realisation != "walk":
        raise BadInput("llm: graphs=on needs realisation=walk: copies are made anew for each probe")
    from zobench.objectives.llm import glue, models, tasks

    models.source(model)  # reports a missing folder before anything is loaded
    if task in tasks.GENERATED:
        texts = tasks.generated(task, label_noise, data_seed)
    elif label_noise:
        raise BadInput(f"llm: label_noise is for generated tasks, not for {task!r}")
    else:
        texts = glue.glue(task, data or None, data_seed)
    texts = tasks.shortened(texts, dev_rows, test_rows)
    source = {"model": model, "device": device, "dtype": dtype, "pretrained": pretrained}
    return FineTuning(
        texts, source, batch, max_length, micro_batch, realisation, rounding, graphs, law
    )
