import re
import warnings

import jax
import jax.numpy as jnp
import pytest

from ranvier.errors import ParameterError
from ranvier.kernels import dispatch, native_available, weighted_sum_dense

W, v = jnp.array([[1.0], [2.0]]), jnp.array([3.0, 4.0])


@pytest.fixture
def fresh(monkeypatch):
    """As at the first use in a process."""
    monkeypatch.delenv("RANVIER_KERNELS", raising=False)
    native_available.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    native_available.cache_clear()


def no_module():
    raise ImportError("no module named ranvier.kernels._native")


def test_without_the_native_module_the_reference_runs_and_a_warning_says_so_once(fresh):
    fresh.setattr(dispatch, "_import_native", no_module)
    with pytest.warns(dispatch.NativeKernelsWarning, match="reference path"):
        assert weighted_sum_dense(W, v).tolist() == [11.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert weighted_sum_dense(2 * W, v).tolist() == [22.0]


def test_the_environment_asks_for_the_reference(fresh):
    fresh.setenv("RANVIER_KERNELS", "reference")
    fresh.setattr(dispatch, "_import_native", lambda: pytest.fail("imported all the same"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not native_available()
        assert "custom_call" not in jax.jit(weighted_sum_dense).lower(W, v).as_text()


def test_the_environment_insists_on_the_native_module(fresh):
    fresh.setenv("RANVIER_KERNELS", "native")
    fresh.setattr(dispatch, "_import_native", no_module)
    with pytest.raises(ImportError):
        native_available()


def test_an_unknown_wish_is_refused(fresh):
    fresh.setenv("RANVIER_KERNELS", "fast")
    with pytest.raises(ParameterError, match="'native' or 'reference'"):
        native_available()


def test_a_module_newer_than_the_runtime_is_never_registered(fresh):
    class Newer:
        ffi_api_version = (0, 10_000)

        def handlers(self):
            pytest.fail("registered all the same")

    fresh.setattr(dispatch, "_import_native", Newer)
    with pytest.warns(dispatch.NativeKernelsWarning, match=re.escape("built for XLA FFI 0.10000")):
        assert not native_available()


def test_the_native_module_is_not_newer_than_the_runtime():
    dispatch._check_version((0, 1), dispatch._runtime_version())


def test_on_another_platform_the_reference_is_compiled(native):
    traced = jax.jit(weighted_sum_dense).trace(W, v)
    assert "ranvier.weighted_sum_dense_f32" in traced.lower(lowering_platforms=("cpu",)).as_text()
    assert "ranvier." not in traced.lower(lowering_platforms=("cuda",)).as_text()
