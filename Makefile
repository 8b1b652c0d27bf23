# Each target is one line that calls something in scripts/; scripts/README.md is the table of contents.
PYTHON3 ?= python3
PY := .venv/bin/python
CLOUD ?= fc
DOOR ?= bearer
PORT ?= 8787
.DEFAULT_GOAL := help
.PHONY: help setup run test interop fuzz check package bench lock

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' Makefile

setup: ## make .venv with everything that development needs
	@$(PYTHON3) scripts/setup.py

run: ## start a server behind a real door: CLOUD=fc|aws DOOR=bearer|jwt|oauth PORT=8787
	@$(PYTHON3) scripts/setup.py run && exec $(PY) scripts/dev.py --cloud $(CLOUD) --door $(DOOR) --port $(PORT)

test: setup ## pass the tests, two files at a time (builds the artifacts and runs them)
	@$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

interop: setup ## let the real clients in (Node 20 or later)
	@$(PY) scripts/interop.py $(ARGS)

fuzz: setup ## fuzz what strangers can send, two minutes a target (Linux on x86_64)
	@$(PY) scripts/fuzz.py $(ARGS)

check: setup ## lint the code, the types and both templates
	@$(PY) scripts/check.py

package: ## build the artifacts into .build/: PYTHON=3.13 ARCH=x86_64 for Lambda, ONLY=fc/mcp_server for one, OTEL=on for traces
	@$(PYTHON3) scripts/setup.py run && $(PY) scripts/package.py $(if $(PYTHON),--python $(PYTHON)) $(if $(ARCH),--arch $(ARCH)) $(if $(filter on,$(OTEL)),--with otel) $(if $(ONLY),--only $(ONLY))

bench: setup ## measure beside what users would take instead, in a quarter of an hour: ARGS="--only cold,warm"
	@$(PY) scripts/bench.py $(ARGS)

lock: ## write the locks anew whose .in has changed (ALL=on for all, LOCK=--upgrade for newer versions)
	@$(PYTHON3) scripts/setup.py lock && $(PY) scripts/lock.py $(if $(filter on,$(ALL)),--all) $(LOCK)

build-%: # what `sam build` calls for each function; it shows what goes to stdout
	@$(PYTHON3) scripts/setup.py run 2>&1 && $(PY) scripts/package.py --sam $* --into "$(ARTIFACTS_DIR)" $(if $(PYTHON),--python $(PYTHON)) $(if $(ARCH),--arch $(ARCH)) $(if $(filter on,$(OTEL)),--with otel)
