# A thin face for CMake: what people type. `make help` lists it.
PREFIX ?= /usr/local
BUILD := build

.PHONY: all help deps demo test bench fuzz soak install format check clean

all: deps ## build the command (build/flatstream) and the libraries beside it
	cmake --preset release >/dev/null || cmake --preset release
	cmake --build --preset release -j$$(nproc)

help: ## list what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

deps: ## install what is missing (Debian packages; root or sudo)
	@sh scripts/install-dependencies.sh

demo: all ## record real telemetry, look at it, break it, recover it
	@bash scripts/demo.sh

test: all ## build and pass all tests
	@bash scripts/test.sh

bench: all ## measure, beside raw loops and peers (QUICK=1: the short form)
	@bash scripts/bench.sh

fuzz: deps ## fuzz each target for FUZZ_SECONDS (60)
	@bash scripts/fuzz.sh

soak: all ## long runs: a 10 GiB stream in flat memory
	@bash scripts/soak.sh

install: all ## install to PREFIX (/usr/local); DESTDIR is honoured
	cmake --install $(BUILD) --prefix $(PREFIX)

format: ## format the sources
	@sh scripts/format.sh

check: deps ## everything: both compilers, sanitizers, valgrind, fuzzing, install, format
	@bash scripts/check.sh

clean: ## remove everything that was built
	rm -rf build build-*
