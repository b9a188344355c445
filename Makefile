# Two commands do everything: `make demo` shows the product, `make test` proves it. Both need only Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint types contracts unit fmt bench fuzz explore mutants-evidence parity mutants-cel system-packages clean

demo: $(VENV)/.installed
	$(BIN)/policyengine demo

test: system-packages lint types contracts unit

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

contracts: $(VENV)/.installed-dev
	$(BIN)/lint-imports

unit: $(VENV)/.installed-dev
	$(BIN)/pytest -n auto --dist loadgroup

fmt: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Every measured figure, as ratios within one run; which they are: benchmarks/README.md.
bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks

# Mutated evidence against every decoder; longer with `make fuzz EXAMPLES=100000`, one door with `DOOR=tpm`.
fuzz: $(VENV)/.installed-dev
	$(BIN)/python -m tests.fuzz $(or $(EXAMPLES),2000) $(DOOR)

# The random tests again, from new seeds: what they find they print with the seed that repeats it.
explore: $(VENV)/.installed-dev
	POLICYENGINE_SEED=random $(BIN)/pytest -q tests/property tests/integration/test_version_oracles.py

# For every check of evidence: what a build without it would believe.
mutants-evidence: $(VENV)/.installed-dev
	$(BIN)/python -m tests.mutants

# What twenty rules say of one device shown as PSA, EAT, CCA, TPM and DICE.
parity: $(VENV)/.installed-dev
	$(BIN)/python -m tests.parity

# For each planted defect of the condition engine: how many random outcomes the slow interpreter calls wrong.
mutants-cel: $(VENV)/.installed-dev
	$(BIN)/python -m tests.property.mutants

# Programs outside Python that some tests use for real (PostgreSQL, ...): installed where we may, else those tests skip loudly.
system-packages:
	@sh tests/install-system-packages.sh

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "policyengine needs Python 3.11 or newer, `$(PYTHON)` is " + sys.version.split()[0] + "; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
