import pytest

from ranvier.kernels import dispatch


@pytest.fixture(params=["native", "reference"])
def path(request, monkeypatch):
    """Both ways of every host kernel."""
    if request.param == "reference":
        monkeypatch.setattr(dispatch, "native_module", lambda: None)
    elif not dispatch.native_available():
        pytest.skip("the native module is not built")
    return request.param
