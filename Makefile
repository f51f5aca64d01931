# SPDX-License-Identifier: Apache-2.0
# Verbs in front of meson. `make` builds; `make demo` shows it at work; `make test` proves it.

ifeq ($(origin CC),default)
CC := gcc
endif
# Each compiler has its own build directory: `CC=clang make` builds into build-clang.
ifeq ($(notdir $(CC)),gcc)
BUILD ?= build
else
BUILD ?= build-$(notdir $(CC))
endif
PREFIX ?= /usr
DESTDIR ?=
MESON_OPTIONS ?=
FUZZ_SECONDS ?= 60
BUILD_DEB ?= build-deb$(if $(ARCH),-$(ARCH))
BUILD_PORTABLE ?= build-portable
BENCH ?=
PROFILE ?=
PEER ?=
SEED ?=
FIRST ?=
SEQUENCES ?=
ONLY ?=
MINUTES ?= 60
STEPS ?= 10000000
KEEP ?=
KERNEL ?=
ARCH ?=
TEST ?=
SHORT ?=
CHECK ?=
export CC BUILD FUZZ_SECONDS

C_FILES = $(shell find src tests bench -name '*.[ch]')

.PHONY: all help everything deps demo test bench bench-short bench-programs profile chaos soak lint fuzz install deb system-test format clean
.PHONY: fuzz-coverage coverage tsan valgrind mutants kernel-test platforms cross-test model model-long
.NOTPARALLEL:

# build/portsyncd and build/portsyncctl; CC=clang make: build-clang/...
all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) portsyncd portsyncctl

# This list.
help:
	@awk '/^# / { text = text (text ? " " : "") substr($$0, 3); next } \
	    /^[a-z][a-z -]*:/ && text { sub(/:.*/, ""); printf "make %-14s %s\n", $$0, text } { text = "" }' Makefile

# With the unit tests, and what other tests need.
everything: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@meson setup $(BUILD) --prefix=$(PREFIX) $(MESON_OPTIONS)

deps:
	@scripts/install-deps

# 32 real links and a real Redis, and STATE_DB following them. KEEP=1: all stays until Ctrl-C
demo: deps all
	@PORTSYNCD=$(BUILD)/portsyncd KEEP=$(KEEP) scripts/demo

# All tests; as root, since they make network namespaces. TEST_PATIENCE=4: for a slow machine
test: deps
	@scripts/test

# Speed and cost, see bench/README.md. PEER=/path/to/portsyncd: also compare with that one. BENCH: more options, see
# bench/run --help
bench: deps bench-programs instructions
	@bench/run --daemon $(BUILD)/portsyncd --programs $(BUILD)/bench $(if $(PEER),--peer $(PEER)) $(BENCH)

# A minute, with those musts only that a noisy machine can keep.
bench-short: deps bench-programs
	@bench/run --daemon $(BUILD)/portsyncd --programs $(BUILD)/bench --ci

.PHONY: instructions
# Instructions and system calls of an event; fails where they are more than bench/instructions.json has.
instructions: deps bench-programs
	@bench/instructions --daemon $(BUILD)/portsyncd --programs $(BUILD)/bench

bench-programs: $(BUILD)/build.ninja
	@meson configure $(BUILD) -Dbench=true
	@ninja -C $(BUILD) bench-programs

# Flame graph and call graph of a storm, into $(BUILD)/profile; PROFILE="--rate 20000 --seconds 5": see --help
profile: deps bench-programs
	@scripts/profile --daemon $(BUILD)/portsyncd --programs $(BUILD)/bench --out $(BUILD)/profile $(PROFILE)

# 500 sequences of faults. SEED=n: that one again; FIRST=n: from another seed on; SEQUENCES=n: so many
chaos: deps everything
	@PORTSYNCD=$(BUILD)/portsyncd tests/chaos/run $(if $(SEED),--seed $(SEED)) $(if $(FIRST),--first $(FIRST)) \
		$(if $(SEQUENCES),--sequences $(SEQUENCES))

# Storms, scrapes and reconnections for MINUTES, and what became of memory, descriptors and latency.
soak: deps bench-programs
	@bench/soak --daemon $(BUILD)/portsyncd --programs $(BUILD)/bench --minutes $(MINUTES)

