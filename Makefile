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
FUZZ_SECONDS ?= 60
BUILD_DEB ?= build-deb
BENCH ?=
PROFILE ?=
PEER ?=
export CC BUILD FUZZ_SECONDS

C_FILES = $(shell find src tests bench -name '*.[ch]')

.PHONY: all deps demo test bench bench-short bench-programs profile lint fuzz install deb system-test format clean
.NOTPARALLEL:

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@meson setup $(BUILD) --prefix=$(PREFIX)

deps:
	@scripts/install-deps

demo: deps all
	@PORTSYNCD=$(BUILD)/portsyncd scripts/demo

test: deps
	@scripts/test

# PEER=/path/to/portsyncd: also compare with that one. BENCH: more options, see bench/run --help
bench: deps bench-programs
	@bench/run --daemon $(BUILD)/portsyncd --programs $(BUILD)/bench $(if $(PEER),--peer $(PEER)) $(BENCH)

# A minute, with those musts only that a noisy machine can keep.
bench-short: deps bench-programs
	@bench/run --daemon $(BUILD)/portsyncd --programs $(BUILD)/bench --ci

bench-programs: all
	@meson configure $(BUILD) -Dbench=true
	@ninja -C $(BUILD)

# Flame graph and call graph of a storm, into $(BUILD)/profile; PROFILE="--rate 20000 --seconds 5": see --help
profile: deps all
	@meson configure $(BUILD) -Dbench=true
	@ninja -C $(BUILD)
	@scripts/profile --daemon $(BUILD)/portsyncd --programs $(BUILD)/bench --out $(BUILD)/profile $(PROFILE)

lint: deps
	@scripts/lint

fuzz: deps
	@scripts/fuzz

install: all
	@meson configure $(BUILD) --prefix=$(PREFIX)
	@DESTDIR=$(abspath $(DESTDIR)) meson install -C $(BUILD)

# The Debian package, into $(BUILD_DEB)
deb: deps
	@scripts/build-deb $(BUILD_DEB)

# The package in a Debian that systemd-nspawn boots; its root is made once, into build-root. make test does it too.
system-test: deps
	@/usr/bin/python3 -m pytest -q tests/nspawn

format:
	@clang-format-14 -i $(C_FILES)

clean:
	@rm -rf build build-*
