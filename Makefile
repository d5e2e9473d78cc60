# labelvalue: two commands on a fresh machine are 'make demo' and 'make test'.
#
# Needed: make, git and a Python >= 3.12 (uv is used where it is installed). The environment lies in .venv and
# is made again only when pyproject.toml or constraints.txt change in content.

.DEFAULT_GOAL := help
.PHONY: help demo test coverage test-slow lint format types notebooks reference docs bench constraints clean

HASH := $(shell cat pyproject.toml constraints.txt | git hash-object --stdin)
RUN  := .venv/ready-$(HASH)
DEV  := .venv/ready-dev-$(HASH)
PY   := .venv/bin/python

# The first Python on PATH that runs, is new enough and can make environments. A name on PATH proves nothing:
# version managers leave shims that fail when called, and some systems split ensurepip off. So each is tried, a
# shim's namesakes further along included. PYTHON=... goes first.
FIND_PYTHON = { IFS=:; echo "$$PYTHON"; \
	for name in python3.14 python3.13 python3.12 python3 python; do for folder in $$PATH; do \
	[ -x "$$folder/$$name" ] && echo "$$folder/$$name"; done; done; } | while read -r python; do \
	"$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))' </dev/null >/dev/null 2>&1 \
	&& echo "$$python" && break; done

# $(call install,WHAT): WHAT into .venv, with uv where it is installed, else with venv and pip.
define install
	@python=$$($(FIND_PYTHON)); \
	if [ -z "$$python" ]; then \
		echo "labelvalue needs Python 3.12 or newer with venv; none on PATH runs." \
			"Install one, or say where it is: make PYTHON=/path/to/python3.13" >&2; exit 1; \
	fi; \
	rm -f .venv/ready-*; \
	echo "Setting up .venv with $$("$$python" --version) (this takes a minute or two, once)"; \
	if command -v uv >/dev/null 2>&1; then \
		{ $(PY) -c '' 2>/dev/null || uv venv --quiet --clear --python "$$python" .venv; } && \
		uv pip install --python $(PY) -c constraints.txt -e $(1) >.venv/install.log 2>&1; \
	else \
		{ $(PY) -m pip --version >/dev/null 2>&1 || "$$python" -m venv --clear .venv; } && \
		$(PY) -m pip install --disable-pip-version-check --no-compile -c constraints.txt -e $(1) >.venv/install.log 2>&1; \
	fi || { tail -n 40 .venv/install.log >&2; exit 1; }
endef

$(RUN): | pyproject.toml constraints.txt
	$(call install,.)
	@touch $@

$(DEV): | pyproject.toml constraints.txt
	$(call install,'.[dev]')
	@touch $@ $(RUN)

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(RUN) ## The whole story on shipped data; prints the path of the report
	@$(PY) -m labelvalue demo --out out

# A file's tests stay together, so that what it fits once is fitted once.
SIDE_BY_SIDE := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# Tests share the processors already; threads that wait for each other double what a page costs, and made a notebook
# that trains boosted trees twenty times as long.
test coverage test-slow: export OPENBLAS_NUM_THREADS = 1
test coverage test-slow: export OMP_NUM_THREADS = 1

test: lint types ## Everything a merge needs: style, types, tests, wheel, notebooks, site
	$(PY) -m pytest $(SIDE_BY_SIDE) -m "not slow"

coverage: $(DEV) ## The same tests, and the lines that none reaches
	$(PY) -m pytest $(SIDE_BY_SIDE) --cov --cov-report=term:skip-covered -m "not slow"

test-slow: $(DEV) ## The slow statistics, before a release
	$(PY) -m pytest -m slow

lint: $(DEV) ## Style: ruff's rules and layout
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

format: $(DEV) ## Put the layout right
	$(PY) -m ruff check --fix-only --quiet .
	$(PY) -m ruff format .

types: $(DEV) ## Types: mypy
	$(PY) -m mypy

notebooks: $(DEV) ## Execute the notebooks and keep their outputs
	$(PY) notebooks/execute.py

reference: $(DEV) ## Write what is made from the code into the pages of the reference
	$(PY) docs/reference_parts.py

docs: $(DEV) ## Build the documentation site into site/
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict

bench: $(DEV) ## The benchmarks, one after the other
	@for b in $$(grep -l __main__ benchmarks/*.py); do \
		echo "== $$b"; $(PY) -m benchmarks.$$(basename "$$b" .py) || exit 1; done

constraints: ## Resolve the newest versions that pyproject.toml allows into constraints.txt
	@python=$$($(FIND_PYTHON)); tmp=$$(mktemp -d) && "$$python" -m venv $$tmp && \
	$$tmp/bin/python -m pip install --quiet --no-compile -e '.[dev,bench]' && \
	$$tmp/bin/python -m pip freeze --exclude-editable | grep '==' | LC_ALL=C sort -f > constraints.txt; rm -rf $$tmp

clean: ## Remove the environment and everything that can be made again
	rm -rf .venv build dist site *.egg-info out .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* htmlcov
