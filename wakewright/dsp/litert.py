"""LiteRT: the interpreter of TFLite models, on one thread."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

_redirected = threading.Lock()


@contextlib.contextmanager
def without_c_messages() -> Iterator[None]:
    """Send the process's standard error to nowhere during the block.

    LiteRT announces its delegate there from every process, past Python's sys.stderr and with no setting to stop it;
    what goes wrong it raises. File descriptor 2 belongs to the whole process: only one thread at a time redirects
    it, for the milliseconds that making an interpreter takes, and it is restored whatever happens in the block.
    """
    with _redirected, contextlib.ExitStack() as stack:
        try:
            kept = os.dup(2)
        except OSError:  # no standard error at all, as in some services: nothing to keep clean
            kept = None
        if kept is not None:
            stack.callback(os.close, kept)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            stack.callback(os.close, nowhere)
            stack.callback(os.dup2, kept, 2)  # called first, before the two are closed
            os.dup2(nowhere, 2)
        yield


class Net:
    """A model with one input and one output.

    `reference` computes with the plain kernels that TFLite-Micro's results equal to the bit, several times slower
    than the fast ones, which differ from them by a few of 256 steps at most.
    """

    def __init__(self, model: bytes, shape: Sequence[int] | None = None, *, reference: bool = False) -> None:
        """`model` is the file's content; `shape` is the input's, where the file leaves it open.

        Raises ValueError or RuntimeError when it is no model that LiteRT knows.
        """
        self._model = model  # the interpreter reads weights in place
        kernels = OpResolverType.BUILTIN_REF if reference else OpResolverType.AUTO
        with without_c_messages():
            self._interpreter: Any = Interpreter(
                model_content=model, num_threads=1, experimental_op_resolver_type=kernels
            )
            self.input: dict[str, Any] = self._interpreter.get_input_details()[0]
            """name, index, shape, dtype and quantization of the input."""
            if shape is not None:
                self._interpreter.resize_tensor_input(self.input["index"], tuple(shape))
            self._interpreter.allocate_tensors()
        self.output: dict[str, Any] = self._interpreter.get_output_details()[0]
        """The same of the output."""

    def __call__(self, values: NDArray[Any]) -> NDArray[Any]:
        """One call: an array of the input's shape and type -> one of the output's."""
        self._interpreter.set_tensor(self.input["index"], values)
        self._interpreter.invoke()
        result: NDArray[Any] = self._interpreter.get_tensor(self.output["index"])
        return result
