# Two commands need nothing but python3 >= 3.10 with venv, make and a package index: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BRIDGES := .venv-bridges
DEMO := multirun/demo

.PHONY: demo test test-bridges check matrix format clean

# The environment is made anew for another Python, in another place, and when it was not finished.
MADE_FOR := $(CURDIR) $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>&1)
ifneq ($(shell cat $(VENV)/.made 2>/dev/null),$(MADE_FOR))
.PHONY: $(VENV)/.made
endif

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit("exptools needs Python 3.10 or newer; PYTHON=%s is %s. Try: make PYTHON=python3.11" % (sys.argv[1], sys.version.split()[0]) if sys.version_info < (3, 10) else 0)' $(PYTHON)
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@printf '%s\n' '$(subst ','\'',$(MADE_FOR))' > $@

# The stamp is newer than pyproject.toml: an edit of the dependencies installs again, nothing else does.
$(VENV)/.installed: pyproject.toml $(VENV)/.made
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[web,slurm]' --group test --group check
	@touch $@

demo: $(VENV)/.installed  ## train a small sweep and show what comes out
	@$(BIN)/python examples/demo.py $(DEMO)

test: $(VENV)/.installed
	$(BIN)/python -m pytest $(ARGS)

# TORCH_INDEX=https://download.pytorch.org/whl/cpu gets a torch without CUDA: a tenth of the size.
$(BRIDGES)/.installed: pyproject.toml
	$(PYTHON) -m venv --clear $(BRIDGES)
	$(BRIDGES)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BRIDGES)/bin/python -m pip install --quiet --disable-pip-version-check --editable . --group test --group bridges \
		$(addprefix --extra-index-url ,$(TORCH_INDEX))
	@touch $@

test-bridges: $(BRIDGES)/.installed  ## the tests with torch, Lightning and Stable-Baselines3
	$(BRIDGES)/bin/python -m pytest $(addprefix tests/logging/test_,lightning.py stable_baselines3.py bridges_docs.py \
		snapshots.py snapshot_faults.py kinds_arrays.py) tests/viewing/test_view_readers_golden.py $(ARGS)

matrix: $(VENV)/.installed  ## the tests with every Python and Hydra that is supported, as far as there is one
	$(BIN)/python tests/matrix.py $(ARGS)

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(BRIDGES) .matrix multirun outputs dist build .pytest_cache .mypy_cache .ruff_cache
