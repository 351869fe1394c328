"""Saves a classifier whose weights are divided among processes: each writes its own, and one file is made of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch.distributed as dist
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict_saver import save

from gptcore.classifier import DESCRIPTION, TENSORS, TextClassifier, check_place
from gptcore.engine.sharded import Team
from gptcore.files import cannot_write, replace_files
from gptcore.training.kept_tokenizer import KEPT_FILES
from gptcore.training.network_predictors import NetworkPredictor

PARTS = "parts"  # folder of a checkpoint of torch.distributed, while the one file is made of it
WHOLE = "model-00001-of-00001.safetensors"  # as torch calls the one file


def save_sharded(classifier: TextClassifier, folder: Path, team: Team) -> None:
    """Write what `TextClassifier.save` writes, from all processes of a team: no process ever holds all of it.

    Takes the room of two copies on the disk for a moment. Raises UserError as that does.
    """
    predictor, parts = classifier.predictor, folder / PARTS
    assert isinstance(predictor, NetworkPredictor)
    check_place(folder)  # in every process, before any waits for the others
    if team.rank == 0:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / DESCRIPTION).unlink(missing_ok=True)  # half of a pair must not pass for a whole
        except OSError as error:
            raise cannot_write(folder, error) from error
        shutil.rmtree(parts, ignore_errors=True)
    dist.barrier()
    learned = {name: p.detach() for name, p in predictor.network.named_parameters() if p.requires_grad}
    writer = HuggingFaceStorageWriter(str(parts), save_distributed=True, enable_consolidation=True)
    save(learned, storage_writer=writer)
    if team.rank == 0:
        (parts / WHOLE).replace(folder / TENSORS)
        shutil.rmtree(parts)
        replace_files(folder, classifier.other_files(), known=KEPT_FILES)
    dist.barrier()
