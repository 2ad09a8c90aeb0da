# Two commands do everything: `make demo` draws, `make test` proves.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test lint bench schema references docs mini clean

# First at once, by the engine that needs no model; then by the embedded model, the way the container draws.
demo: $(VENV)/.render
	@$(BIN)/plitka demo
	@$(MAKE) --no-print-directory $(VENV)/.diffusion
	@$(BIN)/plitka demo --engine mini --tiles 2

test: $(VENV)/.dev
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# Milliseconds for the plan and its views.
bench: $(VENV)/.render
	@$(BIN)/python benchmarks/speed.py

# The OpenAPI schema that the Cog server reads, from the signature in predict.py.
schema: $(VENV)/.render
	@$(BIN)/plitka schema

# A swatch of every palette colour and two sheets.
references: $(VENV)/.render
	@$(BIN)/python references/make.py

# The tables and examples in the documentation that the code itself gives.
docs: $(VENV)/.render
	@$(BIN)/python docs/generate.py

# The light install: everything but torch and diffusers.
$(VENV)/.render: pyproject.toml requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing Plitka into $(VENV) ..."
	@$(PIP) --constraint requirements.txt --editable .
	@touch $@

# What a model needs: torch and diffusers, some gigabytes.
$(VENV)/.diffusion: $(VENV)/.render
	@echo "Installing the diffusion part into $(VENV) ..."
	@$(PIP) --constraint requirements.txt --editable ".[diffusion]"
	@touch $@

$(VENV)/.dev: $(VENV)/.diffusion requirements-dev.txt
	@echo "Installing the test tools into $(VENV) ..."
	@$(PIP) --constraint requirements.txt --constraint requirements-dev.txt --editable ".[diffusion,dev]"
	@touch $@

# The embedded model again from nothing: three hours on two cores; PROFILE=gpu is for one large card.
PROFILE ?= cpu
mini: $(VENV)/.dev
	@$(BIN)/python -m training.make --profile $(PROFILE)

clean:
	rm -rf $(VENV) out .pytest_cache .mypy_cache .ruff_cache .hypothesis
