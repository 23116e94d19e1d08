"""What goes over the WebSocket: a header in JSON and a block of numbers."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

MAGIC = 0x314C5652  # "RVL1"
ROWS, SPIKES, TILE, STATUS, ERROR = 1, 2, 3, 4, 5


def frame(kind: int, number: int, header: dict[str, Any], *blocks: np.ndarray) -> bytes:
    """A message: `u32 'RVL1' · u16 kind · u16 flags · u32 id · u32 header bytes · JSON padded to 8 · numbers`, little-endian.

    Example:
        >>> message = frame(STATUS, 7, {"a": 1})
        >>> message[:4], len(message)
        (b'RVL1', 24)
    """
    text = json.dumps(header, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    payload = b"".join(np.ascontiguousarray(block, block.dtype.newbyteorder("<")).tobytes() for block in blocks)
    return struct.pack("<IHHII", MAGIC, kind, 0, number, len(text)) + text + payload
