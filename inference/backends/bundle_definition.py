"""What a MONAI bundle's configuration says of its network, read without evaluating any of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from inference.errors import ModelUnusable

CONFIGURATIONS = ("inference.json", "inference.yaml", "inference.yml", "train.json", "train.yaml", "train.yml")
"""Files of a bundle's `configs` in which `network_def` is looked for, in this order."""
NETWORK, TARGET = "network_def", "_target_"
NETS = "monai.networks.nets"
DOWNLOADS = ("pretrained",)
"""Arguments that make a network fetch weights from elsewhere."""


@dataclass(frozen=True)
class NetworkDefinition:
    """A class of `monai.networks.nets` by its name, and what it is made with: numbers, texts, lists of them."""

    class_name: str
    arguments: Mapping[str, Any]


def network_of(files: Mapping[str, Path]) -> NetworkDefinition:
    """The network that the first configuration with a `network_def` among `files` defines.

    Raises ModelUnusable when none does, when it is not of MONAI's networks, or when it would have to be evaluated.
    """
    for name in CONFIGURATIONS:
        if name in files:
            content = _read(files[name])
            if NETWORK in content:
                return _definition(content, name)
    raise ModelUnusable(
        f"The bundle has neither models/model.ts nor a {NETWORK} in its configs ({', '.join(CONFIGURATIONS)}). Export "
        "it with: python -m monai.bundle ckpt_export"
    )


def _read(file: Path) -> dict[str, Any]:
    text = file.read_text(encoding="utf-8")
    try:
        content = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    except (json.JSONDecodeError, yaml.YAMLError) as fault:
        raise ModelUnusable(f"{file.name} cannot be read: {fault}") from fault
    if not isinstance(content, dict):
        raise ModelUnusable(f"{file.name} holds no configuration: expected names and values.")
    return content


def _definition(content: dict[str, Any], file: str) -> NetworkDefinition:
    network = content[NETWORK]
    if not isinstance(network, dict) or not isinstance(network.get(TARGET), str):
        raise ModelUnusable(f"{file}: {NETWORK}: expected {TARGET} with the name of a network in {NETS}.")
    target = network[TARGET]
    path, _, class_name = target.rpartition(".")
    if path and path != NETS and not path.startswith(f"{NETS}."):
        raise ModelUnusable(
            f"{file}: {NETWORK}.{TARGET}: only networks of {NETS} are built, not {target}. A bundle with code of its "
            "own comes as TorchScript: export it with python -m monai.bundle ckpt_export"
        )
    named = {name: value for name, value in network.items() if not name.startswith("_")}
    arguments = {name: _plain(value, content, f"{file}: {NETWORK}.{name}") for name, value in named.items()}
    for name in DOWNLOADS:
        if arguments.get(name):
            raise ModelUnusable(f"{file}: {NETWORK}.{name}: weights come from the bundle alone; set it to false.")
    return NetworkDefinition(class_name, arguments)


def _plain(value: Any, content: Mapping[str, Any], at: str) -> Any:
    """`value` with references to plain values followed. Raises ModelUnusable where anything would be evaluated."""
    if isinstance(value, list):
        return [_plain(item, content, f"{at}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, dict):
        if TARGET in value:
            raise ModelUnusable(f"{at}: expected a plain value, not another object ({value[TARGET]}).")
        return {name: _plain(item, content, f"{at}.{name}") for name, item in value.items()}
    if isinstance(value, str) and value[:1] in {"$", "%"}:
        raise ModelUnusable(f"{at}: expressions and macros are not evaluated ({value}); write the value itself.")
    if isinstance(value, str) and value.startswith("@"):
        return _referred(value, content, at)
    return value


def _referred(reference: str, content: Mapping[str, Any], at: str) -> Any:
    name = reference.removeprefix("@")
    found = content.get(name, reference)
    if found == reference or (isinstance(found, str) and found.startswith("@")):
        raise ModelUnusable(f"{at}: {reference} refers to no plain value of the same file; write the value itself.")
    return _plain(found, {}, at)
