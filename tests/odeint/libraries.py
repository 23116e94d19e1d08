"""The same test on every array library: what differs between them, in one place."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np


class Library:
    """One array library: its module for writing `f`, and how to make and read its arrays."""

    name = "numpy"
    xp = np

    def array(self, x, dtype="float64"):
        return np.asarray(x, dtype)

    def stack(self, parts):
        return np.stack(parts)

    def numpy(self, x):
        return np.asarray(x)

    def double(self):
        return contextlib.nullcontext()

    def __repr__(self):
        return self.name


class Jax(Library):
    name = "jax"
    xp = jnp

    def array(self, x, dtype="float64"):
        with jax.enable_x64(True):
            return jnp.asarray(np.asarray(x, dtype))

    def stack(self, parts):
        return jnp.stack(parts)

    def double(self):
        return jax.enable_x64(True)


class Torch(Library):
    name = "torch"

    @property
    def xp(self):
        import torch

        return torch

    def array(self, x, dtype="float64"):
        return self.xp.tensor(np.asarray(x, dtype))

    def stack(self, parts):
        return self.xp.stack(parts)

    def numpy(self, x):
        return x.detach().numpy()


class TensorFlow(Library):
    name = "tensorflow"

    @property
    def xp(self):
        import tensorflow

        return tensorflow

    def array(self, x, dtype="float64"):
        return self.xp.constant(np.asarray(x, dtype))

    def stack(self, parts):
        return self.xp.stack(parts)


LIBRARIES = {library.name: library for library in (Library(), Jax(), Torch(), TensorFlow())}
