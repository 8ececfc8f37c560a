# postshake: every target sets up what it needs in .venv by itself.
#
#   make demo     watch a client step up over a real TLS 1.3 connection
#   make test     every test (peers that are not installed are skipped)
#   make suites   other projects' own tests of TLS, with the standard module and with ours
#   make soak     the property tests, with other examples each time, and many
#   make lint     ruff and mypy --strict
#   make bench    speed against the floor of primitives and against ssl
#   make bench-full  longer, with how costs grow; JSON and a plot in build/
#   make docs     the documentation, in build/site
#   make format   let ruff rewrite the layout
#   make clean    remove .venv, caches and builds
#
# make test ARGS="-k reauth -n 0" passes ARGS to pytest; PYTHON=... chooses the
# interpreter, and VENV=.venv-3.13, say, a place of its own for it.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
USABLE := import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 11))

# The first that is new enough and can make a virtual environment.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3.14 python3; do \
	"$$python" -c '$(USABLE)' >/dev/null 2>&1 && echo "$$python" && break; done)
ARGS ?=

.PHONY: demo test suites soak lint docs bench bench-full format clean
.NOTPARALLEL:

demo: $(VENV)/.package
	@$(BIN)/python -m postshake demo

test: $(VENV)/.group-test
	$(BIN)/python -m pytest -n auto $(ARGS)

# Fetches those projects' source distributions into build/suites.
suites: $(VENV)/.group-suites
	POSTSHAKE_SUITES=1 $(BIN)/python -m pytest -n 2 tests/suites -rPs $(ARGS)

# what takes examples; the rest would only be the same again
soak: $(VENV)/.group-test
	POSTSHAKE_EXAMPLES=soak $(BIN)/python -m pytest -n auto -m hypothesis $(ARGS)

lint: $(VENV)/.group-lint
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

bench: $(VENV)/.group-test
	@$(BIN)/python -m benches $(ARGS)

bench-full: $(VENV)/.group-test
	@mkdir -p build
	@$(BIN)/python -m benches --full --seconds 180 --json build/benches.json --svg build/scaling.svg $(ARGS)

docs: $(VENV)/.group-docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

format: $(VENV)/.group-lint
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

clean:
	rm -rf .venv .venv-* build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps, so that the second time costs nothing. A failed step leaves none.

$(VENV)/.made:
	@python='$(PYTHON)'; "$${python:-false}" -c '$(USABLE)' >/dev/null 2>&1 || { \
	    echo "postshake needs Python 3.11 or newer with the modules venv and ensurepip;"; \
	    echo "$${python:-no python3 found here} does not do."; \
	    echo "Debian, Ubuntu: apt-get install python3-venv. Elsewhere: https://www.python.org/downloads/"; \
	    echo "Another interpreter: make PYTHON=/path/to/python3"; exit 1; } >&2
	"$(PYTHON)" -m venv --clear $(VENV)
	@touch $@

$(VENV)/.package: pyproject.toml $(VENV)/.made
	$(PIP) install -e .
	@touch $@

# Dependency groups need pip 25.1, which may be newer than what ensurepip brought.
$(VENV)/.group-%: pyproject.toml $(VENV)/.made
	$(PIP) install "pip>=25.1"
	$(PIP) install --group $* -e .
	@touch $@
