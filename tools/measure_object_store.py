"""A trunk computed on a machine, against the same states fetched from another one through Ray's object store.

    python -m tools.measure_object_store micro mini --repeats 3

Needs the extra [ray]. Two machines of a Ray cluster are made of this one: they share no object store, and what goes
from one to the other goes over the loopback interface, so a network only makes the second figure larger.
"""

from __future__ import annotations

import argparse
import os
import time
from statistics import median
from typing import Any

import numpy as np

from gptcore.data.datasets import load_dataset
from gptcore.engine.engine import Engine
from gptcore.recipe import Recipe
from gptcore.training.fit import fit


def computed(model: str, weights: str, data: str) -> tuple[np.ndarray, float]:
    """The states below the last block of all texts, and the seconds that they took."""
    engine = Engine()
    recipe = Recipe(model=model, weights=weights, train="last_block", epochs=1)
    fitted = fit(recipe, load_dataset(data), 0, engine, "cpu")
    (trunk,) = engine.trunks._in_memory.values()
    return trunk.rows.values.numpy(), fitted.phases["trunk"]


def main() -> None:
    """Print a line per model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+")
    parser.add_argument("--weights", default="pretrained", choices=("pretrained", "random"))
    parser.add_argument("--data", default="sms-spam")
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    os.environ |= {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    import ray
    from ray.cluster_utils import Cluster

    ray._private.ray_constants.ENABLE_RAY_CLUSTER = False
    store = {"include_dashboard": False, "object_store_memory": 3 * 2**30}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0} | store)
    cluster.add_node(num_cpus=1, object_store_memory=3 * 2**30)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")

    def fetch(reference: list[Any]) -> float:
        began = time.perf_counter()
        states = ray.get(reference[0])
        states.sum()  # every page of it has to be there
        return time.perf_counter() - began

    away = ray.remote(num_cpus=1)(fetch)
    ray.get(away.remote([ray.put(np.zeros(1))]))  # its process has started
    for model in asked.models:
        took: list[tuple[float, float, float]] = []
        for _ in range(asked.repeats):
            states, compute_s = computed(model, asked.weights, asked.data)
            began = time.perf_counter()
            reference = ray.put(states)
            put_s = time.perf_counter() - began
            took.append((compute_s, put_s, ray.get(away.remote([reference]))))
            del reference
        compute_s, put_s, fetch_s = (median(each) for each in zip(*took, strict=True))
        print(
            f"{model}: {states.nbytes / 2**20:,.0f} MiB of states, computed in {compute_s:.2f} s; put "
            f"into the store in {put_s:.2f} s and fetched by the other machine in {fetch_s:.2f} s: "
            f"{(put_s + fetch_s) / compute_s:.2f} times",
            flush=True,
        )
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main()
