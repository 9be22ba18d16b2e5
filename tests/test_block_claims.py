"""What block-coordinate moves promise, on quadratics where theory has an answer."""

import pytest

from zobench.bench.blocks import experiment


@pytest.fixture(scope="module")
def outcomes():
    return {o.correlation: o for o in experiment(dim=320, blocks=8, steps=80, seeds=4)}


def test_the_best_learning_rate_grows_with_the_number_of_blocks(outcomes):
    for outcome in outcomes.values():
        assert outcome.blocks / 2 <= outcome.lr_ratio <= 2 * outcome.blocks


def test_equal_rates_without_correlation_gain_with_negative_loss_with_positive(outcomes):
    assert 0.9 < outcomes["none"].gain < 1.15
    assert outcomes["negative"].gain > 1.3
    assert outcomes["positive"].gain < 0.85
