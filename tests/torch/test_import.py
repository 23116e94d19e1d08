"""PyTorch is imported on first use, and missed with a word of what to do."""

import subprocess
import sys


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_ranvier_alone_does_not_import_pytorch():
    done = python("import sys, ranvier as rv; assert 'torch' not in sys.modules; rv.torch.LIF(); assert 'torch' in sys.modules")
    assert done.returncode == 0, done.stderr


def test_without_pytorch():
    done = python("import sys; sys.modules['torch'] = None; import ranvier.torch")
    assert "ImportError: ranvier.torch needs PyTorch: pip install 'ranvier[torch]'" in done.stderr
