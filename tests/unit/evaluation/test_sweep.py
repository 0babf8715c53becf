"""The measures over lambda."""

import csv

from matplotlib.image import imread

from backward_search.drawing.sweep import draw_sweep
from backward_search.evaluation.sweep import write_sweep


def row(strength: float, precision: float) -> dict:
    return {
        "dataset": "CUB",
        "task": ["birds"],
        "protocol": "paper",
        "lambda": strength,
        "precision_at_3": precision,
        "precision_at_3_interval": [precision - 0.1, precision + 0.1],
        "mts_at_3": 0.2,
        "mts_at_3_interval": [0.1, 0.3],
        "gradient_evaluations": 12.5,
    }


def test_the_lines_stand_in_the_order_of_lambda(tmp_path):
    rows = [row(1.1, 0.25), row(0.0, 0.75)]
    assert write_sweep(tmp_path / "sweep.csv", rows) == tmp_path / "sweep.csv"
    with (tmp_path / "sweep.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["lambda"], line["precision_at_3"], line["mts_at_3_high"]) for line in lines] == [
        ("0.0", "0.75", "0.3"),
        ("1.1", "0.25", "0.3"),
    ]
    pixels = imread(draw_sweep(tmp_path / "sweep.png", rows))[..., :3]
    assert (pixels < 0.1).any()
    assert abs(pixels.max(axis=2) - pixels.min(axis=2)).max() < 0.02  # nothing in it needs a colour
