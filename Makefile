# `make demo` and `make test` are all most people need; both set up .venv first, on a fresh machine too.

.DEFAULT_GOAL := help
SHELL := /bin/bash
export PIP_DISABLE_PIP_VERSION_CHECK := 1

PYTHON ?= $(firstword $(foreach name,python3.11 python3,$(shell $(name) -c \
	'import sys; sys.version_info[:2] == (3, 11) and print("$(name)")' 2>/dev/null)))
BIN := .venv/bin
READY := .venv/ready
PYTEST := $(BIN)/python -m pytest -q

.PHONY: help demo test check-all lint bench bench-quick chaos chaos-long damage audit train stress benchmarks vopr fuzz docs clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: $(READY) ## a simulated day through the whole pipeline, on this machine, in about a minute
	@$(BIN)/stopline demo

test: lint ## lint, then every test that needs neither Java nor minutes, in two processes; the same examples each time
	@$(PYTEST) -n 2 --dist loadfile -m "not slow and not java" --hypothesis-profile=ci

check-all: lint ## lint, every test with random examples, three rounds of chaos; Apache Kafka and Flink need Java 17 and Maven
	@$(PYTEST)
	@if command -v java >/dev/null && command -v mvn >/dev/null; then $(MAKE) -s chaos; \
	else echo "left out: make chaos needs Java 17 and Maven"; fi

lint: $(READY) ## ruff and mypy --strict
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary

bench: $(READY) ## speed, latency and memory against the per-event baseline
	@$(BIN)/python -m tests.bench

bench-quick: $(READY) ## the same in under three minutes
	@$(BIN)/python -m tests.bench --quick

chaos: $(READY) ## kill and pause parts of a running Flink job, compare with an undisturbed run
	@$(BIN)/python -m tests.chaos --rounds 3 --partitions 1

chaos-long: $(READY) ## twenty rounds on one partition, five on four
	@$(BIN)/python -m tests.chaos --rounds 20 --partitions 1
	@$(BIN)/python -m tests.chaos --rounds 5 --partitions 4 --rescale --report bench/chaos-4.json

damage: $(READY) ## flip, cut or remove files of what jobs keep, 25 rounds: an older state takes over or it is said
	@$(BIN)/python -W ignore -m tests.damage --rounds $(or $(ROUNDS),25)

audit: $(READY) ## bill of materials (CycloneDX) of wheels and jars in bench/, and their known vulnerabilities
	@$(BIN)/python -m tests.supply

train: $(READY) ## train the demo's model from scratch
	@$(BIN)/stopline train --out models/shipped --replace --seed 1001 --worlds 16 --accounts 4000 \
		--scam-rate 0.003 --mix train --choose choose --windows 13,6,7,1

stress: $(READY) ## the shipped model where scammers choose their tactics; further mixes with MIXES=file
	@$(BIN)/stopline stress models/shipped --mixes $(or $(MIXES),test) --out bench/stress.json \
		$(if $(MIXES),,--keep)

benchmarks: $(READY) ## the models on public data
	@$(BIN)/python -m models.benchmarks

vopr: $(READY) ## seeded simulation of the legal engine and of the ladder of warnings under faults
	@$(BIN)/python -m tests.vopr $(if $(SEED),--seed $(SEED)) $(if $(SEEDS),--seeds $(SEEDS))

fuzz: $(READY) ## break inputs of everything that reads, then of the running jobs where Java is; N= how many (100000)
	@$(BIN)/python -W ignore -m tests.fuzz --n $(or $(N),100000) $(if $(SEED),--seed $(SEED))
	@$(BIN)/python -W ignore -m tests.fuzz --commands
	@if command -v java >/dev/null && command -v mvn >/dev/null; then \
		$(BIN)/python -W ignore -m tests.fuzz --jobs --n $(or $(N),100000) $(if $(SEED),--seed $(SEED)); \
	else echo "left out: the running jobs need Apache Kafka, which needs Java 17 and Maven"; fi

docs: $(READY) ## the docs as a site in build/site, every link checked
	@$(BIN)/python -m pip install --quiet mkdocs-material==9.8.1
	@$(BIN)/python -m tests.reference
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean: ## remove caches, builds and benchmark results; .venv and var (state, logs, jars) stay
	@rm -rf build dist bench ./*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Stopline needs Python 3.11 and found it neither as python3.11 nor as" \
		"python3; install it, or name it with: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Setting up .venv (once; a few minutes on a slow line)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
