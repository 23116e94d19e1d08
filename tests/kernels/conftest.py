import jax
import pytest

from ranvier.kernels import native_available


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def native(x64):
    """For tests that compare the native module with the reference."""
    if not native_available():
        pytest.skip("the native module is not built")
