PYTHON ?= python3
BIN := .venv/bin
LOWEST := .venv-lowest/bin/python
GLYPHS := --dataset_name glyphs
TASK := $(GLYPHS) --num_condition 2
RUN := weight/CIR_Model-datasetglyphs-catefamilyvariantletter-basemodelsmall_cnn-encodingsize256-enc_updateTrue-num_epoch24-recipemodern-final

FIGURE := $(BIN)/python E2.Model-Query-Visualization.py $(TASK) --query_key 3 --save_hits False
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(or $(WORKERS),2) --dist loadfile

.PHONY: help demo figures picture photos explore test test-quick test-gpu test-extras test-browser test-lowest fuzz lint types check docs audit lock clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

.venv/installed: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -r requirements.txt
	@touch $@

.venv/installed-%: .venv/installed pyproject.toml # what an extra of pyproject.toml adds
	$(BIN)/python -m pip install --quiet -e ".[$*]"
	@touch $@

demo: .venv/installed ## install, then run every stage on the demo data set
	$(BIN)/python src/backward_search demo

figures: .venv/installed ## draw fig/Figure1 and fig/Figure2 from the demo (make demo first)
	$(FIGURE) --path --search_topk 5 --output fig/Figure1.png
	$(FIGURE) --output fig/Figure2.png

picture: .venv/installed-dev .venv/installed-browser ## draw fig/explorer.png, the explorer's first screen (make demo first)
	$(BIN)/python -m pytest -m browser tests/browser -k picture --explorer-picture fig/explorer.png

photos: .venv/installed-photos ## search your own: make photos SOURCE=folder-or-table (OPTIONS="...")
	@test -n "$(SOURCE)" || { echo 'name a folder of class folders, or a table: make photos SOURCE=~/photos'; exit 2; }
	$(BIN)/python P1.Photo-Search.py --source "$(SOURCE)" $(OPTIONS)

explore: .venv/installed-web ## serve the explorer on the trained runs at http://127.0.0.1:7860
	$(BIN)/python F1.Search-Explorer.py

test: .venv/installed-dev ## run the tests (ten minutes)
	$(PYTEST)

test-quick: .venv/installed-dev ## run the quick tests, while working (a minute)
	$(PYTEST) -m "not slow and not browser" tests/unit src

test-gpu: .venv/installed-dev ## run the tests that need a CUDA device (two minutes)
	$(BIN)/python -m pytest -m gpu tests/gpu

test-extras: .venv/installed-dev .venv/installed-all .venv/installed-release ## run the tests that need extras; none may be left out
	BACKWARD_SEARCH_EXTRAS=all $(PYTEST) -m "not browser" $$(grep -rlE '\bneeds\(|\bmissing\(' tests --include='test_*.py')

test-browser: .venv/installed-dev .venv/installed-browser ## run the explorer's tests in a headless Chromium
	@for name in "$${CHROMIUM:-chromium}" chromium chromium-browser google-chrome; do \
		command -v "$$name" >/dev/null && exit 0; done; \
		echo "no Chromium: apt-get install chromium, or name its program in CHROMIUM"; exit 1
	$(BIN)/python -m pytest -m browser

.venv-lowest/installed: .venv/installed requirements.txt pyproject.toml tests/packaging/lowest.py
	$(PYTHON) -m venv --clear .venv-lowest
	$(BIN)/python tests/packaging/lowest.py > .venv-lowest/lowest.txt
	$(LOWEST) -m pip install --quiet -r .venv-lowest/lowest.txt
	$(LOWEST) -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

test-lowest: .venv-lowest/installed ## run the tests on the lowest versions that are admitted (before a release)
	OMP_NUM_THREADS=1 BACKWARD_SEARCH_EXTRAS=all $(LOWEST) -m pytest -n $(or $(WORKERS),2) --dist loadfile -m "not browser"

fuzz: .venv/installed-dev .venv/installed-all ## give damaged files to the readers (tests/fuzz/README.md)
	OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz/run.py $(if $(TARGET),--target '$(TARGET)') $(if $(RUNS),--runs $(RUNS)) \
		$(if $(SECONDS),--seconds $(SECONDS)) $(if $(OUT),--out '$(OUT)') $(if $(GUIDED),--guided) $(if $(REPLAY),--replay)

lint: .venv/installed-dev ## check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed-dev ## check types, also as Windows has them
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32

check: lint types test ## lint, types and tests

docs: .venv/installed-docs ## build the pages of docs/ as a site in site/; a warning fails
	$(BIN)/python -m mkdocs build --strict --clean

audit: .venv/installed-release ## ask for known vulnerabilities of what is installed, and of what the lock pins
	@$(BIN)/python tests/packaging/audit.py $(OPTIONS); found=$$?; [ $$found = 2 ] && exit 2; \
	$(BIN)/python tests/packaging/audit.py requirements.lock $(OPTIONS) && exit $$found

lock: .venv/installed-release ## pin in requirements.lock what requirements.txt needs (OPTIONS=--upgrade: the newest)
	$(BIN)/uv pip compile requirements.txt --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--custom-compile-command "make lock" --output-file requirements.lock $(OPTIONS)

clean: ## remove what the demo made, but not the environment
	rm -rf data/glyphs $(RUN) result/$(notdir $(RUN))
