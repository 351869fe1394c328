"""A saved classifier beside the pipeline of transformers on the same weights, in turn in one process.

    python -m gptcore fit sms-spam --recipe nano --out nano
    python -m gptcore export nano --data sms-spam --to hf --out nano-hf
    python tests/benchmarks/throughput.py nano nano-hf

The texts are the test part of sms-spam, short messages. Prints texts a second, on the clock and of processor time, the
median of the rounds, and the lowest and highest ratio of one round. Both must answer the same labels.
"""

import argparse
import logging
import statistics
import time
from collections.abc import Callable, Sequence

import psutil
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
from transformers.utils import logging as theirs

from gptcore import TextClassifier, load_dataset

Answer = Callable[[Sequence[str]], list[str]]


def ways(folder: str, exported: str) -> dict[str, Answer]:
    classifier = TextClassifier.load(folder)
    model = AutoModelForSequenceClassification.from_pretrained(exported)
    pipe = pipeline("text-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(exported))

    def batches_of(n: int) -> Answer:
        return lambda texts: [a["label"] for a in pipe(list(texts), batch_size=n, truncation=True)]

    return {
        "this classifier": classifier.predict,
        "pipeline, batches of 32": batches_of(32),
        "pipeline, one at a time": batches_of(1),
    }


def measure(answer: Answer, texts: Sequence[str]) -> tuple[float, float]:
    """Texts a second, on the clock and of processor time."""
    clock, processor = time.perf_counter(), time.process_time()
    answer(texts)
    return len(texts) / (time.perf_counter() - clock), len(texts) / (time.process_time() - processor)


if __name__ == "__main__":
    theirs.set_verbosity(logging.CRITICAL)
    theirs.disable_progress_bar()
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("exported")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    given = parser.parse_args()
    texts, found = load_dataset("sms-spam").test.texts, ways(given.folder, given.exported)
    for n_threads in given.threads:
        torch.set_num_threads(n_threads)
        assert len({tuple(answer(texts)) for answer in found.values()}) == 1  # and warms up
        rounds = [
            {name: measure(answer, texts) for name, answer in found.items()} for _ in range(given.rounds)
        ]
        print(f"{n_threads} threads, {len(texts)} texts, load {psutil.getloadavg()[0]:.1f}")
        for name in found:
            clock, processor = (statistics.median(each[name][i] for each in rounds) for i in (0, 1))
            ratios = sorted(each["this classifier"][1] / each[name][1] for each in rounds)
            print(
                f"  {name}: {clock:,.0f} a second, {processor:,.0f} of processor time; "
                f"ratio {ratios[0]:.1f} to {ratios[-1]:.1f}"
            )
