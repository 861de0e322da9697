# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Each calls scripts/system-packages for the system packages that it needs.
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed

.PHONY: needs-python needs-demo needs-test needs-deployment needs-browser demo test coverage deployment browser lint types imports bench campaign campaign-tests soak weeks mutation matrix audit lock docs wheel clean

$(STAMP): requirements/dev.txt requirements/uv.txt pyproject.toml | needs-python
	@echo "Setting up $(VENV) (once; a few minutes on a slow line)"
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 to 3.13 is needed: make PYTHON=/path/to/python3.12 ...") if not (3, 11) <= sys.version_info[:2] < (3, 14) else None'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --require-hashes --requirement requirements/uv.txt
	$(PY) -m uv pip sync --require-hashes --compile-bytecode --python $(PY) requirements/dev.txt
	$(PY) -m uv pip install --python $(PY) --no-deps --no-build-isolation --editable .
	@touch $@

needs-python needs-demo needs-test needs-deployment needs-browser:
	@PYTHON=$(PYTHON) scripts/system-packages $(@:needs-%=%)

demo: needs-demo $(STAMP)  ## the main job, for real, on this machine alone
	$(VENV)/bin/tiktok-offline demo

test: needs-test $(STAMP)  ## every test but the deployment and the long campaigns
	$(PY) -m pytest -n 3 --dist loadgroup $(ARGS)

coverage: needs-test $(STAMP)  ## the tests, with branch coverage of the package, child processes left out
	$(PY) -m pytest -n 3 --dist loadgroup --cov --cov-report=term:skip-covered $(ARGS)

deployment: needs-deployment $(STAMP)  ## three times three days of files on PostgreSQL, Redis, an S3 server and two Celery workers, all on loopback
	$(PY) -m pytest -m "deployment and not campaign" tests/deployment tests/plugin $(ARGS)

browser: needs-browser $(STAMP)  ## the page in Airflow in headless Chromium, with axe
	$(PY) -m uv pip install --quiet --require-hashes --python $(PY) --requirement requirements/browser.txt
	$(PY) -m pytest -m browser tests/browser $(ARGS)

lint: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(STAMP)  ## mypy, strict
	$(VENV)/bin/mypy

imports: $(STAMP)  ## who may import whom: docs/architecture.md
	$(VENV)/bin/lint-imports
	$(PY) scripts/import_graph.py

bench: needs-deployment $(STAMP)  ## the benchmarks of docs/benchmarks.md (an hour); ARGS=--small for a short look
	for f in prepare shards large_file broken identifiers delivery upload ledger sftp factory advertisers deployment; do [ ! -f benchmarks/$$f.py ] || $(PY) -m benchmarks.$$f $(ARGS) || exit 1; done

CAMPAIGN = $(PY) -m pytest --timeout 7200 -m

campaign:  ## the long seeded runs, in three parts that each go on whatever the others find
	failed=0; for part in campaign-tests soak weeks; do $(MAKE) $$part || failed=1; done; exit $$failed

campaign-tests: needs-test $(STAMP)  ## faults, kills, damage and fuzzing; ARGS=tests/fuzz for some
	$(CAMPAIGN) "campaign and not deployment" -n 3 --dist loadgroup --ignore tests/integration/test_soak.py $(ARGS)

soak: needs-test $(STAMP)  ## 50 advertisers for 30 days, two workers at once; SOAK=5x5 for a short look
	$(CAMPAIGN) campaign tests/integration/test_soak.py -s $(ARGS)

weeks: needs-deployment $(STAMP)  ## twenty weeks of a native deployment, one after the other; WEEKS=2 for some
	$(CAMPAIGN) "campaign and deployment" tests/deployment tests/plugin $(ARGS)

build/cosmic-ray: $(STAMP)
	$(PY) -m uv venv --quiet --clear --python $(PY) $@
	$(PY) -m uv pip install --quiet --require-hashes --python $@/bin/python --requirement requirements/mutation.txt
	@touch $@

build/pip-audit: $(STAMP) requirements/audit.txt
	$(PY) -m uv venv --quiet --clear --python $(PY) $@
	$(PY) -m uv pip install --quiet --require-hashes --python $@/bin/python --requirement requirements/audit.txt \
	|| { rm -rf $@; echo "Nothing was checked. make audit needs a network: pip-audit could not be installed."; exit 3; }
	@touch $@

build/sphinx: $(STAMP) requirements/docs.txt
	$(PY) -m uv venv --quiet --clear --python $(PY) $@
	$(PY) -m uv pip install --quiet --require-hashes --python $@/bin/python --requirement requirements/docs.txt
	@touch $@

docs: build/sphinx  ## the documentation as a site in build/site; a link that leads nowhere fails
	build/sphinx/bin/python -m sphinx -W -E --keep-going -q -c docs -d build/doctrees -b html . build/site $(ARGS)
	@echo "build/site/docs/index.html"

audit: build/pip-audit  ## known vulnerabilities of the locked set; needs a network, and says so where there is none
	$(PY) scripts/audit.py build/pip-audit/bin/pip-audit

COMPILE = $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

lock: $(STAMP)  ## requirements/ from pyproject.toml: pins stay where they can; ARGS=--upgrade for the newest
	$(COMPILE) --group test --group lint --group build pyproject.toml --output-file requirements/dev.txt $(ARGS)
	$(COMPILE) --group browser --constraint requirements/dev.txt --output-file requirements/browser.txt $(ARGS)
	$(COMPILE) --group docs --output-file requirements/docs.txt $(ARGS)
	grep '^uv==' requirements/dev.txt | cut -d' ' -f1 | $(COMPILE) - --output-file requirements/uv.txt
	echo "cosmic-ray==8.7.0" | $(COMPILE) - --output-file requirements/mutation.txt $(ARGS)
	echo "pip-audit==2.10.1" | $(COMPILE) - --output-file requirements/audit.txt $(ARGS)

mutation: build/cosmic-ray  ## which changes of the code no test notices (an hour); ARGS=--small for a short look
	$(PY) -m scripts.mutation --cosmic-ray build/cosmic-ray/bin/python $(ARGS)

matrix: $(STAMP)  ## the tests on every supported Airflow and Python; ARGS=airflow-3.1-py3.11 for one
	$(PY) -m tests.matrix $(ARGS)

wheel: $(STAMP)
	$(PY) -m build --wheel --installer uv

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
