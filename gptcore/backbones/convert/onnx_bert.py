"""The weights of a BERT in an ONNX file, by their names in `transformers`. Needs the package `onnx` (extra `hf`).

An export keeps the names of biases, norms and embeddings. Matrices lose theirs, and are found through the graph: what a
matrix gives is added to the bias of its layer.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gptcore.backbones.convert.tensors import FoundModel, LazyTensor
from gptcore.errors import UserError, first_line
from gptcore.extras import require

if TYPE_CHECKING:
    from onnx import GraphProto, TensorProto

_ROOT = "embeddings.word_embeddings.weight"


def convert_onnx(path: Path, config: dict[str, Any]) -> FoundModel:
    """The model in an ONNX file, which has to be the BERT of `config`. Raises UserError, also for a tensor too many."""
    require("onnx", path.name, "hf")
    import onnx

    try:
        graph = onnx.load(str(path), load_external_data=False).graph
    except Exception as error:  # a damaged file can break its reader in any way
        reason = first_line(error)
        raise UserError(f"{path.name} cannot be read as ONNX: {reason}") from error
    found = _named(graph, path.name)
    expected = bert_shapes(config)
    if missing := sorted(expected.keys() - found.keys()):
        raise UserError(f"{path.name} has no {missing[0]} ({len(missing)} tensors of the model are missing)")
    if surplus := sorted(found.keys() - expected.keys()):
        raise UserError(f"{path.name}: {surplus[0]} is not a tensor of this BERT")
    for name, shape in expected.items():
        if found[name].shape != shape:
            raise UserError(f"{path.name}: {name} is {found[name].shape}, and {shape} by its config")
    return FoundModel(config, {name: found[name] for name in expected})


def bert_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Tensor -> shape of a BertModel without its pooler."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    shapes: dict[str, tuple[int, ...]] = {
        _ROOT: (config["vocab_size"], width),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], width),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], width),
    }
    norms = ["embeddings.LayerNorm"]
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}"
        attention = {f"attention.self.{part}": (width, width) for part in ("query", "key", "value")}
        dense = {
            "attention.output.dense": (width, width),
            "intermediate.dense": (inner, width),
            "output.dense": (width, inner),
        }
        for name, shape in (attention | dense).items():
            shapes |= {f"{layer}.{name}.weight": shape, f"{layer}.{name}.bias": shape[:1]}
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    return shapes | {f"{norm}.{part}": (width,) for norm in norms for part in ("weight", "bias")}


def _named(graph: GraphProto, where: str) -> dict[str, LazyTensor]:
    """The tensors of the graph without the prefix of whatever wrapped the model."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    roots = [name for name in tensors if name.endswith(_ROOT)]
    if len(roots) != 1:
        raise UserError(f"{where} has {len(roots)} tensors called {_ROOT}: it is not a BERT")
    prefix = roots[0].removesuffix(_ROOT)
    matrices = _matrices(graph, tensors)
    names = {name: matrices.get(name, name) for name in tensors}
    if odd := [name for name in names.values() if not name.startswith(prefix)]:
        raise UserError(f"{where}: what {odd[0]} is for could not be found out from the graph")
    return {
        name.removeprefix(prefix): _lazy(tensors[there], there in matrices, where)
        for there, name in names.items()
    }


def _matrices(graph: GraphProto, tensors: dict[str, TensorProto]) -> dict[str, str]:
    """Name of a matrix in the file -> of its weight: its product is the input of the Add of a bias."""
    products = {
        node.output[0]: node.input[1]
        for node in graph.node
        if node.op_type == "MatMul" and node.input[1] in tensors
    }
    named = {}
    for node in graph.node:
        if node.op_type == "Add":
            for product, bias in (node.input, reversed(node.input)):
                if product in products and bias in tensors and bias.endswith(".bias"):
                    named[products[product]] = f"{bias.removesuffix('bias')}weight"
    return named


def _lazy(tensor: TensorProto, transposed: bool, where: str) -> LazyTensor:
    """A matrix of ONNX is (in, out), the transpose of torch's."""
    from onnx import TensorProto as Proto

    if tensor.data_type != Proto.FLOAT or tensor.data_location == Proto.EXTERNAL:
        raise UserError(f"{where}: {tensor.name} is not kept in the file as float32")
    shape = tuple(int(n) for n in tensor.dims)
    return LazyTensor(shape[::-1] if transposed else shape, partial(_values, tensor, transposed))


def _values(tensor: TensorProto, transposed: bool) -> np.ndarray:
    from onnx import numpy_helper

    values = numpy_helper.to_array(tensor)
    return values.T if transposed else values
