"""Other programs' data, in and out."""

from ranvier.interop import psst as psst
from ranvier.interop.formats import export as export
from ranvier.interop.nir_graph import from_nir as from_nir
from ranvier.interop.nir_graph import to_nir as to_nir
from ranvier.interop.sonata_in import SonataModel as SonataModel
from ranvier.interop.sonata_in import read_sonata as read_sonata
from ranvier.listing import listed as _listed


def __dir__() -> list[str]:
    return _listed(globals(), "psst")
