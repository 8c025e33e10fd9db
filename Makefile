# make demo    install, then run the whole pipeline on made-up data; the second time it has nothing to do
# make real RAW=FOLDER    the same on your own raw files
# make serve    Prefect's page on this machine: start runs, watch them, switch schedules on
# make test, make test-slow, make check    the tests; the long ones; style and types
# make docs    the pages of docs/ and a reference of all settings and commands, into site/
# Needed: git, make, Python 3.11 or 3.12. Everything else goes into .venv.

.DEFAULT_GOAL := help
.PHONY: help install demo real serve test test-slow check docs lock clean
MAKEFLAGS += --no-print-directory

UV_VERSION := 0.13.9
TORCH := torch==2.13.0
BIN := .venv/bin
STAMP := .venv/installed
SUITABLE := import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))
PYTHON ?= $(shell for p in python3.11 python3.12 python3 python; do \
	$$p -c '$(SUITABLE)' >/dev/null 2>&1 && { echo $$p; break; }; done)

# uv knows pip's local wheels only when it is told of them
LINKS := $(or $(UV_FIND_LINKS),$(PIP_FIND_LINKS))
LOCAL_TORCH := $(firstword $(foreach link,$(LINKS),$(wildcard $(link)/torch-2.13.0*.whl)))
ifneq ($(shell nvidia-smi -L 2>/dev/null),)
BACKEND := --torch-backend auto
else ifneq ($(LOCAL_TORCH),)
BACKEND :=
else ifeq ($(shell uname -s),Linux)
BACKEND := --torch-backend cpu
endif
space := $(subst ,, )
comma := ,
UV := UV_FIND_LINKS="$(subst $(space),$(comma),$(strip $(LINKS)))" VIRTUAL_ENV=.venv $(BIN)/uv --quiet

# $(call timed,what,command): says what it does, and how long it took
define timed
	@printf '%s ... ' '$(1)'; start=$$(date +%s); $(2) && echo "$$(( $$(date +%s) - start )) s"
endef

help:
	@sed -n 's/^# //;1,5p' Makefile

install: $(STAMP)

.venv/bin/uv:
	@test -n '$(PYTHON)' || { echo 'error: no Python 3.11 or 3.12 was found'; \
		echo '  next: install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12'; exit 2; }
	$(call timed,Python environment in .venv,$(PYTHON) -m venv .venv)
	$(call timed,uv,$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION))

$(STAMP): requirements.lock pyproject.toml .venv/bin/uv
	$(call timed,libraries $(if $(LOCAL_TORCH),and the torch of $(LINKS),and torch),$(UV) pip install $(BACKEND) -r requirements.lock $(TORCH))
	$(call timed,this project,$(UV) pip install --no-deps --no-build-isolation --editable .)
	$(call timed,byte code,$(BIN)/python -m compileall -q -j 2 -x '/tests?/' .venv/lib >/dev/null 2>&1 || true)
	@mkdir -p .dvc/cache .dvc/site && chmod 700 .dvc/cache .dvc/site
	@$(BIN)/dvc config --local core.site_cache_dir '$(CURDIR)/.dvc/site'
	@touch $(STAMP)

demo: install
	@$(BIN)/biomedgpt use demo
	@$(BIN)/biomedgpt run

real:
	@test -n '$(RAW)' || { echo 'error: name your folder: make real RAW=/path/to/raw/files'; exit 2; }
	@$(MAKE) install
	@$(BIN)/biomedgpt use real --raw '$(RAW)'
	@$(BIN)/biomedgpt run

serve: install
	@$(BIN)/python -m flows.serve $(if $(PORT),--port $(PORT))

test: install
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m 'not gpu and not slow'

# Whole pipelines, runs on Ray that lose workers and nodes, ranks that are killed, memory.
test-slow: install
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m 'slow and not gpu'

check: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest tests/test_architecture.py

# The notice is of the theme's end, in May 2027; its makers' next generator reads mkdocs.yml, too.
docs: install
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo 'site/index.html; to search in it: python -m http.server --bind 127.0.0.1 --directory site'

# The lock holds every library but torch and its CUDA parts, which depend on the machine.
CUDA := torch triton cuda-bindings cuda-pathfinder cuda-toolkit $(addprefix nvidia-,cublas cuda-cupti \
	cuda-nvrtc cuda-runtime cudnn-cu13 cufft cufile curand cusolver cusparse cusparselt-cu13 \
	nccl-cu13 nvjitlink nvshmem-cu13 nvtx)
lock: .venv/bin/uv
	@$(UV) pip compile pyproject.toml --group dev --group docs --universal --python-version 3.11 --upgrade \
		--generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links \
		$(foreach name,$(CUDA),--no-emit-package $(name)) --output-file requirements.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