# Faults on purpose, each noticed by a unit test? ONLY=links: some of them
mutants: deps
	@tests/mutants/run $(ONLY)

# Every state of the models in proof/, and that each fault on purpose is found there. ONLY=rows: some of them
model: deps everything
	@proof/check $(ONLY)
	@proof/conform $(BUILD)/tests/proof/proof_trace

# The same of larger models.
model-long: deps
	@proof/check --long $(ONLY)
	@proof/conform --broken

# Format, includes, sizes, warnings of gcc and clang, clang-tidy, cppcheck.
lint: deps
	@scripts/lint

# Every fuzz target for FUZZ_SECONDS (60).
fuzz: deps
	@scripts/fuzz

.PHONY: simulate
# The daemon's parts under random faults, STEPS (10 million) of two simulations each. SEED=n: from this input on
simulate: deps
	@scripts/fuzz --steps $(STEPS) $(SEED)

# What the seeds of each target reach.
fuzz-coverage: deps
	@scripts/fuzz --coverage

# What the tests reach (ports/links, stage, rules, linkmsg, watch, publish need 95 %); the threads under ThreadSanitizer;
# the daemon under memcheck. `make test` has short forms of the last two.
coverage tsan valgrind: deps
	@scripts/test $@

# Below DESTDIR and PREFIX (/usr).
install: $(BUILD)/build.ninja
	@meson configure $(BUILD) --prefix=$(PREFIX)
	@ninja -C $(BUILD) portsyncd portsyncctl
	@DESTDIR=$(abspath $(DESTDIR)) meson install -C $(BUILD) --no-rebuild

# The Debian packages, into $(BUILD_DEB). ARCH=arm64, armhf: cross-built
deb: deps
	@scripts/build-deb $(BUILD_DEB) $(ARCH)

# For arm64 and armhf, or ARCH: unit tests and the seeds of the fuzz targets by qemu-user (built in build-ARCH), and the
# package. SUITE=trixie: with another Debian's compiler and libraries.
cross-test: deps
	@for arch in $(or $(ARCH),arm64 armhf); do scripts/cross test $$arch || exit 1; done
	@/usr/bin/python3 -m pytest -q tests/cross $(if $(ARCH),-k $(ARCH))

.PHONY: portable reproducible
# Programs to try in a container that lacks the libraries, into $(BUILD_PORTABLE)
portable: deps all
	@scripts/build-portable $(BUILD_PORTABLE) $(BUILD)

# The packages built twice, in two folders and on two days: equal byte for byte?
reproducible:
	@scripts/install-deps release
	@scripts/reproducible

# The packages in a Debian that systemd-nspawn boots; its root is made once, into build-root. make test does it too.
system-test: deps
	@/usr/bin/python3 -m pytest -q tests/nspawn

.PHONY: container-test
# In a real docker like SONiC's, on such a machine; make test has a short form. SUITE=trixie: in Debian 13
container-test: deps
	@$(if $(SUITE),SUITE=$(SUITE)) /usr/bin/python3 -m pytest -q tests/container

# Debian's own kernels in qemu, in software: real bonds, teams, cards. KERNEL=6.1, ARCH=arm64: some; TEST="-k bond"
kernel-test: all
	@scripts/install-deps release
	@ninja -C $(BUILD) tests/unit/sandbox_probe
	@tests/kernel/run $(if $(TEST),,--write) $(if $(KERNEL),--kernel $(KERNEL)) $(if $(ARCH),--arch $(ARCH)) $(TEST)

# Builds and tests in Debian 12 and 13: an hour. SHORT=1: a few minutes, in the one that this machine does not have.
platforms: deps
	@scripts/platforms $(if $(SHORT),--short)

.PHONY: release-check
# All that a release needs beyond .ci/run, with a table for docs/platforms.md. CHECK=kernel-test: only that
release-check: deps
	@scripts/release-check $(CHECK)

# clang-format 14 over all C files.
format:
	@clang-format -i $(C_FILES)

# Removes the build directories.
clean:
	@rm -rf build build-*
