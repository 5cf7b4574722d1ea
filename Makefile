# The interpreter that makes the virtual environments (3.11 to 3.13).
PYTHON ?= python3

VENV := .venv
BIN := $(VENV)/bin

# A function that cannot keep its compiled modules starts twice as slowly.
unexport PYTHONDONTWRITEBYTECODE
export SAM_CLI_TELEMETRY = 0

.DEFAULT_GOAL := help
.PHONY: help run serve publish sam-local test unit lint format bench deploy docs build clean

help: ## what this Makefile can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/local.stamp ## the whole service on this machine, until Ctrl-C
	@exec $(BIN)/python -m local run

serve: $(VENV)/local.stamp ## the service on PostgreSQL, as own servers run it, until Ctrl-C; what is created stays
	@exec $(BIN)/python -m local serve

deploy: $(VENV)/local.stamp ## template.yaml into the running local cloud, or whatever answers at AWS_ENDPOINT_URL
	@exec $(BIN)/python -m local deploy

publish: $(VENV)/local.stamp ## an event as the cache service publishes it: make publish KEY=did:web:example.com,Login,Administration
	@exec $(BIN)/taskctl publish-event "$(KEY)" --nats "nats://127.0.0.1:$${NATS_PORT:-4222}" \
	  --subject "$${NATS_SUBJECT:-external}" --output json

# The functions are built for this machine, so that its containers run them as they are.
sam-local: $(VENV)/local.stamp ## what `sam local` needs to run the functions in containers, on the running local cloud
	LAYER_ARCHITECTURE=$(if $(filter x86_64,$(shell uname -m)),x86_64,arm64) $(MAKE) build
	@$(BIN)/python -m local sam-local

unit: $(VENV)/dev.stamp ## the tests of seconds
	$(BIN)/pytest -x -q tests/unit

test: $(VENV)/dev.stamp $(VENV)/browser.stamp .venv-tools/stamp lint ## lint, types and every test
	$(BIN)/pytest -q -n 4 --dist loadfile --no-loadscope-reorder tests

lint: $(VENV)/dev.stamp .venv-tools/stamp ## style, types, the template
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=layers/core:cli $(BIN)/lint-imports --no-logo --cache-dir .import_linter_cache
	bash tests/lint_template.sh

format: $(VENV)/dev.stamp ## put the code into its one shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/dev.stamp ## measure; the table also goes to tests/bench/results.txt
	PYTHONPATH=layers/core $(BIN)/python -m tests.bench

docs: $(VENV)/local.stamp ## write the generated tables of docs/ anew
	$(BIN)/python -m tests.support.settings_table
	PYTHONPATH=layers/core $(BIN)/python -m tests.support.policy_table

build: .venv-tools/stamp ## the deployable artefacts, into .aws-sam; needs a Python 3.13 with pip
	PATH="$(CURDIR)/.venv-tools/bin:$$PATH" .venv-tools/bin/sam build
	.venv-tools/bin/python layers/core/pin.py .aws-sam/build

clean: ## remove what the other targets made
	rm -rf $(VENV) .venv-tools .build .aws-sam .local .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/local.stamp: requirements/local.txt requirements/postgres.txt host/requirements.txt layers/core/requirements.txt functions/bridge/requirements.txt cli/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements/local.txt
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/local.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	@touch $@

$(VENV)/browser.stamp: tests/browser.sh $(VENV)/dev.stamp
	bash tests/browser.sh
	@touch $@

.venv-tools/stamp: requirements/tools.txt
	$(PYTHON) -m venv .venv-tools
	.venv-tools/bin/pip install --quiet --disable-pip-version-check -r requirements/tools.txt
	@touch $@
