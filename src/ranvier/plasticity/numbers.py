"""What all parts of a rule of plasticity have in common: parameters that are one number each."""

from __future__ import annotations

import dataclasses

from ranvier import doors
from ranvier.model import Model
from ranvier.random import Distribution


class OfProjection(Model):
    """Base of what belongs to a projection as a whole, and not to each of its edges."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, info = getattr(self, field.name), field.metadata.get("parameter")
            several = isinstance(value, Distribution | list | tuple | range) or bool(getattr(value, "shape", ()))
            if several and info is not None and info.per != "sample":
                raise doors.refusal(f"{type(self).__name__}.{field.name}", value, "one number for the projection")
        super().__post_init__()
