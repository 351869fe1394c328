"""The metrics by which models can be judged, by name. Imports nothing, so that options can name them."""

from typing import Literal

MetricName = Literal["accuracy", "macro-f1", "balanced-accuracy", "log-loss"]
