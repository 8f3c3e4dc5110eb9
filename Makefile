# The first call of a target installs requirements.lock into .venv; later calls start at once.
PYTHON ?= python3
LAB_FLAGS ?=
SITE_PORT ?= 4000
UPGRADE ?=
BENCH_PEERS ?=

VENV := .venv
PY := $(VENV)/bin/python
LOCKED := $(VENV)/.locked
INSTALLED := $(VENV)/.installed
PEERS := $(VENV)/peers

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run lab test lint format notebooks articles site overview record bench tensorboard lock clean

help: ## list the targets
	@echo 'Each target installs what it needs into $(VENV) on its first call.'
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  make run PYTHON=python3.12    with another Python (3.11, 3.12 or 3.13; python3 unless told)'
	@echo '  make lab LAB_FLAGS=--port=9999    with more options of JupyterLab'
	@echo '  make site SITE_PORT=4001    on another port than 4000'
	@echo '  make bench BENCH_PEERS=1    with PyTorch and JAX, which it installs first'
	@echo '  make lock UPGRADE=1    with the newest versions in place of the present ones'

run: $(INSTALLED) ## execute the five notebooks into runs/ and print what each measured
	$(PY) -m nn_helpers run

# PATH: %tensorboard and shell cells find the programs of .venv.
lab: $(INSTALLED) ## open JupyterLab in notebooks/, on this machine only
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PY) -m jupyterlab --ip=127.0.0.1 \
	  --ServerApp.root_dir=notebooks $(if $(filter 0,$(shell id -u)),--allow-root) $(LAB_FLAGS)

test: lint ## lint, unit tests, and every notebook against its committed outputs
	$(PY) -m pytest -n 2 --dist loadfile tests
	$(PY) -m pytest -n 2 --dist loadfile --nbval notebooks

lint: $(INSTALLED) ## check style and format, notebooks too
	$(PY) -m ruff check
	$(PY) -m ruff format --check

format: $(INSTALLED) ## repair style and format where that needs no judgement
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

notebooks: $(INSTALLED) ## execute the committed notebooks in place, outputs included
	$(PY) -m nn_helpers execute notebooks/*.ipynb

# All five or none, and no image of a former run stays behind.
articles: $(INSTALLED) ## render the five notebooks as articles of a Jekyll site, into assets/
	rm -rf $(VENV)/articles && mkdir -p $(VENV)/articles/assets/articles
	$(PY) -m nbconvert --to jekyll notebooks/*.ipynb --log-level=WARN \
	  --output-dir $(VENV)/articles --output 'assets/articles/{notebook_name}'
	rm -rf assets/articles assets/images/*_files
	cp -R $(VENV)/articles/assets/. assets

site: $(INSTALLED) ## build the articles with Jekyll and show them, on this machine only
	@$(PY) .ci/site.py --folder $(VENV)/site --port $(SITE_PORT)

overview: $(INSTALLED) ## draw the pictures of the README again
	$(PY) .ci/overview.py
	$(PY) .ci/tensorboard_graph.py

# PYTHONPATH: PyTorch and JAX, if they are there.
record: $(INSTALLED) ## compute anew what takes too long for a notebook, into assets/records/
	@for script in .ci/record_*.py; do \
	  echo "$(PY) $$script"; $(PY) "$$script" || exit; \
	done

bench: $(INSTALLED) $(if $(BENCH_PEERS),$(PEERS)/.installed) ## measure how long an epoch takes, here and elsewhere
	PYTHONPATH="$(PEERS)$${PYTHONPATH:+:$$PYTHONPATH}" $(PY) -m tests.benchmarks --readme README.md

tensorboard: $(INSTALLED) ## show the graphs and scalars logged under runs/
	$(PY) -m tensorboard.main --logdir runs --host 127.0.0.1

lock: $(LOCKED) ## compile pyproject.toml into requirements.lock and environment.yml
	$(PY) .ci/lock.py $(if $(UPGRADE),--upgrade)

clean: ## remove .venv and all caches; runs/, which holds results, stays
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis dist
	find . \( -name .git -o -name runs \) -prune -o \
	  \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

# Always from an empty folder, so that an interrupted installation leaves nothing behind.
# uv, too, is the one that the lock names: pip fetches it by its hashes. Copies, not links into
# uv's cache: whoever edits a file under .venv does not edit the cache with it.
$(LOCKED): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || \
	  { echo "Python 3.11, 3.12 or 3.13 is needed, but $(PYTHON) says" \
	    "'$$($(PYTHON) -V 2>&1)': install one and name it, as in: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { version=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	    echo "$(PYTHON) cannot make virtual environments: install Debian's package" \
	    "python$$version-venv (apt-get install python$$version-venv), then call make again" >&2; exit 1; }
	@echo 'Installing requirements.lock into $(VENV), once …'
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(VENV)/uv.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-user --require-hashes -r $(VENV)/uv.txt
	@$(PY) -m uv pip sync --python $(PY) --require-hashes --link-mode=copy \
	  --compile-bytecode requirements.lock
	@touch $@

$(INSTALLED): $(LOCKED) pyproject.toml
	@$(PY) -m uv pip install --quiet --python $(PY) --no-deps --no-build-isolation --editable .
	@touch $@

# Beside .venv's packages, not among them: TensorFlow imports JAX wherever it finds it. The lock
# keeps what both need at its versions. PyTorch without CUDA is much the smaller download, but not
# every network reaches the index that has it.
$(PEERS)/.installed: $(LOCKED)
	@echo 'Installing PyTorch and JAX into $(PEERS), once …'
	@rm -rf $(PEERS)
	@install="$(PY) -m uv pip install --python $(PY) --target $(PEERS) --link-mode=copy \
	  --constraints requirements.lock --group bench"; \
	  $$install --torch-backend=cpu || { echo 'Trying again, with CUDA …'; $$install; }
	@touch $@
