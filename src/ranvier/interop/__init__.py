"""Other programs' data, in and out."""

from ranvier.interop import psst as psst
from ranvier.interop.formats import export as export
from ranvier.listing import listed as _listed


def __dir__() -> list[str]:
    return _listed(globals(), "psst")
