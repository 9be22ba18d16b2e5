"""Choose how probes reach a user's weights: in place, or in perturbed copies of the layers.

"walk" moves the weights to each probe and back, at no extra memory; in 16 bits the way there and
back leaves rounding behind. "scratch" never perturbs them: each layer reads a copy, made just
before it runs in a buffer of the size of the largest layer, and an embedding copies only the rows
it looks up. It needs a module whose weights are read, without gradients, in the forward passes of
the modules that own them; compiled modules run uncompiled. "paired" does so for all probes of a
call in one forward pass of the model, which reads each weight once. "auto" is scratch for a module
that trains 16-bit weights and reads them so, else walk.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch

from zobench.core.params import Group
from zobench.engine.realisation import Walk
from zobench.engine.realise import realise
from zobench.engine.ties import place
from zobench.errors import BadInput, Unsuitable, unknown
from zobench.optim.closure import ClosureEvaluator
from zobench.optim.delayed import DelayedParams
from zobench.optim.refusals import scripted
from zobench.optim.reuse import Reuse
from zobench.optim.trained import TrainedTensors

REALISATIONS = ("walk", "scratch", "paired", "auto")
LATE = (
    "the closure began to read weights outside the forward of the module that owns them: from now "
    "on probes walk the weights there and back (realisation = walk)"
)


def realised(
    realisation: str, trained: TrainedTensors, groups: Sequence[Group], rounding: int | None
) -> DelayedParams:
    """Return the params for one of REALISATIONS. Raises BadInput if it cannot work."""
    if realisation not in REALISATIONS:
        raise unknown("realisation", realisation, REALISATIONS)
    model, named = trained.model, trained.named
    clipped = _clipped(trained)
    if clipped and realisation == "walk":
        raise BadInput(
            f"{clipped} has max_norm: its forward overwrites the rows it reads, also at a probe, "
            "from where no way leads back; use realisation = scratch, or set max_norm = None"
        )
    if realisation == "auto":
        coarse = any(tensor.element_size() == 2 for _, tensor in named)
        apart = model is not None and (coarse or clipped) and not scripted(model)
    else:
        apart = realisation != "walk"
    if not apart:
        return DelayedParams(named, groups, rounding)
    name = "scratch" if realisation == "auto" else realisation
    if model is None:
        raise BadInput(f"{name} needs the module whose forward reads the weights: give model=")
    if scripted(model):
        raise BadInput(f"{name} cannot perturb what torch.jit compiled: use realisation = walk")
    try:
        return realise(
            model, name, named=named, groups=groups, rounding=rounding, make=DelayedParams
        )
    except Unsuitable as error:
        if realisation == "auto":
            return DelayedParams(named, groups, rounding)
        raise BadInput(str(error)) from None


def _clipped(trained: TrainedTensors) -> str:
    """Return the path of an embedding that moves and is clipped by its own forward, or ""."""
    moving = {place(tensor) for tensor in trained.tensors}
    for path, part in () if trained.model is None else trained.model.named_modules():
        table = isinstance(part, torch.nn.Embedding | torch.nn.EmbeddingBag)
        if table and part.max_norm is not None and place(part.weight) in moving:
            return path or type(part).__name__
    return ""


class Trial:
    """Checks that the closure works with the chosen realisation.

    It does so before the first step, and again when a loss is NaN, a sign that the closure read a
    hidden weight.
    """

    def __init__(self, params: DelayedParams, auto: bool, reuse: Reuse | None) -> None:
        """`auto`: walk if the closure does not work with scratch, instead of an error."""
        self.params, self.auto, self.reuse, self.is_done = params, auto, reuse, False

    def works(self, evaluate: ClosureEvaluator) -> bool:
        """Return True if the closure works with the realisation. If not, "auto" walks from now on.

        Raises BadInput if it does not, and the realisation is not "auto".
        """
        self.params.flush()
        try:
            self.params.check(evaluate.rest)
        except Unsuitable as error:
            if not self.auto:
                raise BadInput(str(error)) from None
            self.params.realisation = Walk()
            if self.is_done:
                warnings.warn(LATE, RuntimeWarning, stacklevel=3)
            return False
        finally:
            evaluate.buffers.undo()
        return True

    def prepare(self, evaluate: ClosureEvaluator) -> None:
        """Prepare the evaluations of a step. Raises BadInput for a closure that does not work."""
        reuse = self.reuse
        if not self.is_done:
            self.works(evaluate)
            if reuse:
                reuse.prepare(evaluate)
                evaluate.buffers.undo()
            self.is_done = True
        if reuse:
            evaluate.keeping = lambda probes, batch: reuse.kept(probes, batch, evaluate.draws)
            if self.params.realisation.name != "paired":  # which shares these layers anyway
                evaluate.sharing = lambda directions: reuse.shared(directions, evaluate.draws)
                evaluate.on_pass = reuse.check_passes
