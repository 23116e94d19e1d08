"""Arithmetic on 32-bit words in every array library: what the random numbers are made with.

NumPy and JAX have a uint32 that wraps around. PyTorch and TensorFlow have no
arithmetic on theirs, so there a word is the low half of an int64. Numbers that
are known before the arrays (keys, shifts) may be Python integers.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

import jax
import numpy as np

MASK = 0xFFFFFFFF


class NativeWords:
    """Words that wrap around by themselves. The base: what a library does otherwise, it overrides.

    Args:
        xp: `numpy` or `jax.numpy`.
    """

    def __init__(self, xp: Any):
        self.xp = xp

    def word(self, x: Any) -> Any:
        """An integer, or an array of them, as words."""
        return np.uint32(int(x) & MASK) if isinstance(x, int | np.integer) else x.astype(self.xp.uint32)

    def wrap(self, x: Any) -> Any:
        """The low 32 bits of a sum."""
        return x

    def xor(self, x: Any, y: Any) -> Any:
        return x ^ y

    def rotate(self, x: Any, bits: int) -> Any:
        return self.left(x, bits) | self.right(x, 32 - bits)

    def left(self, x: Any, bits: Any) -> Any:
        return x << self.word(bits)

    def right(self, x: Any, bits: int) -> Any:
        return x >> np.uint32(bits)

    def low_bits(self, x: Any, bits: int) -> Any:
        return x & np.uint32((1 << bits) - 1)

    def is_zero(self, x: Any) -> Any:
        """1 where a word is 0, else 0; a word."""
        return (x == 0).astype(self.xp.uint32)

    def count(self, like: Any, start: Any) -> Any:
        """`start`, `start + 1`, … in the shape of `like`."""
        return self.xp.arange(like.size, dtype=self.xp.uint32).reshape(like.shape) + self.word(start)

    def entries(self, table: np.ndarray, at: Any) -> Any:
        """The entries of a table of words."""
        return self.xp.asarray(table)[at]

    def real(self, x: Any, dtype: str) -> Any:
        """Words as `"float32"` or `"float64"`."""
        return x.astype(dtype)

    def cast(self, x: Any, like: Any) -> Any:
        """Numbers in the dtype of `like`."""
        return x.astype(like.dtype)


class TorchWords(NativeWords):
    """Words in PyTorch's int64."""

    def word(self, x: Any) -> Any:
        return int(x) & MASK if isinstance(x, int | np.integer) else x.to(self.xp.int64) & MASK

    def wrap(self, x: Any) -> Any:
        return x & MASK

    def left(self, x: Any, bits: Any) -> Any:
        return (x << bits) & MASK

    def right(self, x: Any, bits: int) -> Any:
        return x >> bits

    def low_bits(self, x: Any, bits: int) -> Any:
        return x & ((1 << bits) - 1)

    def is_zero(self, x: Any) -> Any:
        return (x == 0).to(self.xp.int64)

    def count(self, like: Any, start: int) -> Any:
        return self.xp.arange(start, start + like.numel(), dtype=self.xp.int64, device=like.device).reshape(like.shape)

    def entries(self, table: np.ndarray, at: Any) -> Any:
        return self.xp.as_tensor(table.astype(np.int64), device=at.device)[at]

    def real(self, x: Any, dtype: str) -> Any:
        return x.to(getattr(self.xp, dtype))

    def cast(self, x: Any, like: Any) -> Any:
        return x.to(like.dtype)


class TensorFlowWords(NativeWords):
    """Words in TensorFlow's int64, whose bitwise operations are functions."""

    def _tensor(self, x: Any) -> Any:
        return self.xp.cast(x, self.xp.int64)

    def word(self, x: Any) -> Any:
        return int(x) & MASK if isinstance(x, int | np.integer) else self.wrap(self._tensor(x))

    def wrap(self, x: Any) -> Any:
        return self.low_bits(x, 32)

    def xor(self, x: Any, y: Any) -> Any:
        return x ^ y if isinstance(x, int) and isinstance(y, int) else self.xp.bitwise.bitwise_xor(self._tensor(x), self._tensor(y))

    def rotate(self, x: Any, bits: int) -> Any:
        return self.left(x, bits) + self.right(x, 32 - bits)

    def left(self, x: Any, bits: Any) -> Any:
        return self.wrap(self.xp.bitwise.left_shift(x, self._tensor(bits)))

    def right(self, x: Any, bits: int) -> Any:
        return self.xp.bitwise.right_shift(self._tensor(x), self._tensor(bits))

    def low_bits(self, x: Any, bits: int) -> Any:
        return self.xp.bitwise.bitwise_and(x, self._tensor((1 << bits) - 1))

    def is_zero(self, x: Any) -> Any:
        return self._tensor(x == 0)

    def count(self, like: Any, start: int) -> Any:
        size = self.xp.size(like, out_type=self.xp.int64)
        return self.xp.reshape(self.xp.range(start, start + size, dtype=self.xp.int64), self.xp.shape(like))

    def entries(self, table: np.ndarray, at: Any) -> Any:
        return self.xp.gather(self.xp.constant(table.astype(np.int64)), at)

    def real(self, x: Any, dtype: str) -> Any:
        return self.xp.cast(x, dtype)

    def cast(self, x: Any, like: Any) -> Any:
        return self.xp.cast(x, like.dtype)


@functools.cache
def _words(module: str) -> NativeWords:
    kind = {"torch": TorchWords, "tensorflow": TensorFlowWords}.get(module, NativeWords)
    return kind(importlib.import_module(module))


def words_for(*values: Any) -> NativeWords:
    """The arithmetic of the library that one of the values is an array of; NumPy's if none is.

    Example:
        >>> words_for(3, np.zeros(2)).xp.__name__
        'numpy'
    """
    for x in values:
        if isinstance(x, int | np.ndarray | np.generic):
            continue
        if isinstance(x, jax.Array):
            return _words("jax.numpy")
        for base in type(x).__mro__:
            root = base.__module__.partition(".")[0]
            if root in ("torch", "tensorflow"):
                return _words(root)
    return _words("numpy")
