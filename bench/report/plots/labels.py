"""Where to write the labels of a crowded scatter plot so that no text lies on text or on a point."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

Point = tuple[float, float]
Line = tuple[Point, Point]
ATTEMPTS = 300


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
        (x, y), (to_x, to_y) = start, end
        # Nearly always the line lies wholly on one side.
        if (x < self.x0 and to_x < self.x0) or (x > self.x1 and to_x > self.x1):
            return False
        if (y < self.y0 and to_y < self.y0) or (y > self.y1 and to_y > self.y1):
            return False
        enter, leave = 0.0, 1.0
        for a, b, low, high in ((x, to_x, self.x0, self.x1), (y, to_y, self.y0, self.y1)):
            if a != b:
                near, far = sorted(((low - a) / (b - a), (high - a) / (b - a)))
                enter, leave = max(enter, near), min(leave, far)
        return enter <= leave


@dataclass(frozen=True, eq=False)
class Label:
    """A place for the label of a point, and the line that leads to it."""

    cost: float
    box: Box
    line: Line


def place(
    points: Sequence[Point], sizes: Sequence[Point], bounds: Box, radius: float, obstacles: Sequence[Box] = ()
) -> list[Box] | None:
    """A rectangle for the label of each point, or None if no arrangement was found.

    Points and (width, height) of the labels are in pixels; `radius` is that of the drawn points. Labels stay
    within `bounds`, off the obstacles, off each other, off the points, and off the lines that lead from points
    to labels further away. These lines do not cross; they are short and pass by other points where they can.
    Labels are placed greedily; of several orders, the same in every call, the cheapest arrangement wins.
    """
    dots = [Box(x - radius, y - radius, x + radius, y + radius) for x, y in points]
    candidates = []
    for point, size in zip(points, sizes, strict=True):
        boxes = [
            box
            for box in _around(point, size, radius)
            if box.inside(bounds) and not any(box.overlaps(taken) for taken in (*obstacles, *dots))
        ]
        # A line cannot keep off a point that all but coincides with its own.
        others = [dot for dot in dots if math.dist(point, dot.centre) > radius / 2]
        costs = [_cost(point, box, others, radius) for box in boxes]
        labels = [
            Label(cost, box, (point, box.nearest(point))) for cost, box in zip(costs, boxes, strict=True)
        ]
        candidates.append(sorted(labels, key=lambda label: label.cost))
    clash = cache(_clash)  # the attempts ask about the same pairs again and again
    order, rng = list(range(len(points))), random.Random(0)
    best, lowest = None, math.inf
    for attempt in range(1, ATTEMPTS + 1):
        # Labels close around a crowded point can wall it in: every other attempt leaves some good places.
        leave = (lambda: rng.random() < 0.1) if attempt % 2 == 0 else (lambda: False)
        chosen = _greedy(candidates, order, clash, leave)
        worst = next((index for index in order if index not in chosen), None)
        if worst is None:
            cost = sum(label.cost for label in chosen.values())
            if cost < lowest:
                best, lowest = [chosen[index].box for index in range(len(points))], cost
            worst = max(order, key=lambda index: chosen[index].cost)
        # Whoever fared worst comes early next time (Joslin and Clements 1999, "squeaky wheel").
        order.remove(worst)
        order.insert(rng.randrange(6), worst)
        if attempt % 50 == 0:
            rng.shuffle(order)
    return best


def _cost(point: Point, box: Box, others: Sequence[Box], radius: float) -> float:
    """The square of the distance of a label from its point, in pixels; a point on the way counts as a detour.

    Squared, so that one long line is worse than two short ones. All places beside the point are equally near,
    so that the first of them is taken.
    """
    nearest = box.nearest(point)
    detours = sum(dot.crosses(point, nearest) for dot in others)
    return (max(math.dist(point, nearest), 2 * radius) + 4 * radius * detours) ** 2


def _greedy(
    candidates: Sequence[Sequence[Label]],
    order: Sequence[int],
    clash: Callable[[Label, Label], bool],
    leave: Callable[[], bool],
) -> dict[int, Label]:
    """Each point's cheapest label that is free and not left; without the points after the first that has none."""
    chosen: dict[int, Label] = {}
    for index in order:
        for label in candidates[index]:
            if not any(clash(other, label) for other in chosen.values()) and not leave():
                chosen[index] = label
                break
        else:
            break
    return chosen


def _clash(one: Label, other: Label) -> bool:
    """Whether two labels with their lines touch."""
    return (
        one.box.overlaps(other.box)
        or one.box.crosses(*other.line)
        or other.box.crosses(*one.line)
        or _cross(one.line, other.line)
    )


def _cross(line: Line, other: Line) -> bool:
    """Whether two lines cross; touching at an end is not a crossing."""

    def side(of: Line, point: Point) -> float:
        (x0, y0), (x1, y1) = of
        return (x1 - x0) * (point[1] - y0) - (y1 - y0) * (point[0] - x0)

    return side(line, other[0]) * side(line, other[1]) < 0 and side(other, line[0]) * side(other, line[1]) < 0


def _around(point: Point, size: Point, radius: float) -> list[Box]:
    """Rectangles around a point, nearest first and to the right first."""
    (x, y), (width, height) = point, size
    boxes = []
    for ring in range(20):
        gap = radius * (1.2 + 1.8 * ring)
        for turn in range(16):
            # To the right, then alternately a little more to either side: 0, 1, -1, 2, -2, ...
            angle = math.tau / 16 * ((turn + 1) // 2) * (1 if turn % 2 else -1)
            dx, dy = math.cos(angle), math.sin(angle)
            centre_x = x + gap * dx + width / 2 * max(-1.0, min(1.0, 1.6 * dx))
            centre_y = y + gap * dy + height / 2 * max(-1.0, min(1.0, 1.6 * dy))
            boxes.append(
                Box(centre_x - width / 2, centre_y - height / 2, centre_x + width / 2, centre_y + height / 2)
            )
    return boxes
