"""How probes reach a user's weights: in place, or in perturbed copies of the layers.

"walk" moves the weights to each probe and back, at no extra memory; in 16 bits the way there and
back leaves rounding behind. "scratch" never perturbs them: each layer reads a copy, made just
before it runs in a buffer of the size of the largest layer, and an embedding copies only the rows
it looks up. It needs a module whose weights are read, without gradients, in the forward passes of
the modules that own them; compiled modules run uncompiled. "auto" is scratch for a module that
trains 16-bit weights and reads them so, else walk.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch

from zobench.core.params import Group
from zobench.engine.groups import layers
from zobench.errors import BadInput, Unsuitable, unknown
from zobench.optim.closure import Evaluate
from zobench.optim.refusals import scripted
from zobench.optim.reuse import Reuse
from zobench.optim.subject import Subject
from zobench.optim.walk import Apart, Walk

REALISATIONS = ("walk", "scratch", "auto")
LATE = (
    "the closure began to read weights outside the forward of the module that owns them: from now "
    "on probes walk the weights there and back (realisation = walk)"
)


def realised(
    realisation: str, subject: Subject, groups: Sequence[Group], rounding: int | None
) -> Walk:
    """The params for one of REALISATIONS. Raises BadInput where scratch cannot be."""
    if realisation not in REALISATIONS:
        raise unknown("realisation", realisation, REALISATIONS)
    model, named = subject.model, subject.named
    coarse = any(tensor.element_size() == 2 for _, tensor in named)
    if realisation == "walk" or (realisation == "auto" and (model is None or not coarse)):
        return Walk(named, groups, rounding)
    if model is None:
        raise BadInput("scratch needs the module whose forward reads the weights: give model=")
    if scripted(model) and realisation == "auto":
        return Walk(named, groups, rounding)
    if scripted(model):
        raise BadInput("scratch cannot perturb what torch.jit compiled: use realisation = walk")
    try:
        stack: Sequence[torch.nn.Module] = layers(model)
    except BadInput:  # every module for itself
        stack = ()
    try:
        return Apart(model, stack, named, groups, rounding)
    except Unsuitable as error:
        if realisation == "auto":
            return Walk(named, groups, rounding)
        raise BadInput(str(error)) from None


class Trial:
    """Does the closure run the model so that it can be trained thus? Asked before the first step,
    and when a loss is NaN: what a later closure reads elsewhere is NaN there."""

    def __init__(self, walk: Walk, auto: bool, reuse: Reuse | None) -> None:
        """`auto`: walk where it does not, instead of an error."""
        self.walk, self.auto, self.reuse, self.done = walk, auto, reuse, False

    def stands(self, evaluate: Evaluate) -> bool:
        """May probes stay apart from the weights? If not, "auto" walks from now on.

        Raises BadInput where that was not asked for.
        """
        self.walk.flush()
        try:
            self.walk.check(evaluate.rest)
        except Unsuitable as error:
            if not self.auto:
                raise BadInput(str(error)) from None
            self.walk.stays = False
            if self.done:
                warnings.warn(LATE, RuntimeWarning, stacklevel=3)
            return False
        finally:
            evaluate.buffers.restore()
        return True

    def prepare(self, evaluate: Evaluate) -> None:
        """Make a step's evaluations ready. Raises BadInput for a closure that cannot be."""
        reuse = self.reuse
        if not self.done:
            self.stands(evaluate)
            if reuse:
                reuse.prepare(evaluate)
            self.done = True
        if reuse:
            evaluate.sharing = lambda directions: reuse.shared(directions, evaluate.draws)
            evaluate.ran = reuse.ran
