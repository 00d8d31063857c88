# Everything one does with this repository. `make` alone prints what there is.
# Needs make and Python 3.11 or newer; the rest is fetched into .venv, pinned and checked by hash.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

BIN := .venv/bin
PACKAGES := $(patsubst %/pyproject.toml,%,$(wildcard packages/*/pyproject.toml))
SERVICES := auth user notifications

# The first interpreter that is new enough; `make up PYTHON=/path/to/python` names another.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(firstword $(foreach python,python3 python3.14 python3.13 python3.12 python3.11,\
	$(if $(shell $(python) -c '$(NEW_ENOUGH)' 2>/dev/null && echo yes),$(python))))

# As many test processes as processors; JOBS=1 runs the tests in one.
JOBS ?= auto
# More words for pytest: make test ARGS="packages/auth -k refresh"
ARGS ?=

# The system's certificates, so that a company's own proxy is trusted here as it is everywhere else on the machine.
export UV_SYSTEM_CERTS := true
UV_PIP_INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python

# Prisma's own validator reads our generated schemas. Where npm is missing or fails, the tests that need it are skipped and say so.
NODE_MODULES := $(patsubst %/package.json,%/node_modules/.installed,$(if $(shell command -v npm),\
	$(wildcard tests/*/*/package.json)))

##@ Use

.PHONY: up
up: .venv/.runtime ## Start everything: PostgreSQL, three services, worker, mailbox. Ctrl-C stops it
	@$(BIN)/orion up

.PHONY: native
native: .venv/.runtime ## Compile Argon2 for this very processor: sign-ins cost two thirds. Needs a C compiler and Python's headers
	@CFLAGS='-O3 -march=native' $(UV_PIP_INSTALL) --require-hashes -r requirements/orion.txt \
		--reinstall-package argon2-cffi-bindings --no-binary argon2-cffi-bindings

.PHONY: generate
generate: .venv/.runtime ## Write each service's prisma/schema.prisma and the pages of docs/ that come from the models
	@$(BIN)/orion db generate
	@$(BIN)/orion api

##@ Change

.PHONY: fmt
fmt: .venv/.dev ## Format, sort imports, repair what can be repaired safely
	$(BIN)/ruff check --quiet --fix-only .
	$(BIN)/ruff format .

.PHONY: lint
lint: .venv/.dev ## Style, formatting, the fences between packages and slices, sizes, undeclared dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pytest -q -m "not slow" tests/architecture

.PHONY: types
types: .venv/.dev ## Strict type check
	$(BIN)/basedpyright

.PHONY: test
test: .venv/.dev $(NODE_MODULES) ## Every test, on real PostgreSQL
	$(BIN)/pytest -n $(JOBS) $(ARGS)

.PHONY: quick
quick: .venv/.dev ## The tests that take no more than a few seconds each
	$(BIN)/pytest -n $(JOBS) -m "not slow" $(ARGS)

.PHONY: check
check: lint types test ## All that must pass before a change lands

.PHONY: bench
bench: .venv/.dev ## Run the benchmarks; each prints JSON
	@for script in $(or $(wildcard bench/*.py),$(error There is no benchmark under bench/ yet)); do $(BIN)/python $$script || exit 1; done

##@ Keep

.PHONY: setup
setup: .venv/.dev ## Only install: the virtual environment with everything that tests and checks need

.PHONY: requirements
requirements: $(BIN)/uv ## Pin again after a packages/*/pyproject.toml or requirements/*.in changed; UPGRADE=1 takes the newest of all
	@$(call compile,tools,requirements/tools.in)
	@$(call compile,dev,requirements/dev.in requirements/build.in --extra local --extra testing $(PACKAGES:%=%/pyproject.toml))
	@$(call compile,orion,requirements/build.in $(PACKAGES:%=%/pyproject.toml) --constraint requirements/dev.txt)
	@$(foreach service,$(SERVICES),$(call compile,$(service),packages/$(service)/pyproject.toml --constraint requirements/dev.txt) && ) true

# One pinned file, valid on Linux and macOS, x86-64 and arm64. The orion-* distributions come from this tree and are left out;
# everything else is pinned to what the tests ran with (requirements/dev.txt).
compile = $(BIN)/uv pip compile --quiet $(if $(UPGRADE),--upgrade) --constraint requirements/platforms.in \
	--universal --python-version 3.11 --generate-hashes --no-emit-index-url --annotation-style line --custom-compile-command 'make requirements' \
	$(patsubst packages/%,--no-emit-package orion-%,$(PACKAGES)) --output-file requirements/$(1).txt $(2)

.PHONY: clean
clean: ## Remove the virtual environment and what tools left behind; the databases under .orion/ stay
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find packages tests -name __pycache__ -type d -prune -exec rm -rf {} +
	find tests -name node_modules -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile
	@printf '\nSettings: .env.example. How to work on this: CONTRIBUTING.md.\n'

# ------------------------------------------------------------------------------------------------ what tests borrow of Node

%/node_modules/.installed: %/package.json
	@npm install --prefix $* --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error && touch $@ || \
		echo 'npm could not install $<; the tests that need it are skipped' >&2

# ------------------------------------------------------------------------------------------------ the virtual environment
# Two stamps in one environment. .runtime is what `make up` needs, .dev adds tests and checks; the pins of both are the same, so
# going back and forth between `up` and `test` installs nothing.

.venv/.dev: requirements/dev.txt .venv/.runtime
	@echo 'Installing what tests and checks need'
	@$(UV_PIP_INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

.venv/.runtime: requirements/orion.txt $(PACKAGES:%=%/pyproject.toml) $(BIN)/uv
	@echo 'Installing Orion into .venv'
	@$(UV_PIP_INSTALL) --require-hashes -r requirements/orion.txt
	@$(UV_PIP_INSTALL) --no-deps --no-build-isolation $(PACKAGES:%=-e %)
	@touch $@

$(BIN)/uv: requirements/tools.txt | $(BIN)/python
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/tools.txt
	@touch $@

$(BIN)/python:
	@$(or $(PYTHON),false) -c '$(NEW_ENOUGH)' 2>/dev/null || { \
		echo "Orion needs Python 3.11 or newer; $(or $(PYTHON),python3) is: $$($(or $(PYTHON),python3) --version 2>&1)." >&2; \
		echo 'Install a newer one, or say where it is: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12' >&2; exit 1; }
	@echo 'Making .venv with $(PYTHON)'
	@$(PYTHON) -m venv .venv
