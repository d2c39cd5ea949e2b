PYTHON ?= python3
BIN := .venv/bin
# A container's root may start JupyterLab; on a laptop this is empty.
ROOT_FLAG := $(if $(filter 0,$(shell id -u)),--allow-root)

.PHONY: lab test build data checkpoints grade nbgrader

lab: .venv/.ready data
	$(BIN)/jupyter lab --ServerApp.preferred_dir=lectures $(ROOT_FLAG)

test: .venv/.ready data
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pytest --nbval

build: .venv/.ready data
	$(BIN)/course build

data: .venv/.ready
	$(BIN)/python -m helpers.datasets

# An LSTM that trains for ten minutes; lecture 12 tells what it reaches. Optional.
checkpoints: .venv/.ready data
	$(BIN)/python -m helpers.checkpoints

# make grade EXERCISE=03_word2vec SUBMISSIONS=folder OUT=graded
grade: .venv/.ready data
	$(BIN)/course grade $(EXERCISE) $(SUBMISSIONS) -o $(or $(OUT),graded)

# Our notebooks under nbgrader, in an environment of its own.
nbgrader: data
	$(PYTHON) -m venv .venv-nbgrader
	.venv-nbgrader/bin/python -m pip install -c requirements.lock -e '.[test,nbgrader]'
	.venv-nbgrader/bin/pytest -n 0 tests/test_nbgrader.py

.venv/.ready: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is too old: the course needs Python 3.11 or newer." \
	         "Name another one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv || \
	  { echo "$(PYTHON) cannot create environments. On Debian and Ubuntu:" \
	         "apt install python3-venv"; exit 1; }
	$(BIN)/python -m pip install -c requirements.lock -e '.[test]'
	touch $@
