# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# Makefile - builds, tests and installs the library and the command
#
# One graph, no recursion.  The tree is compiled in variants, each below a
# folder of its own, by the rules of `define variant`:
#
#   build/         what is installed
#   build/alt/     the same by the other compiler (gcc's is clang's, and back)
#   build/asan/    AddressSanitizer and UndefinedBehaviorSanitizer
#   build/tsan/    ThreadSanitizer; -DZC_TSAN: fences that it understands
#   build/kill/    -DZC_KILLPOINTS: stops and dies at named steps
#   build/fuzz/    libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer
#   build/cov/     clang's source-based coverage, with the kill points
#   build/arm64/   for arm64, by gcc's cross compiler; -DZC_PLAIN: no Criterion
#
# Sources are found by wildcard: adding a file is dropping it in its folder.

ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin AR),default)
AR := ar
endif
ALT_CC := $(if $(findstring clang,$(notdir $(CC))),gcc,clang)
SAN_CC := clang
# Libraries, and what pkg-config says of them, are those of selftests/arm64/root.sh.
ARM64_ROOT := $(CURDIR)/build/arm64/root
ARM64_CC := aarch64-linux-gnu-gcc --sysroot=$(ARM64_ROOT)
PKG_CONFIG ?= pkg-config

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
DESTDIR ?=

# CFLAGS, CPPFLAGS and LDFLAGS are the caller's, and come last.  The sources
# need no more than what is here; -fno-strict-aliasing because lib/core/ is the
# kernel's code, too, and records in shared memory have no declared type.
WARN := -Wall -Wextra -Wundef -Werror -Wmissing-prototypes -Wstrict-prototypes
BASE := -std=gnu11 -O2 -g $(WARN) -fno-strict-aliasing -fvisibility=hidden \
	-ffile-prefix-map=$(CURDIR)/=
INC := -Iinclude -Iinclude/uapi
# Linux only, and says so.  (Empty, as a `#define _GNU_SOURCE` is: both may be.)
# Not for the examples: they must compile as a reader of the manual compiles them.
GNU := -D_GNU_SOURCE=

version_part = $(shell sed -n 's/^\#define ZC_VERSION_$1 //p' include/zerocore/base.h)
VERSION := $(call version_part,MAJOR).$(call version_part,MINOR).$(call version_part,PATCH)
SONAME := libzerocore.so.$(call version_part,MAJOR)
SOFILE := libzerocore.so.$(VERSION)

