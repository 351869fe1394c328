"""What a report takes by the number of runs: processor time and peak memory, over made-up records of real size.

    python -m tools.measure_report results/embedded 100 100          # 100 rows x 100 seeds
    python -m tools.measure_report results/embedded 100 100 folder   # the same, kept in `folder`

A kept folder that holds a study is measured as it is. Records are those of the first folder's study under other
learning rates, splits and predictions.
"""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bench.records.record import Predictions, Record, SplitMetrics, run_id
from bench.records.store import MANIFEST, load_records, load_study, save_record, save_study
from bench.records.study import Row, Study
from gptcore.recipe import Seeds, make_recipe

N_TEXTS, N_TEST = 5574, 300


def made_up(study: Study, n_rows: int, n_seeds: int) -> Study:
    """The study with its rows again and again, under other learning rates, until there are so many."""
    finished = [row for row in study.rows if row.recipe.model != "tfidf" and not row.excluded]
    baseline = study.row(study.baseline)
    rows = [baseline]
    for number in range(n_rows - 1):
        row = finished[number % len(finished)]
        recipe = make_recipe(row.recipe.model_dump() | {"lr": row.recipe.lr * (1 + (number + 1) / 1000)})
        changes = {"recipe": recipe, "name": f"row-{number}", "against": baseline.name, "published": None}
        rows.append(row.model_copy(update=changes))
    seeds = [Seeds(init=i, order=i, split=i) for i in range(n_seeds)]
    return study.model_copy(update={"rows": rows, "seeds": seeds, "looks": None})


def made_up_record(study: Study, row: Row, seed_index: int, like: Record) -> Record:
    """A run of the row: like another one, with its own test texts, predictions and times."""
    assert like.metrics
    assert like.cost
    rng = random.Random(f"{row.name}/{seed_index}")
    examples = random.Random(seed_index).sample(range(N_TEXTS), N_TEST)
    skill = 1.5 + random.Random(row.name).random()
    labels = [example % 2 for example in examples]
    right = [min(0.999999, max(1e-6, rng.betavariate(2 * skill, 0.6))) for _ in labels]
    pairs = [[p, 1 - p] if label == 0 else [1 - p, p] for p, label in zip(right, labels, strict=True)]
    predicted = [int(two > one) for one, two in pairs]
    n_right = sum(map(int.__eq__, labels, predicted))
    test = SplitMetrics(n=N_TEST, correct=n_right, accuracy=n_right / N_TEST, log_loss=0.2)
    fingerprint = f"{seed_index:064x}"
    took = like.cost.standalone_s * rng.uniform(0.9, 1.1)
    changes: dict[str, Any] = {
        "run_id": run_id(row.recipe, seed_index),
        "recipe_id": row.recipe.id,
        "recipe": row.recipe,
        "seed_index": seed_index,
        "seeds": study.seeds[seed_index],
        "dataset": study.dataset.model_copy(update={"fingerprint": fingerprint}),
        "metrics": like.metrics.model_copy(update={"test": test}),
        "cost": like.cost.model_copy(update={"standalone_s": took, "marginal_s": took}),
        "test": Predictions(
            labels=labels,
            predicted=predicted,
            examples=examples,
            probabilities=[[round(p, 6) for p in pair] for pair in pairs],
            losses=[rng.expovariate(5) for _ in labels],
        ),
    }
    return like.model_copy(update=changes)


def write_study(source: Path, folder: Path, n_rows: int, n_seeds: int) -> None:
    """A study of so many rows and seeds, in a new folder; its manifest comes last, and says that it is whole."""
    study = made_up(load_study(source), n_rows, n_seeds)
    like = next(run for run in load_records(source).values() if run.status == "done" and run.curves)
    for row in study.rows:
        for seed_index in range(n_seeds):
            save_record(folder, made_up_record(study, row, seed_index, like))
    save_study(folder, study)


def report(folder: Path) -> tuple[float, float, float]:
    """Wall and processor seconds of the report of a folder, and the peak memory of this process in MB."""
    from bench.commands.report import write_report_of

    began, used = time.perf_counter(), time.process_time()
    write_report_of(folder, None)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return time.perf_counter() - began, time.process_time() - used, peak


def main() -> None:
    """Write the study, then its report in a process of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="folder of a study")
    parser.add_argument("rows", type=int)
    parser.add_argument("seeds", type=int)
    parser.add_argument("kept", type=Path, nargs="?", help="where the made-up study is kept")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.kept or Path(temporary)
        if not (folder / MANIFEST).exists():
            write_study(given.source, folder, given.rows, given.seeds)
        study = load_study(folder)
        with get_context("spawn").Pool(1) as pool:
            wall, used, peak = pool.apply(report, (folder,))
    n_runs = len(study.rows) * len(study.seeds)
    print(f"{n_runs:,} runs: {used:.1f} s of the processor ({wall:.1f} s), {peak:.0f} MB at most")


if __name__ == "__main__":
    main()
