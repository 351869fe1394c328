"""Where to write the labels of a crowded scatter plot so that no text lies on text or on a point."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import NamedTuple

Point = tuple[float, float]
ATTEMPTS = 60


class Box(NamedTuple):
    """An upright rectangle, in pixels."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def centre(self) -> Point:
        """The point in the middle."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    def overlaps(self, other: Box) -> bool:
        """Whether the two share any area."""
        return self.x0 < other.x1 and other.x0 < self.x1 and self.y0 < other.y1 and other.y0 < self.y1

    def inside(self, other: Box) -> bool:
        """Whether this one lies wholly in the other."""
        return other.x0 <= self.x0 and other.y0 <= self.y0 and self.x1 <= other.x1 and self.y1 <= other.y1

    def nearest(self, point: Point) -> Point:
        """The place in the rectangle that is nearest to a point."""
        return min(max(point[0], self.x0), self.x1), min(max(point[1], self.y0), self.y1)

    def crosses(self, start: Point, end: Point) -> bool:
        """Whether a straight line touches the rectangle (Liang and Barsky 1984)."""
        enter, leave = 0.0, 1.0
        for axis, (low, high) in enumerate(((self.x0, self.x1), (self.y0, self.y1))):
            move = end[axis] - start[axis]
            if move == 0:
                if not low <= start[axis] <= high:
                    return False
                continue
            near, far = sorted(((low - start[axis]) / move, (high - start[axis]) / move))
            enter, leave = max(enter, near), min(leave, far)
        return enter <= leave


def place(
    points: Sequence[Point], sizes: Sequence[Point], bounds: Box, radius: float, obstacles: Sequence[Box] = ()
) -> list[Box] | None:
    """A rectangle for the label of each point, or None if no arrangement was found.

    Points and (width, height) of the labels are in pixels; `radius` is that of the drawn points. Labels stay
    within `bounds`, off the obstacles, off each other, off the points, and off the lines that lead from points
    to labels further away; these lines touch no other point. Labels are placed greedily, each as near as it
    can be; of several orders of placing them, the same in every call, the shortest lines win.
    """
    dots = [Box(x - radius, y - radius, x + radius, y + radius) for x, y in points]
    taken = [*obstacles, *dots]
    candidates = [
        [
            box
            for box in _around(point, size, radius)
            if box.inside(bounds)
            and not any(box.overlaps(other) for other in taken)
            and not any(dot.crosses(point, box.nearest(point)) for dot in dots if not dot.overlaps(own))
        ]
        for point, size, own in zip(points, sizes, dots, strict=True)
    ]
    order, rng = list(range(len(points))), random.Random(0)
    best, shortest = None, math.inf
    for _ in range(ATTEMPTS):
        boxes = _greedy(points, candidates, order)
        if boxes:
            length = sum(
                math.dist(point, box.nearest(point)) for point, box in zip(points, boxes, strict=True)
            )
            if length < shortest:
                best, shortest = boxes, length
        rng.shuffle(order)
    return best


def _greedy(
    points: Sequence[Point], candidates: Sequence[Sequence[Box]], order: Sequence[int]
) -> list[Box] | None:
    boxes: dict[int, Box] = {}
    lines: list[tuple[Point, Point]] = []
    for index in order:
        for box in candidates[index]:
            line = (points[index], box.nearest(points[index]))
            if not any(box.overlaps(other) or other.crosses(*line) for other in boxes.values()) and not any(
                box.crosses(*other) for other in lines
            ):
                boxes[index] = box
                lines.append(line)
                break
        else:
            return None
    return [boxes[index] for index in range(len(points))]


def _around(point: Point, size: Point, radius: float) -> list[Box]:
    """Rectangles around a point, nearest first and to the right first."""
    (x, y), (width, height) = point, size
    boxes = []
    for ring in range(30):
        gap = radius * (1.2 + 1.3 * ring)
        for turn in range(24):
            # To the right, then alternately a little more to either side: 0, 1, -1, 2, -2, ...
            angle = math.tau / 24 * ((turn + 1) // 2) * (1 if turn % 2 else -1)
            dx, dy = math.cos(angle), math.sin(angle)
            centre_x = x + gap * dx + width / 2 * max(-1.0, min(1.0, 1.6 * dx))
            centre_y = y + gap * dy + height / 2 * max(-1.0, min(1.0, 1.6 * dy))
            boxes.append(
                Box(centre_x - width / 2, centre_y - height / 2, centre_x + width / 2, centre_y + height / 2)
            )
    return boxes
