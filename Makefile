# `make` alone lists the targets. Everything goes into .venv of the checkout; ARGS= is handed on.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
# whoever watches sees how far it is; a log gets one line for each step
QUIET := $(shell test -t 2 || echo --quiet)
PIP := $(BIN)/python -m pip --disable-pip-version-check
UV := $(BIN)/uv pip install $(QUIET) --python $(BIN)/python
SAY = @echo set-up:
JARS := .cueline/kafka/jars
SDKS := .cueline/sdks
ARGS ?=

.PHONY: help setup demo test lint test-slow steady test-kafka test-sdks sdks mutate picture proof kafka bench-stream bench-decisions bench-open-loop bench-overload bench-growth bench-faults bench-links bench-compare lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/ready ## make .venv with Cueline in it and compile the kernels; .venv/bin/cueline is the command

demo: setup ## start everything and open http://127.0.0.1:8080/ (ARGS='--seconds 20 --json')
	@$(BIN)/cueline demo $(ARGS)

test: lint ## style, types and the tests that take seconds
	$(BIN)/python -m pytest -m "not slow and not kafka and not sdks" -n auto --maxprocesses 4 --dist loadfile $(ARGS)

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-slow: .venv/dev ## the tests that take minutes
	$(BIN)/python -m pytest -m "slow and not kafka and not sdks" $(ARGS)

steady: .venv/dev ## the tests ten times, half of them beside a load (ARGS=3: as many times)
	.ci/steady $(ARGS)

test-kafka: .venv/dev kafka ## the stream's contract and faults on Apache Kafka itself (needs Java 17 and Maven)
	$(BIN)/python -m pytest -m "kafka and not sdks" --broker kafka $(ARGS)

test-sdks: .venv/dev sdks ## clients of other makers, unmodified (needs Node.js, npm, a JDK, Maven and Chromium)
	$(BIN)/python -m pytest -m sdks $(ARGS)

mutate: .venv/dev ## change the engine one slip at a time: does a test notice? (an hour; goes on where it was)
	@$(BIN)/python -m tests.mutation.run $(ARGS)

proof: .venv/dev kafka ## every measurement in full, some four hours (ARGS=REV: the commit to compare with)
	.ci/proof $(ARGS)

picture: .venv/dev ## the README's picture of the page, of a demo started for it (needs Chromium)
	@$(BIN)/python -m tests.browser.picture $(ARGS)

kafka: $(JARS)/ready ## fetch the jars of Apache Kafka

sdks: $(SDKS)/ready ## fetch the clients that test-sdks tries

bench-stream: setup ## events per second, against stock Faust (ARGS='--shuffled 10': out of order, against in order)
	@$(BIN)/cueline bench stream $(ARGS)

bench-decisions: setup ## decisions per second, against a bare endpoint
	@$(BIN)/cueline bench decisions $(ARGS)

bench-open-loop: .venv/dev ## latencies of decisions at half of the bare endpoint's peak
	@$(BIN)/cueline bench decisions --open-loop $(ARGS)

bench-overload: setup ## five times the decisions that are possible, and a large rulebook swapped in
	@$(BIN)/cueline bench overload $(ARGS)

bench-growth: setup ## what an event and a customer cost as customers become more (ARGS='--customers 10000,100000')
	@$(BIN)/cueline bench growth $(ARGS)

bench-faults: setup ## kill -9 at random, compare every row (ARGS='--kills 20')
	@$(BIN)/cueline bench faults $(ARGS)

bench-links: setup ## from a link to the merged row, and decisions for linked ids
	@$(BIN)/cueline bench links $(ARGS)

bench-compare: setup ## this checkout against another commit (ARGS='HEAD~1 stream', or decisions)
	@$(BIN)/cueline bench compare $(ARGS)

lock: .venv/dev ## resolve the dependencies anew
	echo uv | $(LOCK) - -o requirements-uv.lock
	$(LOCK) pyproject.toml --extra demo --group build -o requirements.lock
	$(LOCK) pyproject.toml --group build -c requirements.lock -o requirements-image.lock
	$(LOCK) pyproject.toml --extra demo --extra parquet --group build --group dev -c requirements.lock -o requirements-dev.lock
	echo segment-analytics-python | $(LOCK) - -o tests/sdks/requirements.lock

LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock"

clean: ## remove what the targets above made
	rm -rf .venv .cueline target .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Cueline needs Python 3.11 or later; name one: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(SAY) a Python environment in .venv
	@$(PYTHON) -m venv .venv

# uv takes seconds where pip takes a minute; pip where uv cannot be had or does not reach the index
.venv/bin/uv: requirements-uv.lock | .venv/bin/python
	$(SAY) fetching uv, which fetches the rest
	-@$(PIP) install --quiet --require-hashes -r requirements-uv.lock && touch $@

INSTALL = @$(UV) --compile-bytecode --require-hashes -r $< || $(PIP) install $(QUIET) --require-hashes -r $<
COUNT = $$(grep -c '^[a-z].*==' $<) packages

# the stamps: an installation is made anew when what it is made from changed
.venv/installed: requirements.lock pyproject.toml | .venv/bin/uv
	$(SAY) "fetching $(COUNT)"
	$(INSTALL)
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv/ready: .venv/installed $(wildcard engine/kernels/*.py engine/kernels/*/*.py)
	@$(BIN)/python -m engine.kernels.warm
	@touch $@

.venv/dev: requirements-dev.lock .venv/ready
	$(SAY) "fetching what the tests need: $(COUNT)"
	$(INSTALL)
	@touch $@

# the clients in Python have an environment of their own: what they need is not what we need
$(SDKS)/ready: tests/sdks/package-lock.json tests/sdks/requirements.lock tests/sdks/pom.xml | .venv/bin/uv
	@rm -rf $(SDKS) && mkdir -p $(SDKS) && cp tests/sdks/package.json tests/sdks/package-lock.json $(SDKS)
	$(SAY) fetching the clients of other makers
	@mvn --batch-mode --quiet --file tests/sdks/pom.xml package
	@npm ci --prefix $(SDKS) --ignore-scripts --no-audit --no-fund --silent
	@$(BIN)/python -m venv --without-pip $(SDKS)/python
	@$(BIN)/uv pip install $(QUIET) --python $(SDKS)/python/bin/python --require-hashes -r tests/sdks/requirements.lock
	@touch $@

$(JARS)/ready: tests/kafka/pom.xml
	@rm -rf $(JARS)
	mvn --batch-mode --quiet --file tests/kafka/pom.xml package
	@touch $@
