"""Settings that change with the step, at steps where their value is plain."""

import pytest

from zobench.core.schedules import at, cosine, linear, power, warm_up


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        (0.5, {0: 0.5, 99: 0.5}),
        (power(2.0, 1.0), {0: 2.0, 1: 1.0, 3: 0.5}),
        (power(2.0, 0.5, offset=3.0), {0: 2.0, 12: 1.0}),
        (linear(1.0, 4), {0: 1.0, 1: 0.75, 4: 0.0, 9: 0.0}),
        (cosine(1.0, 4), {0: 1.0, 2: 0.5, 4: 0.0, 9: 0.0}),
        (warm_up(1.0, 4), {0: 0.25, 3: 1.0, 9: 1.0}),
        (warm_up(linear(1.0, 4), 2), {0: 0.5, 1: 0.75, 2: 0.5}),
    ],
)
def test_a_schedule_has_its_values(schedule, values):
    assert {t: at(schedule, t) for t in values} == pytest.approx(values)
