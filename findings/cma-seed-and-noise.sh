#!/usr/bin/env bash
# cma 4.5.0: the option `seed` also decides the noise of the objective.
#
# Expected: the option seeds the optimizer. The noise of an objective that draws from numpy.random, seeded by its own author, stays
#   as it is.
# Observed: the constructor calls numpy.random.seed, and the optimizer draws from the same global generator. Runs with equal `seed`
#   get equal noise, whatever seed the user has set for the noise, and the noise and the samples come from one stream.
# Relevance: repetitions on a noisy objective are meant to differ in their noise. Here they repeat bit by bit: five repetitions with
#   one optimizer seed are one repetition, and a test over them is meaningless. Noise from an own numpy Generator is not affected.
#
# Output, with Python 3.11, after about a minute (installation included):
#   noise from numpy.random, 5 seeds of the noise: 1 different result(s)
#   noise from an own Generator, 5 seeds of the noise: 5 different result(s)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet cma==4.5.0 numpy==2.4.6
"$folder/env/bin/python" - <<'PYTHON'
import sys
import warnings

warnings.simplefilter("ignore")  # matplotlib is not installed
import cma
import numpy as np


def results(noise_seeds, own_generator):
    """The final best points of runs that differ in the seed of the noise only."""
    final = []
    for seed in noise_seeds:
        np.random.seed(seed)
        generator = np.random.default_rng(seed) if own_generator else np.random
        noisy = lambda x: float(x @ x) + 0.1 * generator.standard_normal()
        search = cma.CMAEvolutionStrategy([1.0] * 5, 0.5, {"seed": 7, "maxfevals": 200, "verbose": -9})
        final.append(tuple(search.optimize(noisy).result.xfavorite))
    return final


with_global, with_own = (len(set(results(range(5), own))) for own in (False, True))
print(f"noise from numpy.random, 5 seeds of the noise: {with_global} different result(s)")
print(f"noise from an own Generator, 5 seeds of the noise: {with_own} different result(s)")
sys.exit(0 if (with_global, with_own) == (1, 5) else 1)
PYTHON
