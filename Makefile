# SPDX-License-Identifier: Apache-2.0
# A thin front for Meson and the scripts, so that one word does each job.
#   make          build/ringway (installs missing Debian packages first)
#   make demo     two guests on a switch with a way out
#   make demo-vm  guests of `ringway vm` and of QEMU, with each kind of card
#   make lab      a shell in a machine with KVM, emulated if need be
#   make check    every test; final line: N passed, N failed, N skipped
#   make bench    forwarding rate beside DPDK testpmd and Open vSwitch
#                 (BENCH_CLASS=apart: while the processors are so; all bench-*)
#   make bench-compare OLD=ringway NEW=ringway   two builds (or two *.json runs)
#   make bench-many   1,000 ports in one daemon
#   make bench-guests   two real guests: Ringway, tap + bridge, stream, OVS
#   make bench-scaling  more queue pairs, more workers
#   make bench-backends  ports: a bare loop, QEMU, Ringway
#   make install  to $(DESTDIR)$(PREFIX)

PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= build
export DESTDIR

.PHONY: all deps demo demo-vm lab check bench bench-compare bench-many bench-guests
.PHONY: bench-backends bench-scaling install clean

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

deps:
	@scripts/install-deps.sh build

$(BUILD)/build.ninja: | deps
	@meson setup $(BUILD) -Dprefix=$(PREFIX)

demo:
	@scripts/install-deps.sh demo
	@$(MAKE) --no-print-directory all
	@scripts/demo.py --build $(BUILD)

demo-vm:
	@scripts/install-deps.sh demo
	@$(MAKE) --no-print-directory all
	@scripts/demo-vm.py --build $(BUILD)

lab:
	@scripts/install-deps.sh demo
	@$(MAKE) --no-print-directory all
	@tests/lab/run.py

check:
	@scripts/install-deps.sh check
	@scripts/check.sh

bench:
	@scripts/install-deps.sh bench
	@$(MAKE) --no-print-directory all
	@bench/bench.py

bench-compare:
	@[ -n "$(OLD)" ] && [ -n "$(NEW)" ] || { echo "usage: make" \
		"bench-compare OLD=BINARY NEW=BINARY (or two *.json)" >&2; exit 2; }
	@bench/compare.py "$(OLD)" "$(NEW)"

bench-many: all
	@bench/many.py

bench-backends: all
	@bench/backends.py

bench-guests:
	@scripts/install-deps.sh demo
	@scripts/install-deps.sh bench
	@$(MAKE) --no-print-directory all
	@bench/guests.py

bench-scaling: all
	@bench/scaling.py

install: all
	@meson configure $(BUILD) -Dprefix=$(PREFIX)
	@meson install -C $(BUILD)

clean:
	rm -rf $(BUILD) build-check
