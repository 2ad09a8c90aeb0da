# Two commands do everything: `make demo` draws, `make test` proves.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test lint bench schema references docs mini verify-sdxl clean

demo: $(VENV)/.render
	@$(BIN)/plitka demo

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

$(VENV)/.dev: $(VENV)/.render requirements-dev.txt
	@echo "Installing the diffusion part and the test tools into $(VENV) ..."
	@$(PIP) --constraint requirements.txt --constraint requirements-dev.txt --editable ".[diffusion,dev]"
	@touch $@

# The embedded model again from nothing: three hours on two cores; PROFILE=gpu is for one large card.
PROFILE ?= cpu
mini: $(VENV)/.dev
	@$(BIN)/python -m training.make --profile $(PROFILE)

# The real model, for whoever has a GPU and the hub: fetches, checks, draws, writes out/verify-sdxl/index.html.
verify-sdxl: $(VENV)/.dev
	@$(BIN)/python -m verification.sdxl --out out/verify-sdxl

clean:
	rm -rf $(VENV) out .pytest_cache .mypy_cache .ruff_cache .hypothesis
