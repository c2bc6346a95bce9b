# xlmkit. `make` alone lists the commands. Written for GNU make 3.81 (macOS) and later.
#   PYTHON=python3.12   the Python that .venv is made with        PORT=8888   JupyterLab's port
#   REPOSITORY=https://github.com/OWNER/NAME   for `make badges`
#   JOBS=2   processes that share the tests (about 2 GB of memory each)
#   BENCH_FLAGS="--parts explain"           only a part of the benchmark
#   LAB_FLAGS="--no-browser --ip=127.0.0.1"   further JupyterLab options

PYTHON ?=
PORT ?= 8888
JOBS ?= 2
LAB_FLAGS ?=
REPOSITORY ?=
BIN = .venv/bin
INSTALL = PYTHON="$(PYTHON)" sh .ci/install

# A folder that was moved or copied has an environment that points to the old place.
ifneq ($(shell cat .venv/.home 2>/dev/null),$(shell pwd -P))
MOVED = moved
endif

.PHONY: help lab test unit report notebooks badges lint bench clean moved

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

lab: .venv/.ready-lab  ## open the notebooks in JupyterLab (sets up .venv the first time)
	@echo "make lab: JupyterLab at http://localhost:$(PORT) (or the next free port); Ctrl-C twice stops it."
	@set -e; cd notebooks; root=; [ "$$(id -u)" -ne 0 ] || root=--allow-root; \
	exec ../$(BIN)/python -m jupyterlab --port=$(PORT) $$root $(LAB_FLAGS) 00_start_here.ipynb

test: .venv/.ready-test  ## run all tests (sets up .venv the first time)
	@echo "make test: all tests, offline, on the bundled model; ten to twenty minutes on two cores."
	@$(BIN)/python -m pytest -n $(JOBS) --no-loadscope-reorder --durations=25

unit: .venv/.ready-test  ## run the tests that need no kernel, cluster or browser
	@echo "make unit: all tests but notebooks, Ray and browser; a few minutes on two cores."
	@$(BIN)/python -m pytest -n $(JOBS) --no-loadscope-reorder -m "not integration"

report: .venv/.ready-lab  ## run every notebook and write it as HTML to report/
	@echo "make report: runs every notebook on the bundled model and writes report/*.html; a few minutes."
	@mkdir -p report
	@$(BIN)/python -m nbconvert --to html --execute --ExecutePreprocessor.store_widget_state=False --output-dir=report notebooks/*.ipynb
	@ls report/*.html

# What is committed: outputs, tags and the kernel's name, and nothing of the machine or the clock.
KEEP = --ExecutePreprocessor.record_timing=False --ClearMetadataPreprocessor.enabled=True \
	--ClearMetadataPreprocessor.preserve_cell_metadata_mask='{("tags",)}' \
	--ClearMetadataPreprocessor.preserve_nb_metadata_mask='{("kernelspec",), ("language_info", "name")}'

notebooks: .venv/.ready-lab  ## run every notebook and keep the results in it (look at them before you commit)
	@echo "make notebooks: runs every notebook on the bundled model and saves it in place; five to ten minutes on two cores."
	@$(BIN)/python -m nbconvert --to notebook --execute --inplace $(KEEP) notebooks/*.ipynb notebooks/solutions/*.ipynb

badges:  ## write REPOSITORY=https://... into every notebook: badges for Colab and Binder (none: remove them)
	@[ -n "$(REPOSITORY)" ] || { echo "make badges: give the address of the repository: make badges REPOSITORY=https://github.com/OWNER/NAME"; exit 1; }
	@.ci/badges "$(REPOSITORY)"

lint: .venv/.ready-test  ## ruff (rules and format) and mypy
	@echo "make lint: ruff and mypy; half a minute the first time, seconds after."
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m mypy

bench: .venv/.ready-test  ## measure the speed next to other tools, and write the tables
	@echo "make bench: an hour on an idle machine of two cores (the first time also minutes of downloads); writes tests/benchmarks/results and the tables made from it."
	@$(BIN)/python tests/benchmarks/bench.py $(BENCH_FLAGS)

clean:  ## remove reports, caches and build leftovers (.venv stays: delete that folder yourself)
	@rm -rf report build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

.venv/.ready-lab: pyproject.toml .ci/constraints.txt $(MOVED)
	@$(INSTALL) lab

.venv/.ready-test: pyproject.toml .ci/constraints.txt $(MOVED)
	@$(INSTALL) test
