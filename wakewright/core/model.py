"""Which model is trained, and what it hears through: a branch of the recipe."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PositiveFloat,
    PositiveInt,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from wakewright.core.node import Node

ModelName = Literal[
    "speech_embedding",
    "mixednet",
    "tc_resnet",
    "tc_resnet14",
    "bc_resnet",
    "ds_cnn",
    "tiny_conv",
    "tiny_depthwise",
    "mobilenet_v3",
    "resnet18",
]


class Frontend(Node):
    """A spectrum as the field writes it, for models that no microcontroller has to run."""

    kind: Literal["mel", "mfcc"] = "mel"
    """mel: logarithm of the energies in bands on the mel scale; mfcc: the first cepstral coefficients of them."""
    window_ms: Annotated[float, Field(ge=5, le=128, multiple_of=0.5)] = 30
    """Sound behind one frame, in milliseconds, under a Hann window."""
    hop_ms: Annotated[float, Field(ge=5, le=40, multiple_of=0.5)] = 10
    """From one frame to the next, in milliseconds; no longer than the window."""
    n_mels: Annotated[int, Field(ge=8, le=128)] = 40
    """Bands on the mel scale."""
    n_mfcc: Annotated[int, Field(ge=4, le=128)] = 13
    """Cepstral coefficients that are kept, the first of all (loudness) among them; mfcc alone."""
    fmin_hz: Annotated[int, Field(ge=0, lt=8000)] = 125
    """Lower end of the lowest band, in hertz."""
    fmax_hz: Annotated[int, Field(gt=0, le=8000)] = 7500
    """Upper end of the highest band, in hertz; sound is sampled at 16 kHz."""
    cmvn: bool = True
    """Bring every coefficient to mean 0 and variance 1, by what it has over the training part; the model holds both,
    and so does the run (cmvn.json)."""

    @model_validator(mode="after")
    def _fits_together(self) -> Frontend:
        if self.hop_ms > self.window_ms:
            raise ValueError(
                f"hop_ms: sound between the frames would not be heard, with a window of {self.window_ms:g}"
            )
        if self.fmin_hz >= self.fmax_hz:
            raise ValueError(f"fmin_hz: not below fmax_hz, which is {self.fmax_hz}")
        if self.kind == "mfcc" and self.n_mfcc > self.n_mels:
            raise ValueError(f"n_mfcc: more coefficients than bands, of which there are {self.n_mels}")
        return self


def _micro_is_null(value: Any) -> Any:
    """The micro front end by its name is what null says, and nothing about it can be set."""
    if not isinstance(value, dict) or value.get("kind") != "micro":
        return value
    if len(value) > 1:
        raise ValueError("micro is the front end that devices run, and has no settings")
    return None


class Model(Node):
    """Which model is trained."""

    name: ModelName = "speech_embedding"
    """speech_embedding (most accurate; a Pi, PC or server); mixednet (tiny and streaming; an ESP32). Also tiny, but
    not measured on real voices: tc_resnet, tc_resnet14, bc_resnet, ds_cnn, tiny_conv, tiny_depthwise, mobilenet_v3,
    resnet18."""
    width: PositiveFloat = 1.0
    """Multiplies the channels of a tiny model's trunk (tau, 1 to 8, of bc_resnet), or of the head on the speech
    embedding."""
    hidden: PositiveInt = 64
    """Values of a tiny model's last temporal layer, whose weights are most of a small model: 16 * 16 for each."""
    frontend: Annotated[Frontend | None, BeforeValidator(_micro_is_null)] = None
    """What a tiny model hears through, where not through the micro front end; null is the micro front end, the only
    one that devices, int8 and the backbones have."""

    @model_validator(mode="after")
    def _hears_through_one(self) -> Model:
        if self.name == "speech_embedding" and self.frontend is not None:
            raise ValueError("frontend: the speech embedding is a front end itself; choose a tiny model, or null")
        return self

    @model_serializer(mode="wrap")
    def _told(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without a front end of its own it is told as before there were any: runs and features are known by that."""
        told: dict[str, Any] = handler(self)
        if self.frontend is None:
            told.pop("frontend", None)
        return told
