# The front door. Every target does whatever set-up is missing, and says nothing when nothing is.
.DEFAULT_GOAL := build
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory --no-builtin-rules

FUZZ_SECONDS ?= 30
ARGS ?=
TESTS ?=
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
BOOTSTRAP := cmake/deps/bootstrap.sh
BUILD := cmake/build.sh -j$(JOBS)
CTEST := ctest --output-on-failure --no-tests=ignore -j$(JOBS) $(if $(TESTS),-R '$(TESTS)')

.PHONY: build run test lint format bench fuzz asan tsan debug coverage judges install clean distclean help

build:            ## the programs, at build/herzd and build/herz (default)
	@$(BOOTSTRAP) build
	@$(BUILD) release

run: build        ## the daemon in development mode; more arguments: make run ARGS="--log-level debug"
	@exec build/herzd --dev $(ARGS)

test:             ## every test that needs no sanitizer; some of them: make test TESTS=unit/base
	@$(BOOTSTRAP) build test interop
	@$(BUILD) release
	@$(CTEST) --test-dir build

asan:             ## unit, conformance and simulation tests under AddressSanitizer and UBSan
	@$(BOOTSTRAP) build test clang
	@$(BUILD) asan
	@$(CTEST) --test-dir build-asan

tsan:             ## threaded tests under ThreadSanitizer
	@$(BOOTSTRAP) build test clang
	@$(BUILD) tsan
	@$(CTEST) --test-dir build-tsan

debug:            ## a build without optimization, in build-debug/
	@$(BOOTSTRAP) build test
	@$(BUILD) debug

coverage:         ## line coverage of the test suites, a table at the end
	@$(BOOTSTRAP) build test
	@$(BUILD) coverage
	@$(CTEST) --test-dir build-coverage -L 'unit|conformance|sim|fuzz-replay' || true
	@cmake/coverage.sh build-coverage

lint:             ## formatting, clang-tidy, include directions, sizes
	@$(BOOTSTRAP) build test clang lint
	@$(BUILD) --configure-only release
	@cmake/lint/lint.sh build

format:           ## rewrite the sources as `make lint` wants them
	@$(BOOTSTRAP) build clang lint
	@cmake/lint/format.sh --fix

judges:           ## browsers and other stacks that judge from outside; without them `make test` skips their tests
	@$(BOOTSTRAP) interop judges

bench:            ## the table of the budgets, Herz beside others: ARGS="--rounds 3 --only ws"; docs/bench.md
	@$(BOOTSTRAP) build test interop
	@$(BUILD) release
	@tests/bench/peers.sh build
	@node tests/bench/run.mjs $(ARGS)

fuzz:             ## every fuzz target for FUZZ_SECONDS (30); one of them: make fuzz TESTS=frame
	@$(BOOTSTRAP) build clang
	@$(BUILD) fuzz
	@cmake/fuzz.sh build-fuzz $(FUZZ_SECONDS) $(TESTS)

install: build    ## programs, library, headers; PREFIX=/usr/local, DESTDIR for packagers
	@cmake --install build --prefix "$(PREFIX)"

clean:            ## remove what was built, keep the dependencies
	@rm -rf build build-debug build-asan build-tsan build-coverage build-fuzz

distclean: clean  ## remove the dependencies too
	@rm -rf .deps tests/interop/node_modules apps/web/client/node_modules apps/web/client/dist

help:             ## this list
	@sed -n 's/^\([a-z]*\):[a-z ]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18
