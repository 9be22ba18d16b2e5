#!/usr/bin/env bash
# cocopp 2.9.1: a run that ends above the target 1e-8 counts as a success.
#
# Expected: a target is reached if f - f_opt <= target, and the data file has f - f_opt in ten digits.
# Observed: while the data are aligned to the targets, 1e-12 is subtracted from f - f_opt. A run that ends at 1.00005e-8 has reached
#   1e-8 for cocopp (1.00005e-8 - 1e-12 = 0.99995e-8).
# Relevance: another program that reads the same .dat files, and compares with the target as defined, counts fewer successes at the
#   final target, so runtimes do not agree between tools. At 1e-8 the slack is 0.01 %; at larger targets it is negligible.
#
# Output, with Python 3.11, after about a minute (installation included):
#   last f - f_opt in the data file: 1.000050531e-08, above the target 1e-8: True
#   successes at the target 1e-8 in cocopp: 1 of 1 run
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet cocopp==2.9.1 coco-experiment==2.8.2 numpy==2.4.6 six==1.17.0
cd "$folder"
MPLCONFIGDIR="$folder" "$folder/env/bin/python" - <<'PYTHON'
import glob
import sys
import warnings

warnings.simplefilter("ignore")  # the archive of published data is not needed
import cocoex
import numpy as np

# The sphere function: f(x) = |x - x_opt|^2 + f_opt, so that a point with any f - f_opt can be computed.
options = "dimensions: 2 function_indices: 1 instance_indices: 1"
suites = [cocoex.Suite("bbob", "", options) for _ in range(2)]
problem, free = (suite[0] for suite in suites)
x_opt = np.array([(free([0, 0]) - free(e) + 1) / 2 for e in np.eye(2)])
problem.observe_with(cocoex.Observer("bbob", "result_folder: slack algorithm_name: slack"))
for gap in (1.0, 1e-2, 1e-4, 1e-6, 1.00005e-8):
    problem(x_opt + [gap**0.5, 0])
problem.free()
with open(glob.glob("exdata/slack/*/*.dat")[0]) as file:
    gap = float(file.readlines()[-1].split()[2])

import cocopp

successes = cocopp.load("exdata/slack")[0].detSuccesses([1e-8])[0]
print(f"last f - f_opt in the data file: {gap:.9e}, above the target 1e-8: {gap > 1e-8}")
print(f"successes at the target 1e-8 in cocopp: {successes:g} of 1 run")
sys.exit(0 if gap > 1e-8 and successes == 1 else 1)
PYTHON
