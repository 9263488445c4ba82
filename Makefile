# make run: set up once, then the tour: a few lessons of every chapter; it ends by naming out/index.html.
# make course: every lesson of every chapter.   make test: every test.   make notebooks: every lesson as a notebook.
# Windows, or an environment of your own: README.md gives the same steps in plain pip.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WITH_BOOK := $(VENV)/.with_book
MAINS := $(sort $(wildcard ch0*/main.py))
CHAPTERS := $(MAINS:/main.py=)
SHORT := $(foreach chapter,$(CHAPTERS),$(firstword $(subst _, ,$(chapter))))
FLAGS ?=

.PHONY: run course full test check bench lint results notebooks book clean $(SHORT)

run: $(READY)
	@$(BIN)/python -m common.course --tour $(FLAGS)

course: $(READY)
	@$(BIN)/python -m common.course $(FLAGS)

full: $(READY)
	@$(MAKE) --no-print-directory course FLAGS="--preset full $(FLAGS)"

$(SHORT): $(READY)
	@$(BIN)/python -m $(filter $@_%,$(CHAPTERS)).main $(FLAGS)

# Two workers, so one thread each: threads that wait for each other are many times slower.
test: $(READY)
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2

# Do chapters 1 to 3 still measure what they promise? At the lecture preset, one seed, each method's score against its floor.
check: $(READY)
	@for chapter in $(filter ch01% ch02% ch03%,$(CHAPTERS)); do $(BIN)/python -m $$chapter.main --check --out out/check || exit $$?; done

# A Jupyter notebook per lesson, made from the lesson's file.
notebooks: $(READY)
	@$(BIN)/python -m common.notebooks.make $(FLAGS)

bench: $(READY)
	@$(BIN)/python tests/bench/run.py

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

# The results that READMEs quote: lessons whose committed results other code measured, or with too few seeds, run again with as many
# seeds as their chapter's main.py says, and are adopted with the pictures that READMEs show. Stopped and started again, it goes on.
results: $(READY)
	@for chapter in $(CHAPTERS); do $(BIN)/python -m $$chapter.main --stale --out out/results $(FLAGS) || exit $$?; done
	@$(BIN)/python tests/bench/run.py --out out/results
	@$(BIN)/python -m common.readme --from out/results

# site/: the course as pages, made from READMEs, lessons, committed results and figures. It opens from the disk.
book: $(WITH_BOOK)
	@$(BIN)/python -m book $(FLAGS)

$(WITH_BOOK): $(READY)
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[test,book]'
	@touch $@

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or newer is needed; try make PYTHON=python3.12"; exit 1; }
	@echo "Setting up $(VENV), once: some minutes, most of them for torch."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --upgrade pip
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on -c constraints.txt -e '.[test]'
	@touch $@

# What runs left behind. The environment stays: delete $(VENV) to set up anew.
clean:
	rm -rf out notebooks site build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
