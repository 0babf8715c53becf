from backward_search.data.report import Findings
from backward_search.readers.apy import images


def test_boxes_are_clamped_edge_by_edge():
    findings = Findings()
    assert images.inside((0, 0, 10, 8), (10, 8), "from 0", findings) == (0, 0, 10, 8)
    assert images.inside((1, 1, 10, 8), (10, 8), "from 1", findings) == (1, 1, 10, 8)
    assert findings.repaired == {}
    assert images.inside((-1, 2, 5, 6), (10, 8), "left", findings) == (0, 2, 5, 6)
    assert images.inside((1, -2, 5, 6), (10, 8), "top", findings) == (1, 0, 5, 6)
    assert images.inside((1, 2, 11, 6), (10, 8), "right", findings) == (1, 2, 10, 6)
    assert images.inside((1, 2, 5, 9), (10, 8), "bottom", findings) == (1, 2, 5, 8)
    assert images.inside((4, 2, 4, 6), (10, 8), "no width", findings) is None
    assert images.inside((4, 6, 5, 6), (10, 8), "no height", findings) is None
    assert findings.repaired == {
        "box reaching out of the image, clamped": ["left", "top", "right", "bottom"],
        "box without area, kept the whole image": ["no width", "no height"],
    }
