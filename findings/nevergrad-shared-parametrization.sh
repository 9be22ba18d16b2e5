#!/usr/bin/env bash
# nevergrad 1.0.12: optimizers that are made of one parametrization change each other's results.
#
# Expected: an optimizer with a seeded parametrization gives the same points whenever it is run.
# Observed: optimizers that are constructed with the same parametrization object share its random state. The points of one depend on
#   how often the others were asked in between.
# Relevance: a comparison that makes one seeded parametrization and several optimizers of it, and advances them in turn, is not
#   reproduced when an optimizer is added or removed, or when they run one after the other. A parametrization per optimizer is safe.
#
# Output, with Python 3.11, after about a minute (installation included):
#   OnePlusOne alone:                                    [1.0023, 1.2308, 0.9295]
#   beside RandomSearch of the same parametrization:     [1.0107, 1.0501, 0.9656]
#   beside RandomSearch of an equal parametrization:     [1.0023, 1.2308, 0.9295]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet nevergrad==1.0.12 numpy==2.4.6
"$folder/env/bin/python" - <<'PYTHON'
import sys
import warnings

warnings.simplefilter("ignore")
import nevergrad as ng
import numpy as np


def seeded():
    parametrization = ng.p.Array(shape=(3,))
    parametrization.random_state.seed(1)
    return parametrization


def recommendation(beside, shared):
    """The point that (1+1)-ES recommends after 50 queries, with or without another optimizer beside it."""
    parametrization = seeded()
    first = ng.optimizers.OnePlusOne(parametrization, budget=50)
    second = ng.optimizers.RandomSearch(parametrization if shared else seeded(), budget=50)
    for _ in range(50):
        for optimizer in (first, second)[: 1 + beside]:
            candidate = optimizer.ask()
            optimizer.tell(candidate, float(np.sum((candidate.value - 1) ** 2)))
    return np.round(first.provide_recommendation().value, 4).tolist()


alone = recommendation(beside=False, shared=True)
beside = recommendation(beside=True, shared=True)
apart = recommendation(beside=True, shared=False)
print("OnePlusOne alone:                                   ", alone)
print("beside RandomSearch of the same parametrization:    ", beside)
print("beside RandomSearch of an equal parametrization:    ", apart)
sys.exit(0 if alone == apart != beside else 1)
PYTHON
