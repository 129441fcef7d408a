# What can be done here: `make help`. A fresh clone needs Python 3.11, npm and make; the rest is fetched.

VENV := .venv
PYTHON_OF_VENV := $(VENV)/bin/python
COVERAGE := $(VENV)/bin/coverage
TEMPLATES = $(wildcard */templates)
# What the tests drive beyond Python packages, as command:package of Debian.
SYSTEM_PACKAGES := chromium-headless-shell:chromium-headless-shell storescu:dcmtk dciodvfy:dicom3tools strace:strace Orthanc:orthanc nginx:nginx-light \
	/usr/share/orthanc/plugins/libOrthancDicomWeb.so:orthanc-dicomweb \
	$(or $(wildcard /usr/lib/*/libpangoft2-1.0.so.0),no-pango):libpangoft2-1.0-0 \
	/usr/bin/python3.11:python3.11 /usr/lib/python3.11/ensurepip/__init__.py:python3.11-venv \
	$(or $(wildcard /usr/lib/*/libpython3.11.so.1.0),no-libpython3.11):libpython3.11 /usr/sbin/slapd:slapd
# Benchmarks measure in the browser that people have, windows and all.
BENCH_PACKAGES := chromium:chromium
# What pip compiles python-ldap with, for the extra `ldap` that the tests install.
BUILD_PACKAGES = gcc:gcc /usr/include/stdlib.h:libc6-dev /usr/include/ldap.h:libldap2-dev /usr/include/sasl/sasl.h:libsasl2-dev \
	$(shell $(PYTHON_OF_VENV) -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h:libpython3.11-dev

SHELL := bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test coverage lint format bench-ingest bench-dicomweb bench-inference bench-inference-sizes bench-quality bench-reading bench-studies clean preflight front-end \
	system-packages bench-packages build-packages

# Prints the first Python 3.11 there is, the one named by PYTHON=... before all others.
FIND_PYTHON = for each in $(PYTHON) $(PYTHON_OF_VENV) python3.11 python3 python /usr/bin/python3.11; do \
	"$$each" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && { echo "$$each"; break; }; done
NO_PYTHON = Python 3.11 was not found: install it, or name it with make PYTHON=/path/to/python3.11

define WITH_PYTHON
	@python=$$($(FIND_PYTHON)); test -n "$$python" || { echo "$(NO_PYTHON)"; exit 1; }
endef

# Installs the extras named by EXTRAS with one line of progress; what pip said is kept.
define INSTALL
	@set -o pipefail; log=$(VENV)/install.log; \
	echo "Installing into $(VENV), some minutes the first time; what pip says is in $$log"; \
	$(PYTHON_OF_VENV) -m pip --disable-pip-version-check install --progress-bar off --editable '.[$(EXTRAS)]' 2>&1 | tee "$$log" \
	| awk '/^ *Collecting/ { printf "\r  %d packages found: %-40.40s", ++n, $$2; fflush() } \
	/^Installing collected/ { printf "\r  installing them %-60s", ""; fflush() } END { if (n) print "" }' \
	|| { echo "pip could not install Overread: $$(sed -n 's/^ *ERROR: *//p' $$log | tail -1)"; \
	echo "Check the network and the disk, then run the same again."; exit 1; }
	@touch $(VENV)/installed-embedded $@
endef

help:  ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: preflight $(VENV)/installed-embedded front-end  ## the whole portal on this machine with exams in it, until Ctrl-C
	@$(PYTHON_OF_VENV) -m portal.demo

# The gate draws the same examples each time, so that nothing lands or fails by luck. pytest by itself draws new ones.
PYTEST := $(PYTHON_OF_VENV) -m pytest --hypothesis-seed=0
# Tests that share two cores take one each: a network that takes both would wait for the other's.
ONE_CORE := OMP_NUM_THREADS=1 $(PYTEST)

# Tests that use the running demonstration have the machine to themselves: some promise how long a result takes.
WITH_DEMONSTRATION := tests/e2e tests/faults/test_worker_killed.py

# Runs $(1) while the tests that kill processes run too, on engines of their own: they mostly wait. What they say comes after.
define BESIDE_FAULTS
	@log=$(VENV)/faults.log; \
	$(ONE_CORE) -m faults $(WITH_DEMONSTRATION:%=--ignore %) > "$$log" 2>&1 & faults=$$!; \
	trap 'kill $$faults 2> /dev/null' EXIT; \
	$(1) && ran=0 || ran=$$?; \
	wait $$faults && faulty=0 || faulty=$$?; \
	cat "$$log"; exit $$((ran | faulty))
endef

test: lint $(VENV)/installed-test system-packages front-end  ## the quality gate: style, types, contracts, and every test
	$(call BESIDE_FAULTS,$(ONE_CORE) -n 2 -m "not e2e and not faults")
	$(ONE_CORE) -n 2 --dist loadfile -m e2e --ignore tests/e2e
	$(PYTEST) $(WITH_DEMONSTRATION)

coverage: $(VENV)/installed-test system-packages front-end  ## which lines the fast units run; takes them half as long again
	$(COVERAGE) erase
	$(COVERAGE) run -m pytest -n 2 -m "not e2e and not faults"
	$(COVERAGE) combine --quiet
	$(COVERAGE) report

lint: $(VENV)/installed-test  ## style, types, import contracts and templates
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/djlint --lint $(TEMPLATES)

format: $(VENV)/installed-test  ## lay out the code
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench-ingest: $(VENV)/installed-test system-packages  ## receiving, beside Orthanc and DCMTK's storescp: a table, benchmarks/results/ingest.json
	$(PYTHON_OF_VENV) -m benchmarks.ingest

bench-inference: $(VENV)/installed-test  ## what the job engine adds to a model's own time: a table, benchmarks/results/inference*.json
	$(PYTHON_OF_VENV) -m benchmarks.inference_latency
	$(PYTHON_OF_VENV) -m benchmarks.inference

bench-inference-sizes: $(VENV)/installed-test  ## from DICOM to a stored SEG at the sizes of Clara Deploy's Table 4, on a GPU or the CPU: a table, benchmarks/results/inference_sizes.json
	$(PYTHON_OF_VENV) -m benchmarks.inference_sizes

bench-dicomweb: $(VENV)/installed-test system-packages bench-packages front-end  ## DICOMweb beside Orthanc's: a table, benchmarks/results/dicomweb.json
	$(PYTHON_OF_VENV) -m benchmarks.dicomweb

bench-reading: $(VENV)/installed-test system-packages bench-packages front-end  ## what a reader waits for, with the real viewer: a table, benchmarks/results/reading.json
	$(PYTHON_OF_VENV) -m benchmarks.reading

bench-studies: $(VENV)/installed-test  ## pages of 100 studies with 10,000 cases: a table, benchmarks/results/studies.json
	$(PYTHON_OF_VENV) -m benchmarks.studies

bench-quality: $(VENV)/installed-test bench-packages front-end  ## QC of the demonstration's exams: figures, benchmarks/results/quality.json; needs those of make demo
	$(PYTHON_OF_VENV) -m benchmarks.quality .overread/cache/exams

clean:  ## remove what was fetched and built; the demonstration's data only if you say so
	rm -rf $(VENV) viewer_static/dist collected build *.egg-info .cache .coverage* htmlcov .hypothesis .*_cache
	@if [ -d .overread ] && [ -t 0 ]; then \
	read -r -p "Delete .overread too, with every exam, result and answer in it? [y/N] " answer; \
	if [ "$$answer" = y ]; then rm -rf .overread; fi; fi

preflight:
	$(WITH_PYTHON); "$$python" portal/demo/preflight.py

front-end: | $(PYTHON_OF_VENV)
	@set -o pipefail; $(PYTHON_OF_VENV) -m viewer_static.fetch | sed '/: there$$/d'

$(PYTHON_OF_VENV):
	$(WITH_PYTHON); "$$python" -m venv $(VENV) \
	|| { rm -rf $(VENV); echo "Python's venv module is missing: on Debian, apt-get install python3.11-venv"; exit 1; }

$(VENV)/installed-embedded: EXTRAS := embedded
$(VENV)/installed-embedded: pyproject.toml | $(PYTHON_OF_VENV)
	$(INSTALL)

$(VENV)/installed-test: EXTRAS := embedded,ldap,report,triton,test
$(VENV)/installed-test: pyproject.toml | $(PYTHON_OF_VENV) build-packages
	$(INSTALL)

define SYSTEM_INSTALL
	@missing=; for pair in $(1); do \
	command -v $${pair%%:*} > /dev/null || test -e $${pair%%:*} || missing="$$missing $${pair##*:}"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then \
	echo "This needs$$missing: install them, on Debian with sudo apt-get install$$missing"; exit 1; fi; \
	echo "Installing$$missing"; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing > /dev/null
endef

system-packages:
	$(call SYSTEM_INSTALL,$(SYSTEM_PACKAGES))

bench-packages:
	$(call SYSTEM_INSTALL,$(BENCH_PACKAGES))

build-packages: | $(PYTHON_OF_VENV)
	$(call SYSTEM_INSTALL,$(BUILD_PACKAGES))
