"""General beginnings for tiny models: a trunk that has learnt to imitate the speech embedding, for any phrase.

A file (safetensors) holds the trunk and the readout of one architecture and width, the mean and the spread of the
embedding it learnt to give in units of, and in its header what it learnt from and how well. `wakewright backbone
train` writes one; those of `SHIPPED` come with the package.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from wakewright.core.errors import RunError
from wakewright.core.files import write_bytes
from wakewright.models.registry import Dimensions, frontend_of

FORMAT = 1
"""Version of the files this package writes and reads."""
SHIPPED = Path(__file__).parent / "backbones"
"""Folder of the backbones that come with the package."""
BODY = ("trunk.", "readout.")
"""Parts of a tiny model that a backbone holds: all but the head, which is the phrase's own."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """What standardises the speech embedding."""

    mean: NDArray[np.float32]
    """(96,)"""
    std: NDArray[np.float32]
    """(96,)"""


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A beginning for tiny models of one architecture and width."""

    dims: Dimensions
    weights: dict[str, torch.Tensor]
    """Parameters and buffers of the model's body, by name."""
    scale: Scale
    about: dict[str, Any]
    """What it learnt from, for how long, and how like the embedding it is on people it never heard."""

    def fit_for(self, dims: Dimensions) -> Backbone:
        """This backbone, if it is one for models of these dimensions. Raises RunError when it is not."""
        if dims.frontend != self.dims.frontend:
            raise RunError(
                "the backbone learnt through another front end",
                got=f"{frontend_of(self.dims)}, where the model hears through {frontend_of(dims)}",
                do="leave model.frontend out, or let the model learn to hear on its own streams: "
                "train.pretrain.backbone=null",
            )
        if (dims.name, dims.width) != (self.dims.name, self.dims.width):
            raise RunError(
                "the backbone is for another model",
                got=f"one for {self.dims.name} of width {self.dims.width:g}",
                do=f"train one for {dims.name} of width {dims.width:g}: wakewright backbone train",
            )
        return self

    def begin(self, model: Any) -> None:
        """Put these weights into the body of `model`, which keeps its own head. Raises RunError for another model."""
        self.fit_for(model.dims)
        if body(model).keys() != self.weights.keys():
            raise RunError(
                "the backbone is not whole",
                got=f"{len(self.weights)} of the {len(body(model))} tensors of a {self.dims.name}",
                do="train it anew: wakewright backbone train",
            )
        model.load_state_dict(self.weights, strict=False)


def file_name(dims: Dimensions) -> str:
    """The name that a backbone's file has among those shipped, such as mixednet-0.375.safetensors."""
    return f"{dims.name}-{dims.width:g}.safetensors"


def shipped(dims: Dimensions) -> Backbone | None:
    """The backbone in the package for models of these dimensions; None where there is none."""
    if dims.frontend is not None:  # all of them learnt through the micro front end
        return None
    path = SHIPPED / file_name(dims)
    return read(path) if path.is_file() else None


def find(name: str | None, dims: Dimensions) -> Backbone | None:
    """What a recipe's `pretrain.backbone` names for models of these dimensions; None where it names or there is none.

    Raises RunError for a file that cannot be used for them.
    """
    if name is None:
        return None
    return shipped(dims) if name == "shipped" else read(Path(name).expanduser()).fit_for(dims)


def body(model: Any) -> dict[str, torch.Tensor]:
    """Copies of the parameters and buffers that a backbone of `model` holds."""
    return {k: v.detach().clone() for k, v in model.state_dict().items() if k.startswith(BODY)}


def write(path: Path | str, backbone: Backbone) -> None:
    """Write a backbone atomically. Raises DiskFull."""
    tensors = dict(backbone.weights)
    tensors["embedding.mean"] = torch.from_numpy(backbone.scale.mean)
    tensors["embedding.std"] = torch.from_numpy(backbone.scale.std)
    header = {"format": FORMAT, "dims": backbone.dims.told(), "about": backbone.about}
    write_bytes(path, save(tensors, {"wakewright": json.dumps(header, ensure_ascii=False)}))


def read(path: Path | str) -> Backbone:
    """Read a backbone. Raises RunError for a file that is missing, broken or foreign, or from a newer version."""
    path = Path(path)
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {})["wakewright"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if header["format"] != FORMAT:
            raise RunError(
                f"{path} was made by a newer wakewright",
                got=f"format {header['format']}, while this version reads {FORMAT}",
                do="update wakewright (git pull, or pip install --upgrade wakewright)",
            )
        scale = Scale(tensors.pop("embedding.mean").numpy(), tensors.pop("embedding.std").numpy())
        return Backbone(Dimensions(**header["dims"]), tensors, scale, header["about"])
    except OSError as error:
        raise RunError(f"no backbone at {path}", got=error.strerror or str(error), do="name a file") from error
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{path} is not a backbone", got=str(error) or "nothing", do="make one: wakewright backbone train"
        ) from error
