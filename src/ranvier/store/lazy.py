"""An array in a store as xarray reads it: when its values are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing

if TYPE_CHECKING:
    from ranvier.store.reader import StoredArray


class LazyArray(BackendArray):
    """What `xarray` asks of an array that is not in memory."""

    def __init__(self, array: StoredArray):
        self.array = array
        self.shape = array.shape
        self.dtype = array.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        read = lambda keys: self.array.select(keys, outer=True)
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, read)


def lazy(array: StoredArray) -> Any:
    """The array, for `xarray.DataArray`; once it was read, it stays."""
    read: Any = indexing.LazilyIndexedArray(LazyArray(array))
    return indexing.MemoryCachedArray(indexing.CopyOnWriteArray(read))
