"""TorchScript files and named architectures answer in arrays; what they cannot run they refuse in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import nn

from inference import backends
from inference.backends import torch_networks
from inference.backends.architectures import MESHNET_DILATIONS, MeshNet
from inference.errors import ModelNotInstalled, ModelUnusable
from tests.inference.backends.installed import Doubling, install, manifest, torchscript


def test_torchscript_answers_in_arrays_tells_its_size_and_names_what_it_lacks(tmp_path: Path) -> None:
    model = backends.load(install(tmp_path, {"network.pt": torchscript(tmp_path)}, backend="torchscript"))
    answer = model.predict("network.pt", np.full((2, 1, 4, 4, 4), 3, dtype=np.float32))
    assert answer.dtype == np.float32
    assert np.array_equal(answer, np.full((2, 1, 4, 4, 4), 6))
    assert model.nbytes == 4000
    with pytest.raises(ModelNotInstalled, match=r'no file "other\.pt"; it has network\.pt'):
        model.predict("other.pt", answer)


def test_what_is_no_torchscript_is_refused_by_the_name_of_its_file(tmp_path: Path) -> None:
    broken = install(tmp_path, {"network.pt": b"PK, but no archive"}, backend="torchscript")
    with pytest.raises(ModelUnusable, match=r"network\.pt of model doubling 1\.0 cannot be read as TorchScript"):
        backends.load(broken)


def test_half_precision_is_for_gpus_and_for_models_validated_in_it() -> None:
    plain = manifest({"a.pt": b""}, backend="torchscript")
    validated = manifest({"a.pt": b""}, backend="torchscript", half_precision="Dice differs by less than 0.001 on 40.")
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    assert torch_networks.precision(validated, gpu) == torch.float16
    assert {torch_networks.precision(plain, gpu), torch_networks.precision(validated, cpu)} == {torch.float32}


def test_a_network_in_half_precision_still_takes_and_gives_single_precision() -> None:
    networks = {"network": Doubling()}
    model = torch_networks.TorchNetworks(networks, device=torch.device("cpu"), dtype=torch.float16)
    answer = model.predict("network", np.full((1, 1, 2), 1.0001, dtype=np.float32))
    assert answer.dtype == np.float32
    assert answer.ravel().tolist() == [2.0, 2.0], "rounded to half precision on the way"
    assert model.nbytes == 2000


def published_layers(dilations: Sequence[int] = MESHNET_DILATIONS) -> nn.Sequential:
    """MeshNet in the layers of its publication: convolution, instance normalisation, GELU; 15 channels."""
    torch.manual_seed(7)
    layers: list[nn.Module] = []
    for incoming, dilation in zip([1, *[15] * (len(dilations) - 1)], dilations, strict=True):
        layers.append(nn.Conv3d(incoming, 15, 3, padding=dilation, dilation=dilation, bias=False))
        layers += [nn.InstanceNorm3d(15, eps=1e-5), nn.GELU(approximate="tanh")]
    return nn.Sequential(*layers, nn.Conv3d(15, 2, 1, bias=False)).eval()


def weights_of(published: nn.Sequential) -> dict[str, torch.Tensor]:
    return {f"model.{name}": tensor for name, tensor in published.state_dict().items()}


def test_the_padded_meshnet_gives_what_the_published_layers_give() -> None:
    published = published_layers()
    network = MeshNet(weights_of(published), grid=20 * 18 * 22)
    image = torch.rand(2, 1, 20, 18, 22)
    with torch.inference_mode():
        np.testing.assert_allclose(network(image).numpy(), published(image).numpy(), atol=2e-4)
    assert network.last.weight.shape[:2] == (2, 16)


def test_a_head_cut_out_of_its_grid_is_seen_as_within_it() -> None:
    published = published_layers((2,))
    grid = torch.zeros(2, 1, 30, 32, 34)
    grid[:, :, 10:20, 10:22, 10:24] = torch.rand(2, 1, 10, 12, 14) + 0.5
    box = (slice(None), slice(None), slice(8, 22), slice(8, 24), slice(8, 26))
    with torch.inference_mode():
        whole = published(grid)[box].numpy()
        cut = MeshNet(weights_of(published), dilations=(2,), grid=30 * 32 * 34)(grid[box]).numpy()
        alone = MeshNet(weights_of(published), dilations=(2,), grid=1)(grid[box]).numpy()
    np.testing.assert_allclose(cut, whole, atol=1e-5)
    assert np.abs(alone - whole).max() > 0.01, "without the air around it, other means and variances"


def test_safetensors_fill_the_architecture_that_the_manifest_names(tmp_path: Path) -> None:
    weights = weights_of(published_layers())
    files = {"net.safetensors": save(weights)}
    model = backends.load(install(tmp_path, files, backend="safetensors", architecture="mindgrab"))
    assert model.predict("net.safetensors", np.ones((1, 1, 6, 7, 8), dtype=np.float32)).shape == (1, 2, 6, 7, 8)
    assert model.nbytes > sum(tensor.numel() * 4 for tensor in weights.values()), "channels are padded"


def test_weights_that_fit_no_architecture_are_refused(tmp_path: Path) -> None:
    files = {"net.safetensors": save({"model.0.weight": torch.zeros(1)})}
    with pytest.raises(ModelUnusable, match=r'names the architecture "transformer"; there are mindgrab'):
        backends.load(install(tmp_path, files, backend="safetensors", architecture="transformer"))
    with pytest.raises(ModelUnusable, match=r"net\.safetensors of model doubling 1\.0 does not fit mindgrab"):
        backends.load(install(tmp_path, files, backend="safetensors", architecture="mindgrab"))
    with pytest.raises(ModelUnusable, match=r"does not fit mindgrab"):
        backends.load(install(tmp_path, {"a.safetensors": b"no"}, backend="safetensors", architecture="mindgrab"))
