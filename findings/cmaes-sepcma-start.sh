#!/usr/bin/env bash
# cmaes 0.13.1: SepCMA changes the start vector of its caller.
#
# Expected: an optimizer copies the array `mean`, as the class CMA of the same package does.
# Observed: SepCMA keeps the array itself and updates it in place at every `tell`.
# Relevance: a benchmark that starts several optimizers, or several runs, from one array x0 starts all after the first from the point
#   that SepCMA has reached. Their results look better than they are, and no error is raised.
#
# Output, with Python 3.11, after about a minute (installation included):
#   x0 = [2, 2, 2] after 50 iterations of CMA: [2. 2. 2.]
#   x0 = [2, 2, 2] after 50 iterations of SepCMA: [-0.      0.0001  0.    ]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet cmaes==0.13.1 numpy==2.4.6
"$folder/env/bin/python" - <<'PYTHON'
import sys

import numpy as np
from cmaes import CMA, SepCMA

moved = {}
for optimizer_class in (CMA, SepCMA):
    x0 = np.full(3, 2.0)
    optimizer = optimizer_class(mean=x0, sigma=0.5, seed=1)
    for _ in range(50):
        points = [optimizer.ask() for _ in range(optimizer.population_size)]
        optimizer.tell([(x, float(x @ x)) for x in points])
    moved[optimizer_class.__name__] = not np.array_equal(x0, np.full(3, 2.0))
    print(f"x0 = [2, 2, 2] after 50 iterations of {optimizer_class.__name__}: {np.round(x0, 4)}")
sys.exit(0 if moved == {"CMA": False, "SepCMA": True} else 1)
PYTHON
