# The short front door; CMake does the work (tools/build.sh does without it).
#
#   make demo       from nothing to a trained network: installs what is missing, builds, trains, predicts
#   make test       the tests
#   make build      the library and the command ./gemel; a C compiler is enough
#   make bench      the benchmarks, as ratios against peers
#   make lint       figures and rules of style
#   make docs       docs/api/ from the headers
#   make fuzz       every fuzz target for FUZZ_SECONDS (60)
#   make install    into PREFIX (/usr/local), below DESTDIR
#   make test-all   every compiler, level and instruction set, everything long too; make test-math: every float
#   make test-peers the comparisons that need PyTorch
#   make clean
.PHONY: build demo test test-all test-math test-peers bench lint docs fuzz install clean
.NOTPARALLEL:

PREFIX ?= /usr/local
BUILD ?= build
JOBS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
FUZZ_SECONDS ?= 60
TESTS ?= .
export PREFIX BUILD JOBS FUZZ_SECONDS

build:
	@sh tools/build.sh

demo:
	@sh tools/setup.sh demo
	@sh tools/build.sh
	@sh tools/demo.sh

test:
	@sh tools/setup.sh test
	@sh tools/python.sh
	@sh tools/build.sh all
	@ctest --test-dir $(BUILD) -R '$(TESTS)' -j $(JOBS) --output-on-failure --no-tests=error

test-all: test test-math
	@sh tools/setup.sh ci
	@bash tools/matrix.sh all
	@sh tools/sanitize.sh address
	@sh tools/sanitize.sh threads

test-math:
	@sh tools/setup.sh test
	@sh tools/build.sh long
	@ctest --test-dir $(BUILD) -C long -L long --output-on-failure

test-peers:
	@sh tools/setup.sh test
	@sh tools/build.sh
	@sh tools/peers.sh

bench:
	@sh tools/setup.sh bench
	@sh tools/build.sh bench
	@sh bench/peers/install.sh
	@sh bench/run.sh

lint:
	@sh tools/lint.sh

docs:
	@sh tools/docs.sh

fuzz:
	@sh tools/setup.sh ci
	@sh tools/fuzz.sh

install: build
	@test -f $(BUILD)/CMakeCache.txt || { echo "make install needs CMake" >&2; exit 1; }
	@sh tools/install.sh

clean:
	rm -rf build build-* gemel docs/api