LIB_SRC := $(sort $(wildcard lib/*.c lib/*/*.c))
TOOL_SRC := $(sort $(wildcard tools/zerocore/*.c))
# Not the command, which links no library of others: zerocore-compare.
COMPARE_SRC := $(sort $(wildcard tools/bench/*.c))
EXAMPLE_SRC := $(sort $(wildcard tools/examples/*.c))
UNIT_SRC := $(sort $(wildcard selftests/unit/*.c))
CONF_SRC := $(sort $(wildcard selftests/conformance/*.c))
CRASH_SRC := $(sort $(wildcard selftests/crash/*.c))
SOAK_SRC := $(sort $(wildcard selftests/soak/*.c))
DEVICE_SRC := $(sort $(wildcard selftests/device/*.c))
LITMUS := $(sort $(wildcard selftests/litmus/*.litmus))
FUZZ_SRC := $(sort $(wildcard selftests/fuzz/*.c))

# A test program is selftests/*/test_*.c; what else lies there is its harness.
tests_of = $(filter $(dir $(firstword $1))test_%,$1)
harness_of = $(filter-out $(dir $(firstword $1))test_%,$1)

PUBLIC_H := $(sort $(wildcard include/zerocore/*.h))
UAPI_H := $(sort $(wildcard include/uapi/linux/zerocore*.h))
MAN := $(sort $(wildcard Documentation/man/*.[1-8] Documentation/man/*/*.[1-8]))
COMPLETION := $(sort $(wildcard tools/completion/*))

# pkg-config is asked in recipes only: at parse time it may not be there yet.
# What it finds is other people's: -isystem keeps our warnings off it.
tool_cflags = $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags json-c libcrypto ncursesw))
tool_libs = $(shell $(PKG_CONFIG) --libs json-c libcrypto ncursesw) -lm
unit_cflags = $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags criterion))
unit_libs = $(shell $(PKG_CONFIG) --libs criterion)

ifeq ($(V),1)
say = @:
Q :=
else
say = @printf '  %-7s %s\n' $1 $2
Q := @
endif

.DEFAULT_GOAL := all
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: FORCE
FORCE:

comma := ,
# What the library needs: a CRC32C that is as fast as memory is.
LIB_LIBS := -lisal

# Put a text in the target, which grows newer only when the text is another.  Two
# makes at a time, as the tests have them, do not meet: each has a file of its own.
when_changed = mkdir -p $(@D) && printf '%s\n' '$1' >$@.$$$$ && \
	if cmp -s $@.$$$$ $@; then rm $@.$$$$; else mv $@.$$$$ $@; fi

# --- variants ---------------------------------------------------------------
#
# $(call variant,folder,compiler,flags,flags of lib/core)
# Every object waits for the packages (order only: they never make it stale) and
# for a file with the flags, so that another compiler or flag rebuilds.

define variant
$1_lib_o := $(LIB_SRC:%.c=$1/obj/%.o)
$1_tool_o := $(TOOL_SRC:%.c=$1/obj/%.o)
$1_compare_o := $(COMPARE_SRC:%.c=$1/obj/%.o)
$1_example_o := $(EXAMPLE_SRC:%.c=$1/obj/%.o)
$1_unit_o := $(UNIT_SRC:%.c=$1/obj/%.o)
$1_conf_o := $(patsubst %.c,$1/obj/%.o,$(call harness_of,$(CONF_SRC)))
$1_crash_o := $(patsubst %.c,$1/obj/%.o,$(call harness_of,$(CRASH_SRC)))
$1_soak_o := $(patsubst %.c,$1/obj/%.o,$(call harness_of,$(SOAK_SRC)))
$1_device_o := $(patsubst %.c,$1/obj/%.o,$(call harness_of,$(DEVICE_SRC)))
$1_fuzz_o := $(FUZZ_SRC:%.c=$1/obj/%.o)
$1_fuzz := $(patsubst selftests/fuzz/%.c,$1/fuzz/%,$(filter selftests/fuzz/fuzz_%,$(FUZZ_SRC)))
$1_command := $(if $(TOOL_SRC),$1/bin/zerocore)
$1_compare := $(if $(COMPARE_SRC),$1/bin/zerocore-compare)
$1_examples := $(EXAMPLE_SRC:tools/examples/%.c=$1/examples/%)
$1_unit := $(if $(UNIT_SRC),$1/tests/unit)
$1_conf := $(patsubst selftests/%.c,$1/tests/%,$(call tests_of,$(CONF_SRC)))
$1_crash := $(patsubst selftests/%.c,$1/tests/%,$(call tests_of,$(CRASH_SRC)))
$1_soak := $(patsubst selftests/%.c,$1/tests/%,$(call tests_of,$(SOAK_SRC)))
$1_device := $(patsubst selftests/%.c,$1/tests/%,$(call tests_of,$(DEVICE_SRC)))
$1_tests_o := $$(patsubst $1/tests/%,$1/obj/selftests/%.o,\
	$$($1_conf) $$($1_crash) $$($1_soak) $$($1_device))
$1_all_o := $$($1_lib_o) $$($1_tool_o) $$($1_compare_o) $$($1_example_o) $$($1_unit_o) \
	$$($1_conf_o) $$($1_crash_o) $$($1_soak_o) $$($1_device_o) $$($1_tests_o) $$($1_fuzz_o)

$1/flags: FORCE
	@$$(call when_changed,$2 $(BASE) $(INC) $(GNU) $3 $4 $(CPPFLAGS) $(CFLAGS) $(LDFLAGS))

# The lists of sources: a source that is gone must leave the archives, too.
$1/sources: FORCE
	@$$(call when_changed,$$($1_all_o))

$$($1_all_o): $1/obj/%.o: %.c $1/flags | deps-build
	$$(call say,CC,$$@)
	@mkdir -p $$(@D)
	$$(Q)$2 $(BASE) $(INC) $3 $$(local) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $$@ $$<

# What is only one part's: the library can be shared, and sees its own folder.
$$($1_lib_o): private local = $(GNU) -Ilib -fPIC -fno-semantic-interposition \
	$$(if $$(findstring /obj/lib/core/,$$@),$4)
$$($1_tool_o): private local = $(GNU) -Itools $$(tool_cflags)
$$($1_compare_o): private local = $(GNU) -Itools/zerocore $$(tool_cflags) \
	$$(shell sed -n 1p $1/peers)
$$($1_compare_o): $1/peers
$$($1_unit_o): private local = $(GNU) -Ilib $$(unit_cflags)
$$($1_unit_o): | deps-check
$$(filter $1/obj/selftests/conformance/%,$$($1_all_o)): private local = $(GNU) -Iselftests/conformance
$$(filter $1/obj/selftests/crash/%,$$($1_all_o)): private local = $(GNU) -Ilib \
	-Iselftests/crash -Iselftests/conformance
$$(filter $1/obj/selftests/soak/%,$$($1_all_o)): private local = $(GNU) \
	-Iselftests/soak -Iselftests/conformance
$$(filter $1/obj/selftests/device/%,$$($1_all_o)): private local = $(GNU) \
	-Iselftests/device -Iselftests/conformance
$$($1_fuzz_o): private local = $(GNU) -Iselftests/fuzz
$1/obj/selftests/fuzz/fuzz_cli.o: private local = $(GNU) -Iselftests/fuzz -Itools/zerocore \
	$$(tool_cflags)
# liburing comes with the tests' packages.
$1/obj/selftests/device/storm.o $1/obj/selftests/device/test_storm.o: | deps-check

$1/lib/libzerocore.a: $$($1_lib_o) $1/sources
	$$(call say,AR,$$@)
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)$(AR) rcs $$@ $$($1_lib_o)

# A harness is an archive: a program takes from it what it calls.
$1/tests/conformance.a: $$($1_conf_o) $1/sources
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)$(AR) rcs $$@ $$($1_conf_o)

$1/tests/crash.a: $$($1_crash_o) $1/sources
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)$(AR) rcs $$@ $$($1_crash_o)

$1/tests/soak.a: $$($1_soak_o) $1/sources
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)$(AR) rcs $$@ $$($1_soak_o)

$1/tests/device.a: $$($1_device_o) $1/sources
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)$(AR) rcs $$@ $$($1_device_o)

# -z nodelete: a thread and a fork handler of ours may outlive a dlclose().
$1/lib/$(SOFILE): $$($1_lib_o) lib/libzerocore.map $1/sources
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$2 -shared $3 $(LDFLAGS) -Wl,-soname,$(SONAME) \
		-Wl,--version-script=lib/libzerocore.map -Wl,-z,nodelete \
		-Wl,-z,defs -Wl,-z,relro -Wl,-z,now -o $$@ $$($1_lib_o) $(LIB_LIBS)

$1/lib/$(SONAME): $1/lib/$(SOFILE)
	@ln -sf $(SOFILE) $$@

$1/lib/libzerocore.so: $1/lib/$(SONAME)
	@ln -sf $(SONAME) $$@

$1/bin/zerocore: $$($1_tool_o) $1/lib/libzerocore.a $1/sources
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$2 $3 $(LDFLAGS) -o $$@ $$($1_tool_o) $1/lib/libzerocore.a $(LIB_LIBS) $$(tool_libs)

# The libraries of peers that this compiler finds: how to compile, how to link.
$1/peers: FORCE
	@$$(call when_changed,$$(shell tools/bench/peers.sh cflags $2))
	@tools/bench/peers.sh libs $2 >$$@-libs.$$$$$$$$ && mv $$@-libs.$$$$$$$$ $$@-libs

# It takes from the command's benchmarks what it calls.
$1/tests/bench.a: $$(filter $1/obj/tools/zerocore/bench_%,$$($1_tool_o)) $1/sources
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)$(AR) rcs $$@ $$(filter %.o,$$^)

$1/bin/zerocore-compare: $$($1_compare_o) $1/tests/bench.a $1/lib/libzerocore.a
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$2 $3 $(LDFLAGS) -o $$@ $$^ $(LIB_LIBS) -ljson-c -lm $$(shell cat $1/peers-libs)

# An example links what a program links, and finds it beside itself.
$$($1_examples): $1/examples/%: $1/obj/tools/examples/%.o $1/lib/libzerocore.so
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$2 $3 $(LDFLAGS) -o $$@ $$< -L$1/lib -lzerocore \
		-Wl,-rpath,'$$$$ORIGIN/../lib'

$1/tests/unit: $$($1_unit_o) $1/lib/libzerocore.a $1/sources
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$2 $3 $(LDFLAGS) -o $$@ $$($1_unit_o) $1/lib/libzerocore.a $(LIB_LIBS) $$(unit_libs)

# What the library calls goes by harness_fault.c.
$$(filter $1/tests/conformance/test_fault%,$$($1_conf)): private libs = $(FAULTS)
$$($1_conf): $1/tests/%: $1/obj/selftests/%.o $1/tests/conformance.a $1/lib/libzerocore.a
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$2 $3 $(LDFLAGS) -o $$@ $$^ $$(libs) $(LIB_LIBS)

$$($1_soak): $1/tests/%: $1/obj/selftests/%.o $1/tests/soak.a $1/tests/conformance.a \
		$1/lib/libzerocore.a
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$2 $3 $(LDFLAGS) -o $$@ $$^ $(LIB_LIBS)

$$($1_crash): $1/tests/%: $1/obj/selftests/%.o $1/tests/crash.a $1/tests/conformance.a \
		$1/lib/libzerocore.a
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$2 $3 $(LDFLAGS) -o $$@ $$^ $(LIB_LIBS)

# Made of the litmus files: one text for herd7 and for the processor.
$1/gen/litmus_table.h: selftests/litmus/convert.py $(LITMUS) | deps-check
	@mkdir -p $$(@D)
	$$(Q)python3 $$< c $(LITMUS) >$$@

$1/tests/litmus: selftests/litmus/test_litmus.c $1/gen/litmus_table.h lib/core/atomic.h $1/flags
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$2 $(BASE) $(INC) $(GNU) -Ilib -I$1/gen $3 $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $$@ $$<

$1/tests/device/test_storm: private libs = -luring
$$($1_device): $1/tests/%: $1/obj/selftests/%.o $1/tests/device.a $1/tests/conformance.a \
		$1/lib/libzerocore.a
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$2 $3 $(LDFLAGS) -o $$@ $$^ $$(libs) $(LIB_LIBS)

# The engine has the main function.
$1/fuzz/fuzz_cli: $(addprefix $1/obj/tools/zerocore/,cli.o cli_text.o file_message.o)
$1/fuzz/fuzz_cli: private libs = $$(tool_libs)
$$($1_fuzz): $1/fuzz/%: $1/obj/selftests/fuzz/%.o $1/obj/selftests/fuzz/fuzz.o \
		$1/lib/libzerocore.a
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$2 $3 -fsanitize=fuzzer $(LDFLAGS) -o $$@ $$^ $(LIB_LIBS) $$(libs)

-include $$($1_all_o:.o=.d)
endef

ASAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
TSAN := -fsanitize=thread -DZC_TSAN -fno-omit-frame-pointer

FUZZER := -fsanitize=fuzzer-no-link $(ASAN)
COVERAGE := -fprofile-instr-generate -fcoverage-mapping -fprofile-update=atomic \
	-DZC_KILLPOINTS

# Each WRAP() of selftests/conformance/harness_fault.c.
FAULTS := $(addprefix -Wl$(comma)--wrap=,malloc calloc realloc aligned_alloc mmap munmap \
	mprotect madvise open fopen opendir realpath fstat lstat stat statfs statvfs faccessat \
	readlink unlink link ftruncate fchmod fallocate posix_fallocate pread pwrite read fcntl pipe2 \
	eventfd getrandom pthread_create pthread_key_create getcpu syscall)

# A kernel stack is short.  (Sanitizers need more, and are not for the kernel.)
CORE := -Wframe-larger-than=1024

$(eval $(call variant,build,$(CC),,$(CORE)))
$(eval $(call variant,build/alt,$(ALT_CC),,$(CORE)))
$(eval $(call variant,build/asan,$(SAN_CC),$(ASAN)))
$(eval $(call variant,build/tsan,$(SAN_CC),$(TSAN)))
$(eval $(call variant,build/kill,$(CC),-DZC_KILLPOINTS,$(CORE)))
$(eval $(call variant,build/fuzz,$(SAN_CC),$(FUZZER)))
$(eval $(call variant,build/cov,$(SAN_CC),$(COVERAGE)))
$(eval $(call variant,build/arm64,$(ARM64_CC),-DZC_PLAIN,$(CORE)))
build/arm64/%: PKG_CONFIG = PKG_CONFIG_SYSROOT_DIR=$(ARM64_ROOT) \
	PKG_CONFIG_LIBDIR=$(ARM64_ROOT)/usr/lib/aarch64-linux-gnu/pkgconfig pkg-config
build/arm64/%: unit_cflags =
build/arm64/%: unit_libs =

libs_of = $(if $(LIB_SRC),$1/lib/libzerocore.a $1/lib/libzerocore.so)

# --- what one asks for ------------------------------------------------------

# What a test calls make for is what was tested: the same compiler and flags.
export CC CPPFLAGS CFLAGS LDFLAGS

.PHONY: all demo check check-long install uninstall clean help fmt-check
.PHONY: alt asan tsan kill coverage cov fuzz fuzzers soak tests bench deps-build deps-demo deps-check
.PHONY: arm64 check-arm64 static
.PHONY: plots module insmod rmmod install-module uninstall-module vm demo-kernel

## all          the command, the library and the examples, below build/ (the default)
all: $(call libs_of,build) $(build_command) $(build_examples)

## demo         every shared object of this machine through a pool, with deaths in between
demo: all | deps-demo
	tools/demo.sh

## tests        build the test programs only
tests: all $(build_unit) $(build_conf) $(build_device) $(build_soak) build/tests/litmus $(build_compare)

# BENCH_ARGS: more options of `zerocore bench compare'.
QUICK ?=
bench_args = $(if $(filter-out 0,$(QUICK)),--quick) $(BENCH_ARGS)
## bench        beside its peers, in pictures: build/bench/report.html; QUICK=1: a minute
bench: all
	@tools/deps.sh bench || echo "  bench: what is not there is left out"
	@$(MAKE) --no-print-directory build/bin/zerocore-compare
	@mkdir -p build/bench
	build/bin/zerocore bench compare $(bench_args) --output build/bench/compare.json
	@selftests/instructions.sh --print >build/bench/instructions || rm -f build/bench/instructions
	tools/bench/report.py build/bench/compare.json build/bench/report.html \
		build/bench/instructions

## module       zerocore.ko; for another kernel: KDIR=/lib/modules/VERSION/build
module:
	@tools/deps.sh module
	@tools/module.sh $(KDIR)

## insmod       build the module for the running kernel, and load it
insmod:
	@tools/deps.sh module
	tools/load.sh "$$(tools/module.sh /lib/modules/$$(uname -r)/build | tail -n 1)"

## rmmod        unload the module; it refuses as long as a pool is there
rmmod:
	rmmod zerocore

SRCDIR ?= /usr/src
UDEVDIR ?= /usr/lib/udev/rules.d
MODLOADDIR ?= /usr/lib/modules-load.d
MODULE_SRC = Kbuild dkms.conf $(wildcard kmod/*.[ch] lib/core/*.[ch] include/uapi/linux/*.h)

# DKMS builds nothing anew that has the same version, and removes nothing that it has not.
## install-module  its sources for DKMS, the udev rule, and loading it at boot
install-module:
	for file in $(MODULE_SRC); do install -D -m 644 $$file \
		$(DESTDIR)$(SRCDIR)/zerocore-$(VERSION)/$$file || exit 1; done
	install -D -m 644 kmod/60-zerocore.rules $(DESTDIR)$(UDEVDIR)/60-zerocore.rules
	install -D -m 644 kmod/zerocore.conf $(DESTDIR)$(MODLOADDIR)/zerocore.conf
	$(if $(DESTDIR),,getent group zerocore >/dev/null || groupadd --system zerocore)
	$(if $(DESTDIR),,! command -v dkms >/dev/null || { \
		dkms remove zerocore/$(VERSION) --all >/dev/null 2>&1; \
		dkms install zerocore/$(VERSION); })

## uninstall-module  what install-module put there
uninstall-module:
	$(if $(DESTDIR),,! command -v dkms >/dev/null || \
		dkms remove zerocore/$(VERSION) --all || :)
	rm -rf $(DESTDIR)$(SRCDIR)/zerocore-$(VERSION)
	rm -f $(DESTDIR)$(UDEVDIR)/60-zerocore.rules $(DESTDIR)$(MODLOADDIR)/zerocore.conf

# What a guest with everything in it gets.
VM_FILES = build/bin/zerocore:/bin/zerocore build/tests/device build/tests/conformance
vm_kernel = $(or $(KERNEL),6.12)
vm_module = $$(tools/module.sh "$$(selftests/vm/kernel.sh $(vm_kernel))/build" | tail -n 1)

## vm           a shell in a virtual machine that has the module loaded; KERNEL=6.1, 6.12, debug
vm: tests
	@tools/deps.sh module vm
	@module="$(vm_module)" && selftests/vm/run.sh -i -k $(vm_kernel) -m 2G - "$$module" $(VM_FILES)

## demo-kernel  the demo in a virtual machine, on /dev/zerocore
demo-kernel: all
	@tools/deps.sh module vm demo
	@module="$(vm_module)" && tools/demo-kernel.sh $(vm_kernel) "$$module"

## plots        draw Documentation/plots/ from zerocore bench fragmentation (minutes); COUNT=
plots: all
	@tools/deps.sh plots
	COUNT=$(COUNT) tools/plots.sh

## alt          the whole tree by the other compiler, below build/alt/
alt: $(call libs_of,build/alt) $(build/alt_command) $(build/alt_examples) $(build/alt_compare) \
	$(build/alt_unit) $(build/alt_conf) $(build/alt_crash) build/alt/tests/litmus

# AddressSanitizer forbids the dlopen() flag that brings a second copy of a library.
ASAN_TESTS := $(filter-out %/test_dlopen,$(build/asan_conf))
## asan         command and tests with AddressSanitizer and UBSan, below build/asan/
asan: $(build/asan_command) $(build/asan_unit) $(ASAN_TESTS) $(build/asan_soak)

## tsan         the multi-threaded tests with ThreadSanitizer, below build/tsan/
TSAN_TESTS := $(filter $(addprefix build/tsan/tests/conformance/,test_thread% test_team test_messagering test_message test_grow test_shrink test_zora% test_reenter),$(build/tsan_conf))
tsan: $(TSAN_TESTS) $(build/tsan_soak)

## kill         command and crash tests with kill points, below build/kill/
kill: $(build/kill_command) $(build/kill_crash)

# What counts lines and branches, and the shared library, which has all of lib/.
cov: $(build/cov_unit) $(build/cov_conf) $(build/cov_crash) build/cov/lib/libzerocore.so

## coverage     what of lib/ the tests run, below build/coverage/: HTML, and by folder
coverage: cov
	@tools/deps.sh coverage
	@CHECK_JOBS=$(CHECK_JOBS) selftests/coverage/check.sh

## arm64        library, command and tests for arm64, below build/arm64/
arm64: $(call libs_of,build/arm64) $(build/arm64_command) $(build/arm64_unit) \
	$(build/arm64_conf) $(build/arm64_soak) build/arm64/tests/litmus

fuzzers: $(build/fuzz_fuzz)

# Not exported by shells that have a variable of that name.
SECONDS ?= 60
## fuzz         libFuzzer at all that is read from others; SECONDS=60 for each target
fuzz: fuzzers
	selftests/fuzz.sh $(SECONDS)

# The runner prints `N passed, N failed` and says what failed; ONLY=word runs
# what has that word in its name.
RUN := selftests/run.sh
CHECK_JOBS ?= 2
SHELL_LONG := selftests/arm64.sh selftests/static.sh
SHELL_TESTS := $(filter-out $(RUN) $(SHELL_LONG),$(sort $(wildcard selftests/*.sh selftests/models/run.sh)))
# Criterion reports at its end only: a test that hangs must not take that away.
UNIT_ARGS := --tap=- --timeout=400
# The longest first.
VM_TESTS := $(if $(build_device),$(foreach k,6.12 6.1 debug,'selftests/vm/check.sh $k'))
VM_LONG_TESTS := $(if $(build_device),$(foreach k,kcsan rt gcov,'selftests/vm/check.sh $k') \
	$(foreach k,6.12 6.1,'selftests/vm/check.sh $k kill') 'selftests/vm/check.sh 6.12 storm')
# Unit tests last and alone: they step through functions by ptrace, and with anybody else
# on the processors each step may wait for a slice of the scheduler.
TESTS := $(build_conf) $(build_soak) $(build/asan_soak) $(build/tsan_soak:%='% threads') \
	build/tests/litmus build/alt/tests/litmus $(ASAN_TESTS) $(TSAN_TESTS) $(build/kill_crash) \
	$(build_unit:%='% $(UNIT_ARGS)') $(build/asan_unit:%='% $(UNIT_ARGS)')
RUN_ARGS = -j $(CHECK_JOBS) -a unit $(if $(ONLY),-o '$(ONLY)')

## check        all tests that end within minutes: selftests/, each compiler, sanitizers
check: all tests alt asan tsan kill fuzzers | deps-check
	@$(RUN) $(RUN_ARGS) -t 1200 $(VM_TESTS) $(SHELL_TESTS) $(TESTS)

## check-long   the same tests with their long counts: ZC_TEST_LONG=1, run.sh --long
check-long: all tests alt asan tsan kill cov fuzzers | deps-check
	@ZC_TEST_LONG=1 $(RUN) $(RUN_ARGS) -t 7200 \
		$(VM_TESTS) $(VM_LONG_TESTS) selftests/mutants/run.py selftests/coverage/check.sh \
		$(SHELL_LONG) $(SHELL_TESTS:%/models/run.sh='%/models/run.sh --long') $(TESTS)

## static       clang-tidy, cppcheck, gcc -fanalyzer, coccinelle (part of check-long)
static:
	@$(RUN) -t 7200 selftests/static.sh

## check-arm64  build for arm64, and run the tests under qemu-user (part of check-long)
check-arm64: all
	@$(RUN) -t 7200 selftests/arm64.sh

# Threads where ThreadSanitizer is to see each other's; processes are what else dies.
SOAK_PARTS = $(or $(PARTS),$(if $(filter tsan,$(VARIANT)),threads,processes))
soak_folder = build$(if $(VARIANT),/$(VARIANT))
export SEED MINUTES

## soak         everything at once, at random: MINUTES=5 [SEED=n] [VARIANT=asan|tsan]
##              [PARTS=processes|threads]; on /dev/zerocore in a machine: KERNEL=debug
soak: $($(soak_folder)_soak) $($(soak_folder)_command) $(if $(KERNEL),tests)
	@selftests/soak/run.sh $(if $(KERNEL),-k $(KERNEL)) $($(soak_folder)_soak) $(SOAK_PARTS)

deps-build:
	@tools/deps.sh build $(if $(findstring clang,$(CC)),clang)

deps-demo: | deps-build
	@tools/deps.sh demo

deps-check: | deps-build
	@tools/deps.sh check

build/arm64/root/complete: selftests/arm64/root.sh
	@tools/deps.sh arm64
	$(call say,APT,$(@D))
	$(Q)selftests/arm64/root.sh $(@D)

# The other compilers come with the tests' packages.
$(build/alt_all_o) $(build/asan_all_o) $(build/tsan_all_o) $(build/fuzz_all_o) \
	$(build/cov_all_o): | deps-check
$(build/arm64_all_o) build/arm64/tests/litmus: | build/arm64/root/complete

# The .pc file says ${prefix} where it can: the tree may be moved as a whole.
below_prefix = $(patsubst $(PREFIX)/%,$${prefix}/%,$1)

## install      to DESTDIR, PREFIX (/usr/local), LIBDIR, INCLUDEDIR, MANDIR
install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig \
		$(DESTDIR)$(INCLUDEDIR)/zerocore $(DESTDIR)$(INCLUDEDIR)/linux
	install -m 755 build/bin/zerocore $(DESTDIR)$(BINDIR)/
	install -m 644 $(PUBLIC_H) $(DESTDIR)$(INCLUDEDIR)/zerocore/
	install -m 644 $(UAPI_H) $(DESTDIR)$(INCLUDEDIR)/linux/
	install -m 644 build/lib/libzerocore.a $(DESTDIR)$(LIBDIR)/
	install -m 755 build/lib/$(SOFILE) $(DESTDIR)$(LIBDIR)/
	ln -sf $(SOFILE) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libzerocore.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(call below_prefix,$(LIBDIR))|' \
		-e 's|@INCLUDEDIR@|$(call below_prefix,$(INCLUDEDIR))|' -e 's|@VERSION@|$(VERSION)|' \
		lib/zerocore.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/zerocore.pc
	chmod 644 $(DESTDIR)$(LIBDIR)/pkgconfig/zerocore.pc
	for page in $(MAN); do \
		install -D -m 644 -t $(DESTDIR)$(MANDIR)/man$${page##*.} $$page || exit 1; done
	for file in $(COMPLETION); do \
		install -D -m 644 $$file $(DESTDIR)$(COMPLETIONDIR)/zerocore || exit 1; done
	$(if $(DESTDIR),,-ldconfig)

## uninstall    what install put there, nothing else
uninstall:
	rm -f $(DESTDIR)$(BINDIR)/zerocore \
		$(DESTDIR)$(LIBDIR)/libzerocore.a $(DESTDIR)$(LIBDIR)/$(SOFILE) \
		$(DESTDIR)$(LIBDIR)/$(SONAME) $(DESTDIR)$(LIBDIR)/libzerocore.so \
		$(DESTDIR)$(LIBDIR)/pkgconfig/zerocore.pc \
		$(addprefix $(DESTDIR)$(INCLUDEDIR)/zerocore/,$(notdir $(PUBLIC_H))) \
		$(addprefix $(DESTDIR)$(INCLUDEDIR)/linux/,$(notdir $(UAPI_H))) \
		$(foreach page,$(MAN),$(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $(page)))/$(notdir $(page))) \
		$(DESTDIR)$(COMPLETIONDIR)/zerocore
	-rmdir $(DESTDIR)$(INCLUDEDIR)/zerocore
	$(if $(DESTDIR),,-ldconfig)

## fmt-check    compare the sources with .clang-format (informs; not part of check)
fmt-check:
	clang-format --dry-run $(LIB_SRC) $(TOOL_SRC) $(EXAMPLE_SRC) $(UNIT_SRC) \
		$(CONF_SRC) $(CRASH_SRC) $(SOAK_SRC) $(DEVICE_SRC)

## clean        remove build/
clean:
	rm -rf build

## help         this list
help:
	@echo 'make [TARGET] [CC=gcc|clang] [V=1] [DEPS=no] [ONLY=word of a test]'
	@echo
	@sed -n 's/^## /  /p' Makefile
