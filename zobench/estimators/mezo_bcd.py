"""MeZO-BCD (Park et al., 2025, https://arxiv.org/abs/2501.19099)."""

from zobench.core.estimator import ComposedEstimator
from zobench.core.params import Group
from zobench.core.rules import SGD
from zobench.core.samplers import OneGroup
from zobench.core.schedules import Value
from zobench.core.schemes import Central, at_least_one
from zobench.core.shared_batch import SharedBatch
from zobench.errors import BadInput
from zobench.registry import estimators


@estimators.register(
    "mezo-bcd",
    paper="arXiv:2501.19099",
    space={
        "lr": (1e-6, 1.0, "log"),
        "eps": (1e-4, 0.1, "log"),
        "dwell": (1, 100, "log"),
        "order": ["random", "ascending", "flip-flop"],
    },
    sanity={"lr": 0.05, "dwell": 5},
)
def mezo_bcd(
    lr: Value = 5e-6,
    eps: float = 1e-3,
    dwell: int = 100,
    order: str = "random",
    embeddings: bool = True,
    head: bool = True,
    n: int = 1,
    weight_decay: float = 0.0,
    share_batch: bool = False,
) -> ComposedEstimator:
    """MeZO on one group of blocks at a time, such as a decoder layer of a language model.

        z ~ N(0, I) on the active group b, 0 elsewhere
        g = (f(x + eps z) - f(x - eps z)) / (2 eps) z,    x_b <- x_b - lr (g + weight_decay x_b)

    A group stays active for `dwell` steps (100 in the authors' code). `order`: "random" draws the
    groups without replacement, a fresh permutation per sweep; or "ascending", "descending",
    "flip-flop" (up, then down). `embeddings` and `head` let those groups take part; without them
    only the decoder layers are trained. z is not rescaled for the group.

    `share_batch`: all steps of a sweep over the groups ask for one minibatch, and the next sweep
    for a fresh one; this needs dwell = 1. A layer below the group then runs again only after itself
    or an earlier one has moved. With order = "descending" each layer below a group runs once per
    sweep.

    Learning rate: the variance of g falls with the size of the group, so the best lr is about N
    times MeZO's for N equal groups (the authors use 50 times for 40 layers). Compare methods by
    their progress per query, and not at equal lr.
    Queries per step: 2n. Memory: the weights; only the active group is perturbed and written. With
    share_batch also what enters each layer.
    Deviations: one group holds all embeddings (the authors make one group of each); the restore is
    merged with the update, as in mezo; n > 1 and share_batch are ours.
    """
    if share_batch and dwell != 1:
        raise BadInput(
            f"mezo-bcd: share_batch needs dwell=1, not {dwell}: one minibatch would last for "
            f"{dwell} steps per group"
        )

    def takes_part(group: Group) -> bool:
        return {"embeddings": embeddings, "head": head}.get(group.role, True)

    sampler, scheme = OneGroup(dwell, order, pick=takes_part), Central(eps, at_least_one(n))
    return ComposedEstimator(
        sampler,
        SharedBatch(scheme, sampler) if share_batch else scheme,
        SGD(lr, weight_decay),
    )
