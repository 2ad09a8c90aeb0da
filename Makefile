# Two commands do everything: `make demo` draws, `make test` proves.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
RELEASE := .venv-release/bin

.PHONY: demo test lint bench schema references docs mini verify-sdxl lock audit clean

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

# Swatches of the palette, the sheets, the mixing table, the pictures of the standard requests.
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

# The real model, for whoever has a GPU and the hub: fetches, checks, draws, writes out/verify-sdxl/index.html.
verify-sdxl: $(VENV)/.dev
	@$(BIN)/python -m verification.sdxl --out out/verify-sdxl

# Every package of the container with its hashes, from the pins in requirements.txt, and the table of licences.
lock: .venv-release/.tools $(VENV)/.dev
	@$(RELEASE)/uv pip compile requirements.txt --output-file requirements.lock --quiet --generate-hashes \
		--python-version 3.11 --python-platform x86_64-manylinux_2_28 --custom-compile-command "make lock"
	@$(BIN)/python docs/components.py

# Known vulnerabilities of the container's packages, and a software bill of materials in out/.
audit: .venv-release/.tools
	@mkdir -p out
	@$(RELEASE)/cyclonedx-py requirements requirements.lock --output-reproducible --output-file out/sbom.cdx.json
	@$(RELEASE)/pip-audit --requirement requirements.lock --no-deps --disable-pip --strict

.venv-release/.tools: requirements-release.txt
	@test -x $(RELEASE)/python || $(PYTHON) -m venv .venv-release
	@$(RELEASE)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-release.txt
	@touch $@

clean:
	rm -rf $(VENV) .venv-release out .pytest_cache .mypy_cache .ruff_cache .hypothesis
