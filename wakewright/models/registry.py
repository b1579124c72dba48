"""Models by name, and what they all share."""

from __future__ import annotations

import dataclasses
import importlib
import io
import pickle
from pathlib import Path
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from wakewright.core.audio import SAMPLE_RATE
from wakewright.core.errors import RunError
from wakewright.core.files import write_bytes
from wakewright.core.recipe import Model
from wakewright.core.run import Run
from wakewright.dsp import frontend, logmel
from wakewright.models import quantised
from wakewright.models.layers import Chain, State

LONGEST_REASON = 200
"""Characters of what torch says of a file that are passed on."""


@dataclasses.dataclass(frozen=True)
class Dimensions:
    """Everything needed to build a model again; stored beside its weights."""

    name: str
    """Name in the registry."""
    width: float = 1.0
    """Multiplies the channels of a tiny model's trunk, or of the head on the speech embedding."""
    hidden: int = 64
    """Values of a tiny model's last temporal layer."""
    frontend: str | None = None
    """Name of the front end (see dsp.frontend.create) of a tiny model that hears through another than micro."""

    @classmethod
    def of(cls, model: Model) -> Self:
        """As a recipe describes the model."""
        own = None if model.frontend is None else logmel.name_of(model.frontend)
        return cls(model.name, model.width, model.hidden, own)

    def told(self) -> dict[str, Any]:
        """As they are stored: a front end that is the model's usual one goes without saying."""
        return {key: value for key, value in dataclasses.asdict(self).items() if value is not None}


class StreamingModel(Protocol):
    """Frames to logits, all at once or piece by piece."""

    dims: Dimensions
    frontend: str
    """Name of the front end whose frames it takes."""
    channels: int
    """Values per frame."""
    stride: int
    """Frames per output."""
    receptive_field: int
    """Frames behind one output."""

    def features(self, frames: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, time, channels) -> (batch, steps, channels); a tiny model imitates the embedding with them."""
        ...

    def classify(self, features: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, steps, channels) features -> (batch, steps) logits; asked for in training mode alone."""
        ...

    def forward(self, frames: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """(batch, time, channels) -> (batch, steps) logits and the state to go on from."""
        ...

    def hide_channels(self, share: float) -> None:
        """Hide this share of the embedding's, or the imitated embedding's, channels in each training example."""
        ...

    def initial_state(self, batch: int) -> State:
        """The state after endless silence."""
        ...


def create(dims: Dimensions) -> Any:
    """Build the model of these dimensions, with fresh weights. Raises KeyError for an unknown name, of the model or
    its front end, InputError for settings that make no front end."""
    if dims.name == "speech_embedding":
        from wakewright.models.embedding_head import EmbeddingHead

        return EmbeddingHead(dims)
    from wakewright.models.tiny import TinyModel

    front = frontend.create(frontend_of(dims))
    module = importlib.import_module(f"wakewright.models.{TRUNKS[dims.name]}")
    trunk: Chain = getattr(module, dims.name)(front.channels, dims.width)
    return TinyModel(dims, trunk, front)


TRUNKS = {
    "mixednet": "mixednet",
    "tc_resnet": "tc_resnet",
    "tc_resnet14": "tc_resnet",
    "bc_resnet": "bc_resnet",
    "ds_cnn": "ds_cnn",
    "tiny_conv": "tiny_conv",
    "tiny_depthwise": "tiny_conv",
    "mobilenet_v3": "mobilenet_v3",
    "resnet18": "resnet18",
}
"""The trunks of tiny models: each a function of its name, and the module it stands in."""
NAMES = ("speech_embedding", *TRUNKS)
"""Every model that `create` builds."""


def frontend_of(model: Model | Dimensions) -> str:
    """The name of the front end that a model hears through, without building it."""
    dims = Dimensions.of(model) if isinstance(model, Model) else model
    return dims.frontend or ("speech_embedding" if dims.name == "speech_embedding" else "micro")


def looked_at_s(model: Any) -> float:
    """Seconds of sound behind one score."""
    front = frontend.create(model.frontend)
    return float(front.first_end + (model.receptive_field - 1) * front.hop) / SAMPLE_RATE


def example(dims: Dimensions) -> Any:
    """A model to ask for its measures: nothing is drawn of the chance that a training begins with."""
    with torch.random.fork_rng(devices=[]):
        return create(dims)


def parameters(model: nn.Module) -> int:
    """Number of trained values that a model computes with outside training."""
    return sum(p.numel() for p in model.parameters()) - int(getattr(model, "spared", 0))


def save(path: Path | str, model: Any, **extra: Any) -> None:
    """Write weights and dimensions atomically; loads with `weights_only=True`."""
    buffer = io.BytesIO()
    weights = {k: v.detach().cpu() for k, v in model.state_dict().items()}
    about = {"dims": model.dims.told(), "int8": quantised.is_prepared(model)}
    torch.save({**about, "weights": weights, **extra}, buffer)
    write_bytes(path, buffer.getvalue())


def load(path: Path | str) -> Any:
    """Build the model stored at `path`, in evaluation mode.

    Raises RunError when it is missing, damaged or not a model.
    """
    stored = read(path)
    try:
        model = create(Dimensions(**stored["dims"]))
        if stored.get("int8"):
            quantised.prepare(model)
            quantised.set_rounding(model, rounds=True, watches=False)
        model.load_state_dict(stored["weights"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise _damaged(Path(path), error) from error
    return model.eval()


def of_run(run: Run) -> Any:
    """The run's trained model. Raises RunError as `load` does, and when it is not the recipe's."""
    path, wanted = run.require("model.pt"), Dimensions.of(run.recipe.model)
    model = load(path)
    if model.dims != wanted:
        raise RunError(
            f"{path} is not the model of the run's recipe",
            got=f"{model.dims.told()}, where {wanted.told()} is needed",
            do="restore it from a copy, or train again",
        )
    return model


def read(path: Path | str) -> dict[str, Any]:
    """The dimensions and weights that `save` stored at `path`. Raises RunError as `load` does."""
    path = Path(path)
    if not path.is_file():
        raise RunError(f"no model at {path}", got="no such file", do="train first: wakewright train PHRASE")
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, LookupError, ValueError, pickle.UnpicklingError) as error:
        raise _damaged(path, error) from error
    if not isinstance(stored, dict) or not {"dims", "weights"} <= stored.keys():
        raise RunError(f"{path} is not a wakewright model", got=type(stored).__name__, do="name a run's model.pt")
    return stored


def _damaged(path: Path, error: Exception) -> RunError:
    why = " ".join(str(error).split())[:LONGEST_REASON] or type(error).__name__
    return RunError(f"{path} is damaged", got=why, do="train again, or restore it from a copy")
