import math

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.report.plots.labels import Box, place

BOUNDS = Box(0, 0, 800, 500)
coordinates = st.tuples(st.floats(20, 780), st.floats(20, 480))


@settings(max_examples=10, deadline=None)
@given(st.lists(coordinates, min_size=1, max_size=10), st.integers(10, 120))
def test_placed_labels_touch_nothing(points: list[tuple[float, float]], width: int) -> None:
    obstacle = Box(300, 200, 420, 260)
    boxes = place(points, [(width, 12)] * len(points), BOUNDS, radius=5, obstacles=[obstacle])
    if boxes is None:
        return
    assert boxes == place(points, [(width, 12)] * len(points), BOUNDS, radius=5, obstacles=[obstacle])
    for index, box in enumerate(boxes):
        assert box.inside(BOUNDS)
        assert not box.overlaps(obstacle)
        assert not any(box.overlaps(other) for other in boxes[:index])
        assert all(math.dist(point, box.nearest(point)) >= 5 for point in points)


def test_a_lone_label_stands_right_beside_its_point() -> None:
    (box,) = place([(400, 250)], [(60, 12)], BOUNDS, radius=5) or []
    assert box.x0 > 400
    assert box.y0 < 250 < box.y1
    assert math.dist((400, 250), box.nearest((400, 250))) < 12


def test_a_crowd_of_equal_points_is_spread_out() -> None:
    boxes = place([(400, 250)] * 5, [(60, 12)] * 5, BOUNDS, radius=5)
    assert boxes is not None
    assert len(set(boxes)) == 5


def test_none_where_there_is_no_room() -> None:
    assert place([(50, 50)], [(200, 12)], Box(0, 0, 100, 100), radius=5) is None
    assert place([(50, 50)] * 40, [(90, 40)] * 40, Box(0, 0, 100, 100), radius=5) is None


def test_geometry() -> None:
    box = Box(0, 0, 10, 10)
    assert not box.overlaps(Box(10, 0, 20, 10))  # side by side
    assert box.nearest((20, 5)) == (10, 5)
    assert box.crosses((-5, -5), (15, 15))
    assert not box.crosses((-5, 8), (-1, 30))
    assert not box.crosses((11, -5), (11, 15))
