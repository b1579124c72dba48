"""The int8 form of a graph: whole numbers in the file, and what it gave before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx as onnx_package
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from wakewright.core.errors import WakewrightError
from wakewright.detect.networks import OnnxNetwork
from wakewright.dsp.micro import SCALE, dequantise
from wakewright.export import onnx, parity_onnx, qdq
from wakewright.export.qdq import Grid
from wakewright.models import quantised, registry

TINY = [name for name in registry.NAMES if name != "speech_embedding"]


@pytest.fixture(scope="module", params=TINY)
def rounding(request: pytest.FixtureRequest, heard: Any) -> Any:
    """Each tiny architecture with some ranges, rounding."""
    torch.manual_seed(4)
    width = {"resnet18": 0.125, "mobilenet_v3": 0.25}.get(request.param, 0.5)
    model = registry.create(registry.Dimensions(request.param, width))
    with torch.no_grad():
        frames = torch.from_numpy(dequantise(heard(model.receptive_field + 30)))[None].expand(4, -1, -1)
        model.train()(frames + torch.rand(frames.shape))
        quantised.prepare(model.eval())
        model(frames)
        for layer in model.modules():  # biases that are not 0
            if isinstance(layer, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                layer.bias.normal_(0, 0.1)
        model(frames)
    quantised.set_rounding(model, rounds=True, watches=False)
    return model


def constants(model: onnx_package.ModelProto) -> dict[str, np.ndarray]:
    return {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}


@pytest.mark.parametrize("form", ["streaming", "windowed"])
def test_all_that_is_multiplied_is_stored_as_int8(rounding: Any, form: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    {"streaming": onnx.write, "windowed": onnx.write_windowed}[form](rounding, path)
    made = onnx_package.load(path)
    onnx_package.checker.check_model(made, full_check=True)
    values = constants(made)
    assert not any(node.op_type == "Constant" for node in made.graph.node)
    assert not any(value.dtype == np.float32 and value.ndim > 1 for value in values.values())
    source = {name: node for node in made.graph.node for name in node.output}
    weighed = [node for node in made.graph.node if node.op_type in ("Conv", "MatMul")]
    assert len(weighed) >= 4
    for node in weighed:
        weights = values[source[node.input[1]].input[0]]
        zeros = values[source[node.input[1]].input[2]]
        assert weights.dtype == zeros.dtype == np.int8
        assert weights.min() >= -127
        assert not zeros.any()
        assert len(zeros) == weights.shape[0 if node.op_type == "Conv" else 1]
        if node.op_type == "Conv":
            heard, bias = (source[node.input[i]] for i in (0, 2))
            assert heard.op_type == bias.op_type == "DequantizeLinear"
            assert values[bias.input[0]].dtype == np.int32
            units = values[heard.input[1]] * values[source[node.input[1]].input[1]]
            np.testing.assert_allclose(values[bias.input[1]], units, rtol=1e-6)
    assert {str(p.key): p.value for p in made.metadata_props} == {"frontend": "micro", "stride": str(rounding.stride)}


def test_another_models_windowed_file_is_refused(mixednet: Any, heard: Any, tmp_path: Path) -> None:
    onnx.write_windowed(mixednet, tmp_path / "windowed.onnx")
    frames = dequantise(heard(500))
    assert parity_onnx.windowed(mixednet, tmp_path / "windowed.onnx", frames) < 0.05
    bias = mixednet.last.conv.bias
    before = bias.data.clone()
    bias.data += 1.0
    try:
        with pytest.raises(WakewrightError, match="the windowed ONNX model does not give what the trained model"):
            parity_onnx.windowed(mixednet, tmp_path / "windowed.onnx", frames)
    finally:
        bias.data = before


def test_it_gives_what_the_floats_gave_in_a_fraction_of_the_bytes(
    mixednet: Any, heard: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx.write(mixednet, tmp_path / "int8.onnx")
    monkeypatch.setattr(qdq, "store", lambda *_: None)
    onnx.write(mixednet, tmp_path / "float.onnx")
    monkeypatch.undo()
    frames = dequantise(heard(3000))
    before, after = (
        OnnxNetwork(tmp_path / f"{name}.onnx", mixednet.stride, 40, "micro")(frames) for name in ("float", "int8")
    )
    assert np.ptp(before) > 0.3
    np.testing.assert_allclose(after, before, atol=0.02)
    assert np.mean(after == before) > 0.5
    assert (tmp_path / "int8.onnx").stat().st_size < 0.4 * (tmp_path / "float.onnx").stat().st_size
    stored = onnx_package.load(tmp_path / "int8.onnx")
    again = onnx_package.load(tmp_path / "int8.onnx")
    qdq.store(again, Grid(SCALE, -128))
    assert again == stored
    older = onnx_package.load(tmp_path / "float.onnx")
    qdq.store(older, Grid(SCALE, -128))
    assert constants(older).keys() == constants(stored).keys()


def test_onnx_runtime_computes_it_in_whole_numbers(mixednet: Any, tmp_path: Path) -> None:
    """What the pairs are laid for: no convolution or product in float is left."""
    onnx.write(mixednet, tmp_path / "model.onnx")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "computed.onnx")
    onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx_package.load(tmp_path / "computed.onnx").graph.node]
    assert kinds.count("QLinearConv") == 6
    assert not {"Conv", "MatMul", "FusedConv"} & set(kinds)


def test_products_of_int8_are_added_in_as_many_bits_as_they_need(mixednet: Any, tmp_path: Path) -> None:
    """On processors without VNNI, which the machine that tests this may have: so the setting itself is held."""
    onnx.write(mixednet, tmp_path / "model.onnx")
    network = OnnxNetwork(tmp_path / "model.onnx", mixednet.stride, 40, "micro")
    assert network._session.get_session_options().get_session_config_entry("session.x64quantprecision") == "1"


WEIGHTS = (np.array([[127, -4], [-127, 60]]) * np.array([[0.5], [0.01]])).astype(np.float32)[..., None]


def small(weights: np.ndarray, bias: list[float]) -> onnx_package.ModelProto:
    """(1, 2, time) "frames", times a half, through a convolution."""
    nodes = [
        helper.make_node("Mul", ["frames", "half"], ["x"], "scale"),
        helper.make_node("Conv", ["x", "weights", "bias"], ["scores"], "conv"),
    ]
    values = {"half": np.float32(0.5), "weights": weights, "bias": np.array(bias, np.float32)}
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2, 3]) for name in ("frames", "scores")]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]
    graph = helper.make_graph(nodes, "small", ends[:1], ends[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def outcome(model: onnx_package.ModelProto) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    frames = np.array([[[0.0, 0.2, 12.6], [-12.8, 0.1, 0.3]]], np.float32)  # on the grid
    result: np.ndarray = session.run(None, {"frames": frames})[0]
    return result


def test_a_convolution_on_a_grid_gets_whole_weights_a_whole_bias_and_a_pair() -> None:
    model = small(WEIGHTS, [0.5, -0.005])
    before = outcome(model)
    qdq.store(model, Grid(0.1, 0))
    found = constants(model)
    np.testing.assert_array_equal(found["conv/weights"][..., 0], [[127, -4], [-127, 60]])
    np.testing.assert_array_equal(found["conv/bias"], [20, -10])  # of 0.05 times 0.5, and times 0.01
    assert found["conv/heard/scale"] == np.float32(0.05)
    np.testing.assert_allclose(outcome(model), before, atol=1e-5)


@pytest.mark.parametrize(
    ("weights", "bias", "grid", "stored"),
    [
        (WEIGHTS + np.float32(0.003), [0.5, 0.0], Grid(0.1, 0), set()),  # weights that nothing has rounded
        (WEIGHTS, [0.5, 3e6], Grid(0.1, 0), {"conv/weights"}),  # a bias past 32 bits
        (WEIGHTS, [0.5, 0.0], None, {"conv/weights"}),  # an input that is on no grid
    ],
)
def test_what_has_no_exact_form_stays_float(weights: np.ndarray, bias: list[float], grid: Any, stored: Any) -> None:
    model = small(weights, bias)
    before = outcome(model)
    qdq.store(model, grid)
    whole = {name for name, value in constants(model).items() if value.dtype in (np.int8, np.int32)}
    assert {name for name in whole if "/zero" not in name} == stored
    np.testing.assert_allclose(outcome(model), before, rtol=1e-6)
