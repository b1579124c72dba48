"""Where a recipe's work runs: its branch `engine`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from wakewright.core.node import Node


def address_problem(address: str) -> str:
    """Why this is no address of a Ray cluster's head; "" for one."""
    if "://" in address:
        return "is of another kind: Ray's own clients are not used, the machine that asks is a node of the cluster"
    found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})", address)
    return "" if found and 0 < int(found[2]) < 65536 else "should read HOST:PORT, as `ray start --head` prints it"


class Engine(Node):
    """Where the work runs."""

    kind: Literal["local", "ray"] = "local"
    """local: processes of this machine; ray: the nodes of a Ray cluster, which see the same folders as this one."""
    address: str | None = None
    """HOST:PORT of the Ray cluster's head; null is the cluster that this machine is a node of."""
    features: str | None = None
    """Folder that keeps the features, so that another model, or other settings of the training, need not hear all of
    it again; some 120 MB for a phrase. Null keeps none."""
    workers: Annotated[int, Field(ge=0)] = 0
    """Processes for speaking, augmenting and features; 0 takes one per core, of all machines of a cluster."""

    @model_validator(mode="after")
    def _address_of_a_cluster(self) -> Engine:
        if self.address is None:
            return self
        if self.kind != "ray":
            raise ValueError(f"address: belongs to kind ray, and kind is {self.kind}: leave it out, or write null")
        if problem := address_problem(self.address):
            raise ValueError(f"address: {problem}")
        return self
