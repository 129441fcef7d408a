"""ONNX files in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from inference import backends
from inference.errors import ModelNotInstalled, ModelUnusable, OperatorContractBroken
from tests.inference.backends.installed import install, onnx_doubling


def test_onnx_answers_in_single_precision_whatever_it_computes_in(tmp_path: Path) -> None:
    for number in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE):
        content = onnx_doubling(number=number)
        model = backends.load(install(tmp_path, {"network.onnx": content}, backend="onnx"))
        answer = model.predict("network.onnx", np.full((2, 1, 3, 3, 3), 1.5, dtype=np.float32))
        assert answer.dtype == np.float32
        assert np.array_equal(answer, np.full((2, 1, 3, 3, 3), 3))
        assert model.nbytes == len(content)
        with pytest.raises(ModelNotInstalled, match=r"it has network\.onnx"):
            model.predict("other.onnx", answer)


def test_an_array_of_another_shape_is_refused_with_both_shapes(tmp_path: Path) -> None:
    content = onnx_doubling(axes=("n", 1, 8, 8, 8))
    model = backends.load(install(tmp_path, {"network.onnx": content}, backend="onnx"))
    with pytest.raises(OperatorContractBroken, match="takes n x 1 x 8 x 8 x 8, but was given 1 x 1 x 4 x 4 x 4"):
        model.predict("network.onnx", np.zeros((1, 1, 4, 4, 4), dtype=np.float32))


def test_what_is_no_onnx_or_takes_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match=r"network\.onnx of model doubling 1\.0 cannot be read as ONNX"):
        backends.load(install(tmp_path, {"network.onnx": b"no protobuf"}, backend="onnx"))
    with pytest.raises(ModelUnusable, match=r"takes tensor\(int64\)"):
        content = onnx_doubling(number=TensorProto.INT64)
        backends.load(install(tmp_path, {"network.onnx": content}, backend="onnx"))
    with pytest.raises(ModelUnusable, match=r"takes tensor\(float\), tensor\(float\)"):
        backends.load(install(tmp_path, {"network.onnx": _of_two()}, backend="onnx"))


def _of_two() -> bytes:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ("n",)) for name in ("a", "b", "c")]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["c"])], "sum", values[:2], values[2:])
    content: bytes = helper.make_model(graph, ir_version=9).SerializeToString()
    return content
