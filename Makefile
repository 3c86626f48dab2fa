# A thin face for CMake: what people type. `make help` lists it.
PREFIX ?= /usr/local
BUILD := build
CONFIGURE := cmake --preset release >/dev/null || cmake --preset release
BUILT := cmake --build --preset release -j$$(nproc)

.PHONY: all help deps demo test bench fuzz soak install format check clean

all: deps ## build the command (build/flatstream) and the libraries beside it
	@$(CONFIGURE)
	$(BUILT)

help: ## list what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

deps: ## install what is missing (Debian packages; root or sudo)
	@sh scripts/install-dependencies.sh

demo: deps ## record real telemetry, look at it, break it, recover it
	@sh scripts/build-quietly.sh flatstream_command example_telemetry_agent
	@bash scripts/demo.sh

test: ## build and pass all tests
	@sh scripts/install-dependencies.sh test
	@$(CONFIGURE)
	$(BUILT)
	@bash scripts/test.sh

bench: ## measure, beside raw loops and peers (QUICK=1: the short form)
	@bash scripts/bench.sh

fuzz: ## fuzz each target for FUZZ_SECONDS (60)
	@bash scripts/fuzz.sh

soak: all ## long runs: flat memory, no message lost, salvage's time, tests with large counts
	@bash scripts/soak.sh

install: all ## install to PREFIX (/usr/local); DESTDIR is honoured
	cmake --install $(BUILD) --prefix $(PREFIX)

format: ## format the sources
	@sh scripts/install-dependencies.sh full
	@sh scripts/format.sh

check: ## everything: both compilers, sanitizers, valgrind, fuzzing, install, format
	@bash scripts/check.sh

clean: ## remove everything that was built
	rm -rf build build-*
