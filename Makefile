# Two commands are enough: `make demo` to see it, `make test` to test it.
.PHONY: help demo install vllm test check format bench lock clean
.DEFAULT_GOAL := help

PY := .venv/bin/python
export HF_HUB_OFFLINE ?= 1

help: ## This list
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo: install ## Set everything up, index the demo company and start on http://127.0.0.1:8000
	@$(PY) -m app demo

install: .venv/installed node_modules/installed ## Set up .venv and the web assets, where missing or out of date

.venv/installed: requirements.lock .ci/install
	@echo "Installing the locked Python packages into .venv (a minute or two the first time)"
	@.ci/install
	@touch $@

node_modules/installed: package.json package-lock.json
	@command -v npm >/dev/null || { echo "Rung needs Node's npm for its web assets; install Node.js 20 or newer." >&2; exit 1; }
	@echo "Installing the locked web assets into node_modules"
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@

vllm: ## The real vLLM that tests and `bench local` start, in .vllm: an environment of its own (2 GB)
	@.ci/install-vllm

test: install ## The whole test suite; browser tests where a Chromium is found
	@$(PY) -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile

check: install ## Style, types and the arrows between the folders
	@.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy . && .venv/bin/lint-imports

format: install ## Rewrite the code in the project's style
	@.venv/bin/ruff check --fix . && .venv/bin/ruff format .

bench: install ## The benchmarks by name: make bench NAME=search [ARGS="--data DIR --json"]
	@$(PY) -m bench $(NAME) $(ARGS)

lock: ## Resolve pyproject.toml's dependencies again into requirements.lock
	@.ci/lock

clean: ## Remove what was installed and the local data (asks nothing: it is all made again by make demo)
	@rm -rf .venv .vllm node_modules .rung
