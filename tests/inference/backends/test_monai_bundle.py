"""A bundle's own network runs; what a bundle would have us evaluate does not."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inference import backends
from inference.backends import Floats
from inference.backends.bundle_definition import network_of
from inference.errors import ModelUnusable
from tests.inference.backends.installed import install, torchscript

SEGRESNET = {
    "_target_": "SegResNet",
    "spatial_dims": "@dimensions",
    "init_filters": 8,
    "in_channels": 1,
    "out_channels": 2,
    "blocks_down": [1, 2],
    "blocks_up": [1],
}


def configuration(network: Any, **more: Any) -> bytes:
    return json.dumps({"dimensions": 3, "network_def": network, **more}).encode()


def saved(content: object) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def volume() -> Floats:
    return np.random.default_rng(3).random((1, 1, 8, 8, 8), dtype=np.float32)


def test_a_network_of_monais_own_runs_with_the_bundles_weights(tmp_path: Path) -> None:
    from monai.networks.nets import SegResNet

    torch.manual_seed(5)
    network = SegResNet(
        spatial_dims=3, init_filters=8, in_channels=1, out_channels=2, blocks_down=(1, 2), blocks_up=(1,)
    )
    with torch.inference_mode():
        expected = network.eval()(torch.from_numpy(volume())).numpy()
    for target in ("SegResNet", "monai.networks.nets.SegResNet", "monai.networks.nets.segresnet.SegResNet"):
        for weights in (network.state_dict(), {"model": network.state_dict()}):
            files = {"inference.json": configuration(SEGRESNET | {"_target_": target}), "model.pt": saved(weights)}
            model = backends.load(install(tmp_path, files, backend="monai-bundle"))
            np.testing.assert_allclose(model.predict("model.pt", volume()), expected, atol=1e-5)

    other = {"inference.json": configuration(SEGRESNET | {"init_filters": 16}), "model.pt": saved(network.state_dict())}
    with pytest.raises(ModelUnusable, match=r"model\.pt of model doubling 1\.0 does not fit its network_def"):
        backends.load(install(tmp_path, other, backend="monai-bundle"))
    absent = {"inference.json": configuration({"_target_": "Nonesuch"}), "model.pt": saved({})}
    with pytest.raises(ModelUnusable, match=r"monai\.networks\.nets has no network Nonesuch"):
        backends.load(install(tmp_path, absent, backend="monai-bundle"))
    wrong = {"inference.json": configuration({"_target_": "SegResNet", "colour": 1}), "model.pt": saved({})}
    with pytest.raises(ModelUnusable, match=r"SegResNet cannot be made as network_def says: .*colour"):
        backends.load(install(tmp_path, wrong, backend="monai-bundle"))


def test_a_bundles_torchscript_comes_before_its_definition(tmp_path: Path) -> None:
    files = {"inference.json": configuration({"_target_": "os.system"}), "model.ts": torchscript(tmp_path)}
    model = backends.load(install(tmp_path, files, backend="monai-bundle"))
    np.testing.assert_array_equal(model.predict("model.ts", volume()), volume() * 2)


class Intruder:
    """Pickled, it would make a folder when it is read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.mkdir, (self._folder,)


def test_weights_that_would_run_code_are_refused_and_run_none(tmp_path: Path) -> None:
    pytest.importorskip("monai.networks.nets")
    intrusion = tmp_path / "intruded"
    for content in (saved({"model": Intruder(intrusion)}), pickle.dumps(Intruder(intrusion))):
        files = {"inference.json": configuration(SEGRESNET), "model.pt": content}
        with pytest.raises(ModelUnusable, match=r"model\.pt of model doubling 1\.0 cannot be read as weights alone"):
            backends.load(install(tmp_path / "models", files, backend="monai-bundle"))
    assert not intrusion.exists()
    numbers = {"inference.json": configuration(SEGRESNET), "model.pt": saved([1, 2])}
    with pytest.raises(ModelUnusable, match="holds no state_dict"):
        backends.load(install(tmp_path / "models", numbers, backend="monai-bundle"))


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (
            {"_target_": "os.system", "command": "true"},
            r"_target_: only networks of monai\.networks\.nets .*os\.system",
        ),
        ({"_target_": "monai.networks.netsome.Net"}, "only networks of"),
        ({"_target_": "SegResNet", "spatial_dims": "$__import__('os').getpid()"}, "spatial_dims: expressions .* not"),
        ({"_target_": "SegResNet", "act": ["%macro.json::act"]}, r"act\[0\]: expressions and macros are not evaluated"),
        ({"_target_": "SegResNet", "norm": {"_target_": "os.getpid"}}, r"norm: .*not another object \(os\.getpid\)"),
        ({"_target_": "SegResNet", "norm": {"deep": "@elsewhere"}}, r"norm\.deep: @elsewhere refers to no plain value"),
        ({"_target_": "SegResNet", "norm": "@hidden"}, "expressions and macros are not evaluated"),
        ({"_target_": "SegResNet", "norm": "@chained"}, "refers to no plain value"),
        ({"_target_": "resnet50", "pretrained": True}, "pretrained: weights come from the bundle alone"),
        ("$build()", r"expected _target_ with the name of a network"),
        ({"spatial_dims": 3}, r"expected _target_ with the name of a network"),
    ],
)
def test_whatever_would_have_to_be_evaluated_is_refused_by_its_place(
    tmp_path: Path, network: Any, expected: str
) -> None:
    file = tmp_path / "inference.json"
    file.write_bytes(configuration(network, hidden="$evil()", chained="@dimensions"))
    with pytest.raises(ModelUnusable, match=expected):
        network_of({"inference.json": file})


def test_the_first_configuration_with_a_definition_counts_and_yaml_is_read_too(tmp_path: Path) -> None:
    first, second = tmp_path / "inference.yaml", tmp_path / "train.json"
    first.write_text("bundle_root: .\n")
    second.write_bytes(configuration(SEGRESNET))
    assert network_of({"train.json": second, "inference.yaml": first}).arguments["spatial_dims"] == 3
    first.write_text("network_def: {_target_: UNet, strides: [2, 2]}\n")
    assert network_of({"train.json": second, "inference.yaml": first}).class_name == "UNet"
    with pytest.raises(ModelUnusable, match=r"neither models/model\.ts nor a network_def"):
        network_of({"metadata.json": second})
    first.write_text("{")
    with pytest.raises(ModelUnusable, match=r"inference\.yaml cannot be read"):
        network_of({"inference.yaml": first})
