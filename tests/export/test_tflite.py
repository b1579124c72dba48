"""TFLite files: only what a device knows, streaming as the windows do, and clear words for what cannot be written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ai_edge_litert.schema_py_generated as schema
import numpy as np
import pytest
import torch
from torch import nn

from wakewright.core.errors import InputError
from wakewright.dsp.litert import Net
from wakewright.dsp.micro import SCALE, dequantise
from wakewright.export import tflite
from wakewright.export.flatfile import ALIGNMENT, DEVICE_OPERATORS, read
from wakewright.export.parity import on_micro, streamed
from wakewright.models import quantised, registry


def test_a_device_knows_every_operator_and_the_contract_is_kept(model: Any) -> None:
    file = tflite.convert(model)
    names = {operator.name for graph in read(file) for operator in graph.operators}
    assert names <= DEVICE_OPERATORS
    assert {"CALL_ONCE", "READ_VARIABLE", "CONV_2D", "LOGISTIC", "QUANTIZE"} <= names
    assert sum(o.name == "VAR_HANDLE" for o in read(file)[0].operators) <= 20
    net = Net(file)
    assert net.input["shape"].tolist() == [1, model.stride, 40]
    assert net.input["dtype"] == np.int8
    assert net.input["quantization"] == pytest.approx((SCALE, -128))
    assert net.output["shape"].tolist() == [1, 1]
    assert (net.output["dtype"], net.output["quantization"]) == (np.uint8, (1 / 256, 0))


WIDTHS = {"tc_resnet14": 0.25, "bc_resnet": 0.5, "ds_cnn": 0.25, "mobilenet_v3": 0.25, "resnet18": 0.0625}


@pytest.mark.parametrize("name", sorted(registry.TRUNKS))
def test_every_architecture_streams_as_its_windows_do_and_as_tflite_micro_does(name: str, heard: Any) -> None:
    torch.manual_seed(6)
    model = registry.create(registry.Dimensions(name, WIDTHS.get(name, 0.5)))
    frames = heard(-(-model.receptive_field // model.stride) * model.stride + 12 * model.stride)
    known = torch.from_numpy(dequantise(frames))[None].repeat(4, 1, 1)
    with torch.no_grad():
        model.train()(known * torch.rand(4, 1, 40))
        model.eval()
        model.last.conv.weight.mul_(20.0)
        quantised.prepare(model)
        model(known)
    quantised.set_rounding(model, rounds=True, watches=False)
    file = tflite.convert(model)
    graph = read(file)[0]
    assert {operator.name for operator in graph.operators} <= DEVICE_OPERATORS
    assert sum(operator.name == "VAR_HANDLE" for operator in graph.operators) <= 20
    scores = streamed(file, frames, model.stride)
    micro = on_micro(file, frames, model.stride)
    if micro is not None:
        np.testing.assert_array_equal(scores, micro)
    window = Net(tflite.convert(model, "windowed"), reference=True)
    first = -(-model.receptive_field // model.stride) - 1
    ends = [(step + 1) * model.stride for step in range(first, len(scores))]
    alone = [window(frames[None, end - model.receptive_field : end])[0, 0] for end in ends]
    np.testing.assert_array_equal(scores[first:], alone)
    quantised.set_rounding(model, rounds=False, watches=False)
    plain = dequantise(frames[: model.receptive_field])[None]
    with torch.no_grad():
        logits, _ = model(torch.from_numpy(plain))
    net = Net(tflite.convert(model, "float"))
    np.testing.assert_allclose(net(plain), torch.sigmoid(logits).numpy(), atol=2e-4)


def test_constants_are_aligned(model: Any) -> None:
    file = tflite.convert(model)
    root = schema.Model.GetRootAs(file)
    held = [root.Buffers(i) for i in range(root.BuffersLength()) if root.Buffers(i).DataLength()]
    assert len(held) > 20
    # where a buffer's bytes begin in the file
    starts = [buffer._tab.Vector(buffer._tab.Offset(4)) for buffer in held]
    assert [start % ALIGNMENT for start in starts] == [0] * len(starts)


def test_what_is_equal_is_one_tensor_and_shapes_are_none(model: Any) -> None:
    """An interpreter keeps records of every tensor, in the arena."""
    main = schema.ModelT.InitFromPackedBuf(tflite.convert(model)).subgraphs[0]
    constants = [t for t in main.tensors if t.buffer]
    told = [
        (t.buffer, tuple(t.shape), t.type, None if t.quantization is None else tuple(t.quantization.scale))
        for t in constants
    ]
    assert len(set(told)) == len(told)
    read_back = read(tflite.convert(model))[0]
    slices = [o for o in read_back.operators if o.name == "STRIDED_SLICE"]
    assert len(slices) > 3
    assert len({index for o in slices for index in o.inputs[1:]}) <= 6
    assert all(len(o.inputs) == 1 for o in read_back.operators if o.name == "RESHAPE")


def test_a_stream_gives_what_each_window_gives_to_the_bit(model: Any, heard: Any) -> None:
    frames = heard(model.receptive_field // model.stride * model.stride + 40 * model.stride)
    scores = streamed(tflite.convert(model), frames, model.stride)
    window = Net(tflite.convert(model, "windowed"), reference=True)
    first = -(-model.receptive_field // model.stride) - 1
    ends = [(step + 1) * model.stride for step in range(first, len(scores))]
    alone = [window(frames[None, end - model.receptive_field : end])[0, 0] for end in ends]
    assert len(np.unique(scores)) > 5
    np.testing.assert_array_equal(scores[first:], alone)


def test_the_float_form_gives_what_torch_gives_without_rounding(model: Any, heard: Any) -> None:
    frames = dequantise(heard(model.receptive_field))
    net = Net(tflite.convert(model, "float"))
    quantised.set_rounding(model, rounds=False, watches=False)
    try:
        with torch.no_grad():
            logits, _ = model(torch.from_numpy(frames)[None])
    finally:
        quantised.set_rounding(model, rounds=True, watches=False)
    np.testing.assert_allclose(net(frames[None]), torch.sigmoid(logits).numpy(), atol=1e-4)


def test_every_stream_begins_in_the_same_silence(model: Any, heard: Any) -> None:
    file, frames = tflite.convert(model), heard(60 * model.stride)
    assert streamed(file, frames, model.stride).tolist() == streamed(file, frames, model.stride).tolist()
    with torch.no_grad():
        logits, _ = model(torch.from_numpy(dequantise(frames))[None], model.initial_state(1))
    first = torch.sigmoid(logits[0, :5]).numpy() * 256
    np.testing.assert_allclose(streamed(file, frames[: 5 * model.stride], model.stride), first, atol=5)


def test_what_cannot_be_written_is_said_and_no_file_is_left(tmp_path: Path) -> None:
    head = registry.create(registry.Dimensions("speech_embedding")).eval()
    with pytest.raises(InputError, match=r"EmbeddingHead cannot be written .*\n  got: model.name=speech_embedding"):
        tflite.write(head, tmp_path / "model.tflite")
    plain = registry.create(registry.Dimensions("mixednet", 0.25)).eval()
    with pytest.raises(InputError, match=r"does not know the ranges of its activations\n  got: a model trained in"):
        tflite.write(plain, tmp_path / "model.tflite")

    through = "mel-30ms-10ms-40bands-125to7500hz"
    other = registry.create(registry.Dimensions("mixednet", 0.25, frontend=through)).eval()
    for form in ("streaming", "windowed", "float"):
        with pytest.raises(
            InputError, match=rf"through the micro front end alone\n  got: .* {through}\n  do:  use --to"
        ):
            tflite.write(other, tmp_path / "model.tflite", form)

    class Foreign(nn.Module):
        outputs, reach, stride, states, macs = 32, 1, 1, 0, 0.0

    plain.trunk.layers[3] = Foreign()
    with pytest.raises(InputError, match=r"layer trunk.layers.3 has no form in TFLite\n  got: Foreign\n  do:  build"):
        tflite.write(plain, tmp_path / "model.tflite", "float")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_tflite_is_refused() -> None:
    with pytest.raises(ValueError, match="not a TFLite file"):
        read(b"0123456789")
