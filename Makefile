# SPDX-License-Identifier: GPL-2.0-or-later
# The one entry point; every target sets up what it needs. `make` alone lists them.

export PATH := $(PATH):$(HOME)/.cargo/bin

CONSORT := $(or $(CARGO_TARGET_DIR),target)/release/consort

.DEFAULT_GOAL := help
.PHONY: help setup build demo demo-linux demo-microbit test check bench firmware clean

help: ## lists what there is
	@echo "Consort: a fleet of virtual devices in one deterministic virtual time"
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | awk -F '|' '{ printf "%-16s %s\n", $$1, $$2 }'

setup: ## installs what the build needs (cmake, libclang, ...) or says what to install
	@.ci/setup build

build: setup ## builds the consort command into target/release
	@cargo build --release || { echo "make: the build failed; the first error above says why" >&2; exit 1; }

demo: build ## a phone finds a watch and two sensors on the soft bus; all are cut off and recover; then a PineTime takes a walk
	@$(CONSORT) run demo/softbus.json --for 80s || { echo "make: the demo failed; the line above says why" >&2; exit 1; }
	@echo "A watch on a walk; its pictures go to target/demo"
	@$(CONSORT) run demo/pinetime.json --for 32s --screenshots target/demo --every 1s || { echo "make: the demo failed; the line above says why" >&2; exit 1; }

demo-linux: build ## the same story with a phone that runs Debian's Linux
	@.ci/setup test
	@firmware/phone/linux.sh target/phone || { echo "make: Debian's arm64 packages cannot be had; the line above says why" >&2; exit 1; }
	@$(CONSORT) run demo/linux.json --for 30s

demo-microbit: build ## two micro:bits with MicroPython call each other by radio, judged by a scenario
	@.ci/setup test
	@demo/microbit/make.sh target/microbit || { echo "make: MicroPython cannot be had; the line above says why" >&2; exit 1; }
	@$(CONSORT) run demo/microbit.json --for 4s
	@$(CONSORT) test demo/microbit

test: setup ## all tests
	@.ci/test || { echo "make: tests failed; what they said is in target/test" >&2; exit 1; }

check: setup ## formatting, lints, documentation links, licences
	@.ci/check || { echo "make: the check failed; the lines above say what to change" >&2; exit 1; }

bench: build ## measures beside QEMU; the same figures go to target/bench/summary.json
	@.ci/setup bench
	@cargo bench -q --bench summary || { echo "make: the benchmark failed; the line above says why" >&2; exit 1; }
	@cargo bench -q -p consort-gui --bench frames || { echo "make: the benchmark failed; the line above says why" >&2; exit 1; }

firmware: ## rebuilds firmware/bin from its sources, bit by bit the same
	@.ci/setup firmware
	@$(MAKE) -s -C firmware

clean: ## removes everything that was built
	@cargo clean
	@$(MAKE) -s -C firmware clean
