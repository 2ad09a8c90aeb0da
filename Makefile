# Two commands are enough: `make demo` draws, `make test` proves.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RELEASE := .venv-release/bin
SITE   := .venv-site/bin
RAY    := .venv-ray/bin
# Every version that is installed here, pip's and the build backend's too, stands in constraints.txt.
INSTALL := -m pip install -qq --disable-pip-version-check --constraint constraints.txt
PIP    := $(BIN)/python $(INSTALL) --build-constraint constraints.txt

.PHONY: demo test test-all ray-test lint coverage bench schema references pictures docs messages site mini verify-sdxl lock \
        audit release-check clean

# First at once, by the engine that needs no model; then by the embedded model, the way the container draws.
demo: $(VENV)/.render
	@$(BIN)/plitka demo --force
	@$(MAKE) --no-print-directory $(VENV)/.diffusion
	@$(BIN)/plitka demo --force --engine mini --tiles 2

# The gate, .ci/run, runs test-all, with the tests that take longest: more than half of the time.
test: $(VENV)/.dev
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m "not slow and not long"

test-all: $(VENV)/.dev
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest

# The catalogue's runner on Ray Data, two actors on this machine: its packages are some hundreds of megabytes.
ray-test: .venv-ray/.tools
	@PATH="$(CURDIR)/$(RAY):$$PATH" $(RAY)/python -m pytest --numprocesses=0 tests/test_catalogue_ray.py

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

# Which lines of the package the tests run, in the processes that they start too; slower than `make test-all`.
# TESTS=tests/test_plan.py for a part of them; the floor is for all.
coverage: $(VENV)/.dev
	@rm -rf out/coverage
	@mkdir -p out/coverage
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/coverage run -m pytest $(TESTS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report $(if $(TESTS),--fail-under=0)

# Milliseconds for the plan and its pictures.
bench: $(VENV)/.render
	@$(BIN)/python benchmarks/speed.py

# The OpenAPI schema that the Cog server reads, from the signature in predict.py.
schema: $(VENV)/.render
	@$(BIN)/plitka schema

# Swatches of the palette, the sheets, the mixing table, the pictures of the standard requests.
references: $(VENV)/.dev
	@$(BIN)/python references/make.py

# The web page as the documentation shows it, which wants Chromium, and a drawing beside what it is drawn from.
pictures: $(VENV)/.dev
	@$(BIN)/python references/drawing.py
	@$(BIN)/python tests/page_pictures.py

# The tables and examples in the documentation that the code itself gives.
docs: $(VENV)/.dev
	@$(BIN)/python docs/generate.py

# The Russian catalogue: what the documentation needs and it lacks, to be translated there.
messages: $(VENV)/.dev
	@$(BIN)/python docs/messages.py

# The documentation as a web site in out/site, every link checked; nothing is fetched while it is built. Without
# --quiet, which would let warnings pass.
site: .venv-site/.tools
	@NO_MKDOCS_2_WARNING=1 $(SITE)/mkdocs build

# The light install: everything but torch and diffusers.
$(VENV)/.render: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing Plitka into $(VENV) ..."
	@$(BIN)/python $(INSTALL) pip setuptools
	@$(PIP) --editable .
	@touch $@

# What a model needs: torch and diffusers, some gigabytes.
$(VENV)/.diffusion: $(VENV)/.render
	@echo "Installing the diffusion part into $(VENV) ..."
	@$(PIP) --editable ".[diffusion]"
	@touch $@

$(VENV)/.dev: $(VENV)/.diffusion
	@echo "Installing the test tools into $(VENV) ..."
	@$(PIP) --editable ".[diffusion,tracing,catalogue,dev]"
	@touch $@

# The embedded model, from nothing; PROFILE=refresh goes on from the one in model_files, PROFILE=gpu too.
PROFILE ?= cpu
mini: $(VENV)/.dev
	@$(BIN)/python -m training.make --profile $(PROFILE)

# The real model, with a GPU and the hub: fetches, checks, draws, writes out/verify-sdxl/index.html.
verify-sdxl: $(VENV)/.dev
	@$(BIN)/python -m verification.sdxl --out out/verify-sdxl

# The newest of everything that the requirements*.txt leave open, for every system and every
# Python from 3.11 on (constraints.txt); of these the container's packages with their hashes, and their licences.
COMPILE := $(RELEASE)/uv pip compile --quiet --upgrade --python-version 3.11 --custom-compile-command "make lock"
UNIVERSAL := --universal --fork-strategy fewest --no-annotate
lock: .venv-release/.tools
	@$(COMPILE) requirements.txt requirements-dev.txt requirements-ray.txt $(UNIVERSAL) --output-file constraints.txt
	@$(COMPILE) requirements.txt --constraint constraints.txt --generate-hashes \
		--python-platform x86_64-manylinux_2_28 --output-file requirements.lock
	@$(MAKE) --no-print-directory $(VENV)/.dev
	@$(BIN)/python docs/components.py

# Known vulnerabilities of the container's packages, and a software bill of materials in out/.
audit: .venv-release/.tools
	@mkdir -p out
	@$(RELEASE)/cyclonedx-py requirements requirements.lock --output-reproducible --output-file out/sbom.cdx.json
	@$(RELEASE)/pip-audit --requirement requirements.lock --no-deps --disable-pip --strict

# Whether this commit can be released: clean tree, tag, versions and dates agree, lint, tests, the wheel.
release-check: $(VENV)/.dev
	@$(BIN)/python -m verification.release check
	@$(MAKE) --no-print-directory lint test-all
	@rm -rf build out/dist
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index \
		--wheel-dir out/dist .
	@ls out/dist

.venv-release/.tools: constraints.txt
	@test -x $(RELEASE)/python || $(PYTHON) -m venv .venv-release
	@$(RELEASE)/python $(INSTALL) pip setuptools
	@$(RELEASE)/python $(INSTALL) cyclonedx-bom pip-audit uv
	@touch $@

.venv-ray/.tools: pyproject.toml constraints.txt
	@test -x $(RAY)/python || $(PYTHON) -m venv .venv-ray
	@$(RAY)/python $(INSTALL) pip setuptools
	@$(RAY)/python $(INSTALL) --build-constraint constraints.txt --editable ".[catalogue,ray]" hypothesis httpx \
		pytest pytest-timeout pytest-xdist
	@touch $@

.venv-site/.tools: constraints.txt
	@test -x $(SITE)/python || $(PYTHON) -m venv .venv-site
	@$(SITE)/python $(INSTALL) pip setuptools
	@$(SITE)/python $(INSTALL) mkdocs mkdocs-htmlproofer-plugin mkdocs-material mkdocstrings-python ruff
	@touch $@

clean:
	rm -rf $(VENV) .venv-ray .venv-release .venv-site out .pytest_cache .mypy_cache .ruff_cache .hypothesis
