"""Whole sequences in one pass forward and one backward: C++ on a CPU, Triton on a GPU.

The same functions as in `ranvier.torch.functional`, which is the reference they are tested against.
"""

from ranvier.torch.fused import direct as direct
from ranvier.torch.fused import membranes as membranes
from ranvier.torch.fused import quick as quick
from ranvier.torch.fused import recurrent as recurrent
from ranvier.torch.fused.cell import attempt as attempt
from ranvier.torch.fused.cell import built_in as built_in
from ranvier.torch.fused.cell import from_rest as from_rest
from ranvier.torch.fused.lif import lif_sequence as lif_sequence
from ranvier.torch.fused.lif import rows as rows
from ranvier.torch.fused.lif import run as run
from ranvier.torch.fused.lif import unsupported as unsupported
