# postshake: every target sets up what it needs in .venv by itself.
#
#   make demo     watch a client step up over a real TLS 1.3 connection
#   make test     every test (what needs a program that is not here is skipped, and told)
#   make test-optimized  the tests of what SECURITY.md promises, under python -O
#   make suites   other projects' own tests of TLS, with the standard module and with ours
#   make soak     the property tests, with other examples each time, and many; then fuzzing
#                 for ten minutes in all (make fuzz FUZZ="--seconds 60" for one; Linux alone)
#   make lint     ruff and mypy --strict
#   make bench    speed against the floor of primitives and against ssl
#   make bench-full  longer, with how costs grow; JSON and a plot in build/
#   make docs     the documentation, in build/site
#   make packaging  build sdist and wheel, install them elsewhere, check what users get
#   make constraints  renew constraints.txt: the newest versions of all that is installed here
#   make picture  draw the front page's picture again
#   make format   let ruff rewrite the layout
#   make clean    remove .venv, caches and builds
#
# make test ARGS="-k reauth -n 0" passes ARGS to pytest; PYTHON=... chooses the
# interpreter, and VENV=.venv-3.13, say, a place of its own for it. What is installed there has
# the versions in constraints.txt; CONSTRAINTS= takes the newest instead. Where python3 is too
# old, or cannot make virtual environments, PYTHON is the newest that can.

VENV := .venv
BIN := $(VENV)/bin
CONSTRAINTS := constraints.txt
# the second is for what builds the package itself
PIP = $(if $(CONSTRAINTS),PIP_BUILD_CONSTRAINT=$(CONSTRAINTS)) \
	$(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALL = $(PIP) install $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS))
EXPLAINED = || { exec >&2; \
	echo "pip fetches from PyPI, or from where its configuration says: is that there?"; exit 1; }
USABLE := import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 11))

# The first that is new enough and can make a virtual environment: the one that people have chosen
# to be theirs, then the newest that we promise.
PYTHON ?= $(shell for python in python3 python3.15 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c '$(USABLE)' >/dev/null 2>&1 && echo "$$python" && break; done)
ARGS ?=
FUZZ ?= --seconds 600

.PHONY: demo test test-optimized suites soak fuzz lint docs packaging constraints picture bench bench-full format clean
.NOTPARALLEL:

demo: $(VENV)/.package
	@$(BIN)/python -m postshake demo

test: $(VENV)/.group-test
	$(BIN)/python -m pytest -n auto $(ARGS)

# In the environment, for pytest's workers and for what the tests start.
test-optimized: $(VENV)/.group-test
	PYTHONOPTIMIZE=1 $(BIN)/python -m pytest -n auto tests/security tests/test_optimized.py $(ARGS)

# Fetches those projects' source distributions into build/suites. The first tests are the long ones.
suites: $(VENV)/.group-suites
	POSTSHAKE_SUITES=1 $(BIN)/python -m pytest -n 2 --maxschedchunk 1 tests/suites $(ARGS)

# what takes examples; the rest would only be the same again
soak: $(VENV)/.group-fuzz
	POSTSHAKE_EXAMPLES=soak $(BIN)/python -m pytest -n auto -m hypothesis $(ARGS)
	$(BIN)/python -m tests.fuzz $(FUZZ)

fuzz: $(VENV)/.group-fuzz
	$(BIN)/python -m tests.fuzz $(FUZZ)

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

packaging: $(VENV)/.group-packaging
	POSTSHAKE_PACKAGING=1 $(BIN)/python -m pytest -n 0 tests/packaging $(ARGS)

GROUPS_OF_ALL := $(patsubst %,--group %,test suites fuzz lint docs packaging constraints dev)
constraints: $(VENV)/.group-constraints
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --upgrade \
	    --all-extras $(GROUPS_OF_ALL) --no-annotate --quiet \
	    --custom-compile-command "make constraints" --output-file constraints.txt

# of a connection that is drawn again only if its recording is removed
PICTURE := docs/assets/connection
picture: $(VENV)/.package
	@test -f $(PICTURE).jsonl || $(BIN)/python -m postshake demo --json >$(PICTURE).jsonl
	@for theme in light dark; do \
	    $(BIN)/python -m postshake trace $(PICTURE).jsonl --svg $(PICTURE)-$$theme.svg --theme $$theme; \
	done

format: $(VENV)/.group-lint
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

clean:
	rm -rf .venv .venv-* build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps, so that the second time costs nothing. A failed step leaves none.

$(VENV)/.made:
	@python='$(PYTHON)'; "$${python:-false}" -c '$(USABLE)' >/dev/null 2>&1 || { \
	    echo "postshake needs Python 3.11 or newer, with the modules venv and ensurepip."; \
	    for each in $${python:-python3 python}; do \
	        "$$each" -c 'import sys; print(sys.argv[1], "is", sys.version.split()[0])' "$$each" \
	            2>/dev/null || \
	        echo "$$each is not there, or does not run"; \
	    done; \
	    echo "Debian, Ubuntu: apt-get install python3-venv. Elsewhere: https://www.python.org/downloads/"; \
	    echo "Another interpreter: make PYTHON=/path/to/python3"; exit 1; } >&2
	@"$(PYTHON)" -m venv --clear $(VENV)
	@touch $@

# Dependency groups need pip 25.1, build constraints pip 25.3: newer than what many venvs bring.
$(VENV)/.pip: $(CONSTRAINTS) $(VENV)/.made
	@echo "fetching what is needed into $(VENV)"
	@$(INSTALL) "pip>=25.3" $(EXPLAINED)
	@touch $@

$(VENV)/.package: pyproject.toml $(VENV)/.pip
	@$(INSTALL) -e . $(EXPLAINED)
	@touch $@

$(VENV)/.group-%: pyproject.toml $(VENV)/.pip
	@$(INSTALL) --group $* -e . $(EXPLAINED)
	@touch $@
