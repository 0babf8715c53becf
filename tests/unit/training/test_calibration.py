"""Temperatures against logits of which the true one is known, and the calibration error against plain loops."""

import numpy as np
import pytest
from scipy.special import softmax

from backward_search.training.calibration import LEAST, calibrate, expected_calibration_error


def drawn(count, temperature, seed=0):
    """Logits (N, 4) that are `temperature` times too sure, and classes drawn as they should say."""
    generator = np.random.default_rng(seed)
    honest = 2 * generator.normal(size=(count, 4))
    ids = np.array([generator.choice(4, p=p) for p in softmax(honest, axis=1)])
    return (honest * temperature).astype(np.float32), ids


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_by_which_logits_are_too_sure_is_found(temperature):
    found = calibrate(*drawn(5000, temperature))
    assert found.temperature == pytest.approx(temperature, rel=0.1)
    assert found.images == 5000
    assert found.calibrated_error < 0.03
    assert temperature == 1 or found.error > 2 * found.calibrated_error


def test_few_images_change_nothing():
    found = calibrate(*drawn(LEAST - 1, 3.0))
    assert found.temperature == 1
    assert found.error == found.calibrated_error


def test_the_calibration_error_is_that_of_a_plain_loop():
    logits, ids = drawn(400, 2.0)
    p = softmax(logits, axis=1)
    expected = 0.0
    for k in range(15):
        inside = [i for i in range(400) if k / 15 < p[i].max() <= (k + 1) / 15]
        if inside:
            accuracy = np.mean([p[i].argmax() == ids[i] for i in inside])
            expected += len(inside) / 400 * abs(accuracy - np.mean([p[i].max() for i in inside]))
    assert expected_calibration_error(p, ids) == pytest.approx(expected, abs=1e-6)
    assert expected_calibration_error(p[:0], ids[:0]) == 0
