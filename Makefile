# Makefile of libvhdx and the command vhdx (GNU make). One file, no recursion, no configure step.
#
# Targets
#   all           (default) build/vhdx, build/libvhdx.a, build/libvhdx.so.N; never touches the network
#   demo          shows the command at work on a disk with a real file system (testdata/demo.sh)
#   test          everything that says whether the code is right: unit, fault and crash tests and the judge, again under
#                 ASan and UBSan, command line tests, comparisons with other software, fuzz corpora, layering, symbols
#   check-slow    unit, fault and crash tests and the judge with every fault and more chance (sets VHDX_SLOW=1): some
#                 1.5 million states after power cuts, 50,000 damaged disks, 2,000 of which the command mends by its own advice; VHDX_CRASH_STATES=N for N times those of `make test`, hours for each 100;
#                 VHDX_CRASH_FIRST=N for other chains than last time
#   asan          the tool and the tests with AddressSanitizer and UndefinedBehaviorSanitizer, and runs the tests
#   tsan          several threads at once under ThreadSanitizer (tests/threads)
#   fuzz          runs each fuzzer for FUZZ_SECONDS (needs clang); new inputs go to build/corpus
#   fuzz-replay   runs the stored inputs in fuzz/corpus through all fuzz targets, no fuzzer needed
#   bench         times merges and verify against plain copies and reads of the same bytes, and the search for orphans
#                 against other software (tests/bench, docs/performance.md)
#   coverage      line coverage of the library by the unit, fault and crash tests (needs gcovr)
#   windows       build/windows/vhdx.exe with mingw-w64
#   check-windows the Windows build under Wine beside the native one (tests/windows.sh); skipped without Wine
#   static        build/static/vhdx, one file that needs nothing, for rescue disks
#   compile       compiles every source, tests and fuzz targets too, and runs nothing
#   plugin        build/nbdkit-vhdx-plugin.so, with nbdkit's header (Debian: nbdkit-plugin-dev)
#   install       the tool, its hyphenated links, libraries, vhdx.h, vhdx.pc and manual pages; honours DESTDIR
#   uninstall     removes what install put there
#   dist          build/libvhdx-VERSION.tar.gz from the last commit
#   clean         removes build/
#   help          prints this comment
#
# test, check-slow, demo, fuzz, coverage, windows and bench first look for the packages that they need and install
# what is missing with apt-get (tests/packages.sh); NO_INSTALL=1 prevents that.
#
# Variables (command line or environment; yours come last on the compiler's command line)
#   CC CXX AR CPPFLAGS CFLAGS LDFLAGS   as usual; CFLAGS replaces "-O2 -g". For Windows: CC=x86_64-w64-mingw32-gcc
#   PREFIX=/usr/local  DESTDIR=  BINDIR LIBDIR INCLUDEDIR MANDIR PLUGINDIR   where install puts things
#   V=1             shows the commands
#   WERROR=1        makes warnings errors (for those who work on the code, not for those who build it)
#   FUZZ=NAME       only this fuzz target;  FUZZ_SECONDS=60  time for each
#   FUZZ_CC=clang   WINDOWS_CC=x86_64-w64-mingw32-gcc   their compilers
#   VHDX_SAMPLES=DIR  disks that other software wrote; tests that need them are skipped without
#   ONLY="unit cli"   only these parts of `make test` (tests/run.sh lists them)
#
# Objects lie in build/VARIANT-<hash of the compiler and all flags>/, so changing a flag never mixes old and new.

VERSION_MAJOR := $(shell sed -n 's/^.define VHDX_VERSION_MAJOR //p' include/vhdx.h)
VERSION_MINOR := $(shell sed -n 's/^.define VHDX_VERSION_MINOR //p' include/vhdx.h)
VERSION_PATCH := $(shell sed -n 's/^.define VHDX_VERSION_PATCH //p' include/vhdx.h)
VERSION := $(VERSION_MAJOR).$(VERSION_MINOR).$(VERSION_PATCH)
SONAME := libvhdx.so.$(VERSION_MAJOR)

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
CXX ?= c++
FUZZ_CC ?= clang
FUZZ_SECONDS ?= 60
WINDOWS_CC ?= x86_64-w64-mingw32-gcc

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
ifneq ($(filter clean,$(MAKECMDGOALS)),)
.NOTPARALLEL:
else ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif

Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' '$(1)' '$(patsubst build/%,%,$(2))')

# ----------------------------------------------------------------------------------------------------------------------
# Rooms of the library, lowest first; a room includes from rooms above it in this list only, format and io not from
# each other (tests/layering.sh holds us to it). The files of io that only one platform has begin with its name.

room = $(sort $(wildcard libvhdx/$(1)/*.c))
linux_rooms := $(sort $(wildcard libvhdx/io/posix*.c))
windows_rooms := $(sort $(wildcard libvhdx/io/win32*.c))

ROOMS := $(call room,base)
ROOMS += $(call room,format)
ROOMS += $(filter-out $(linux_rooms) $(windows_rooms),$(call room,io))
ROOMS += $(call room,undo)
ROOMS += $(call room,vhd)
ROOMS += $(call room,guest)
ROOMS += $(call room,image)
ROOMS += $(call room,config)
ROOMS += $(call room,chain)
ROOMS += $(call room,evidence)
ROOMS += $(call room,build)
ROOMS += $(call room,estate)
ROOMS += $(call room,findings)
ROOMS += $(call room,rebuild)
ROOMS += $(call room,diff)
ROOMS += $(call room,edit)
ROOMS += $(call room,merge)
ROOMS += $(call room,compact)
ROOMS += $(call room,manifest)
ROOMS += $(call room,verify)
ROOMS += $(call room,salvage)
ROOMS += $(call room,plan)
ROOMS += $(call room,repair)
ROOMS += $(call room,live)
ROOMS += $(call room,orphans)
ROOMS += $(sort $(wildcard libvhdx/api*.c))

TOOLS := $(filter-out %_win32.c %_posix.c,$(sort $(wildcard tools/*.c)))
COMMANDS := $(patsubst tools/cmd_%.c,%,$(filter tools/cmd_%.c,$(TOOLS)))

# What a platform adds besides its rooms: linux_... or windows_...
linux_tools := $(sort $(wildcard tools/*_posix.c))
linux_libs := -lpthread
windows_tools := $(sort $(wildcard tools/*_win32.c))
windows_libs :=
windows_flags := -D__USE_MINGW_ANSI_STDIO=1
windows_link := -municode -static -s -Wl,--no-insert-timestamp

# zlib is linked only when a room uses it.
zlib := $(if $(ROOMS),$(shell grep -ls '^.include <zlib.h>' $(ROOMS)))
linux_libs += $(if $(zlib),-lz)
windows_libs += $(if $(zlib),-lz)

SUPPORT := $(sort $(wildcard tests/support/*.c))
SUITES := $(foreach s,unit fault crash judge,$(if $(wildcard tests/$(s)/*.c tests/$(s)/*/*.c),$(s)))
FUZZERS := $(patsubst fuzz/fuzz_%.c,%,$(sort $(wildcard fuzz/fuzz_*.c)))
FUZZ_SUPPORT := $(filter-out fuzz/fuzz_%.c fuzz/replay.c,$(sort $(wildcard fuzz/*.c))) tests/support/memory.c

# ----------------------------------------------------------------------------------------------------------------------
# Flags. Order: ours, the variant's, the user's.

INCLUDES := -Iinclude -Ilibvhdx
WARNINGS := -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes $(if $(filter 1,$(WERROR)),-Werror)
COMMON_FLAGS := -fPIC -fvisibility=hidden -D_FILE_OFFSET_BITS=64 -DXXH_INLINE_ALL $(INCLUDES) $(WARNINGS)
HOUSE_FLAGS := -std=c11 -Wconversion
TEST_FLAGS := -std=gnu11 -Itests/support -Itests -I.

# Variants: how the same sources are built. NAME_cc, NAME_flags (compiling and linking), NAME_opt (unless the user sets
# CFLAGS), NAME_link (linking).
sanitizers := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
main_cc := $(CC)
main_opt := -O2 -g
asan_cc := $(CC)
asan_flags := $(sanitizers)
asan_opt := -O1 -g
tsan_cc := $(CC)
tsan_flags := -fsanitize=thread
tsan_opt := -O1 -g
static_cc := $(CC)
static_flags := -fstack-protector-strong
static_opt := -O2 -D_FORTIFY_SOURCE=2
static_link := -static-pie -s -Wl,-z,relro,-z,now
coverage_cc := $(CC)
coverage_flags := --coverage -fprofile-update=atomic
coverage_opt := -O0 -g
fuzz_cc := $(FUZZ_CC)
fuzz_flags := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
fuzz_opt := -O2 -g
windows_cc := $(WINDOWS_CC)
windows_opt := -O2

# The header-only xxHash comes from the system; a cross compiler must not see the rest of /usr/include: it gets a copy.
XXHASH_COPY := build/xxhash
windows_needs := $(XXHASH_COPY)/xxhash.h

# The style and the script of the HTML report become C.
HTML_PAGE := build/html_page.c
$(HTML_PAGE): tools/html/embed.sh tools/html/page.css tools/html/page.js
	@mkdir -p $(@D)
	$(Q)sh tools/html/embed.sh tools/html $@

quote = '$(subst ','\'',$(1))'
own_cflags := $(filter-out undefined default,$(origin CFLAGS))

# Targets that may install packages; their objects wait for that.
installing := $(filter test check-slow check-windows demo asan tsan fuzz fuzz-replay bench coverage windows static \
    plugin,$(MAKECMDGOALS))
packages := $(if $(installing),packages)

# Objects lie in a directory named after the compiler. Where it is still to be installed, that comes first, and make
# begins anew; else all would be compiled again by the next make, which finds another compiler than none.
ifneq ($(installing),)
ifeq ($(shell command -v $(firstword $(CC)) 2>/dev/null),)
include build/compiler.mk
build/compiler.mk:
	@mkdir -p $(@D)
	@CC=$(call quote,$(CC)) NO_INSTALL=$(call quote,$(NO_INSTALL)) sh tests/packages.sh build $(installing)
	@command -v $(firstword $(CC)) >/dev/null && touch $@
endif
endif

# $(call variant,NAME) defines NAME_dir (where), NAME_objects, and the rules that make its objects and products.
define variant
$(1)_machine := $$(shell $$($(1)_cc) -dumpmachine 2>/dev/null)
$(1)_system := $$(if $$(findstring mingw,$$($(1)_machine)),windows,linux)
$(1)_compile := $$($(1)_cc) $$(filter-out $$(if $$(filter windows,$$($(1)_system)),-fPIC),$$(COMMON_FLAGS)) \
    $$(if $$(filter windows,$$($(1)_system)),$$(windows_flags) -I$$(XXHASH_COPY)) \
    $$(if $$(filter-out windows,$(1)),$$($(1)_flags))
$(1)_user := $$(CPPFLAGS) $$(if $$(own_cflags),$$(CFLAGS),$$($(1)_opt))
$(1)_linker := $$($(1)_cc) $$(if $$(own_cflags),$$(CFLAGS),$$($(1)_opt)) $$($(1)_flags) \
    $$(if $$(filter windows,$$($(1)_system)),$$(windows_link),$$($(1)_link))
$(1)_libs := $$(LDFLAGS) $$($$($(1)_system)_libs)
$(1)_needs := $$(packages) $$(if $$(filter windows,$$($(1)_system)),$$(windows_needs))
$(1)_dir := build/$(1)-$$(shell printf %s \
    $$(call quote,$$($(1)_machine) $$($(1)_compile) $$($(1)_user) $$($(1)_linker) $$($(1)_libs) $$(HOUSE_FLAGS) \
    $$(TEST_FLAGS)) \
    | cksum | cut -d' ' -f1)
$(1)_ar := $$(if $$(filter-out default undefined,$$(origin AR)),$$(AR),$$(if $$(filter %-gcc,$$($(1)_cc)),\
    $$($(1)_cc:%-gcc=%-ar),ar))
$(1)_exe := $$($(1)_dir)/vhdx$$(if $$(filter windows,$$($(1)_system)),.exe)

$(1)_lib_objects := $$(patsubst %.c,$$($(1)_dir)/%.o,$$(ROOMS) $$($$($(1)_system)_rooms))
$(1)_tool_objects := $$(patsubst %.c,$$($(1)_dir)/%.o,$$(TOOLS) $$($$($(1)_system)_tools) html_page.c)
$(1)_support_objects := $$(patsubst %.c,$$($(1)_dir)/%.o,$$(SUPPORT))
$(1)_suites := $$(patsubst %,$$($(1)_dir)/test-%,$$(SUITES))
$(1)_replays := $$(patsubst %,$$($(1)_dir)/replay-%,$$(if $$(wildcard fuzz/replay.c),$$(FUZZERS)))
objects += $$($(1)_lib_objects) $$($(1)_tool_objects) $$($(1)_support_objects)

$$($(1)_dir)/%.o: %.c | $$($(1)_needs)
	$$(call say,CC,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$($(1)_compile) $$(HOUSE_FLAGS) $$($(1)_user) -MMD -MP -c -o $$@ $$<

$$($(1)_dir)/html_page.o: $(HTML_PAGE) | $$($(1)_needs)
	$$(call say,CC,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$($(1)_compile) $$(HOUSE_FLAGS) $$($(1)_user) -MMD -MP -c -o $$@ $$<

$$($(1)_dir)/tests/%.o: tests/%.c | $$($(1)_needs)
	$$(call say,CC,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$($(1)_compile) $$(TEST_FLAGS) $$($(1)_user) -MMD -MP -c -o $$@ $$<

$$($(1)_dir)/testdata/%.o: testdata/%.c | $$($(1)_needs)
	$$(call say,CC,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$($(1)_compile) $$(TEST_FLAGS) $$($(1)_user) -MMD -MP -c -o $$@ $$<

$$($(1)_dir)/libvhdx.a: $$($(1)_lib_objects)
	$$(call say,AR,$$@)
	@mkdir -p $$(@D) && rm -f $$@
	$$(Q)$$($(1)_ar) rcs $$@ $$^

$$($(1)_dir)/$$(SONAME): $$($(1)_lib_objects) libvhdx/libvhdx.map
	$$(call say,LD,$$@)
	$$(Q)$$($(1)_linker) -shared -Wl,-soname,$$(SONAME) -Wl,--version-script=libvhdx/libvhdx.map \
	    -Wl,-z,defs -Wl,-z,relro,-z,now -o $$@ $$($(1)_lib_objects) $$($(1)_libs)

$$($(1)_exe): $$($(1)_tool_objects) $$($(1)_dir)/libvhdx.a
	$$(call say,LD,$$@)
	$$(Q)$$($(1)_linker) -o $$@ $$^ $$($(1)_libs)

# Built where nbdkit's header is. It carries its own copy of the library.
objects += $$($(1)_dir)/tools/nbdkit/plugin.o
$$($(1)_dir)/nbdkit-vhdx-plugin.so: $$($(1)_dir)/tools/nbdkit/plugin.o $$($(1)_dir)/libvhdx.a
	$$(call say,LD,$$@)
	$$(Q)$$($(1)_linker) -shared -Wl,-z,relro,-z,now -Wl,--exclude-libs,ALL -o $$@ $$^ $$($(1)_libs)

objects += $$($(1)_dir)/testdata/guest.o
$$($(1)_dir)/guest: $$($(1)_dir)/testdata/guest.o $$($(1)_support_objects) $$($(1)_dir)/libvhdx.a
	$$(call say,LD,$$@)
	$$(Q)$$($(1)_linker) -o $$@ $$^ $$($(1)_libs)

objects += $$($(1)_dir)/tests/threads/threads.o
$$($(1)_dir)/threads: $$($(1)_dir)/tests/threads/threads.o $$($(1)_support_objects) $$($(1)_dir)/libvhdx.a
	$$(call say,LD,$$@)
	$$(Q)$$($(1)_linker) -o $$@ $$^ $$($(1)_libs)

$(1)_benches := $$(patsubst tests/bench/%.c,$$($(1)_dir)/%,$$(wildcard tests/bench/*.c))
objects += $$(patsubst %.c,$$($(1)_dir)/%.o,$$(wildcard tests/bench/*.c))
$$($(1)_benches): $$($(1)_dir)/%: $$($(1)_dir)/tests/bench/%.o $$($(1)_support_objects) $$($(1)_dir)/libvhdx.a
	$$(call say,LD,$$@)
	$$(Q)$$($(1)_linker) -o $$@ $$^ $$($(1)_libs)

$$(foreach s,$$(SUITES),$$(eval $$(call suite,$(1),$$(s))))
$$(foreach f,$$(FUZZERS),$$(eval $$(call replay,$(1),$$(f))))
endef

# One Criterion program for each of tests/unit, tests/fault, tests/crash, tests/judge. A suite that defines __wrap_malloc and its
# like gets the calls of the whole program, library included.
define suite
$(1)_$(2)_objects := $$(patsubst %.c,$$($(1)_dir)/%.o,$$(sort $$(wildcard tests/$(2)/*.c tests/$(2)/*/*.c)))
objects += $$($(1)_$(2)_objects)
$$($(1)_dir)/test-$(2): $$($(1)_$(2)_objects) $$($(1)_support_objects) $$($(1)_dir)/libvhdx.a
	$$(call say,LD,$$@)
	$$(Q)$$($(1)_linker) $$(call wrapped,$(2)) -o $$@ $$^ -lcriterion $$($(1)_libs)
endef
wrapped = $(patsubst %,-Wl$(comma)--wrap=%,$(shell \
    grep -ohsE '\<__wrap_[a-z0-9_]+' tests/$(1)/*.c tests/$(1)/*/*.c tests/support/*.c | sed 's/^__wrap_//' | sort -u))
comma := ,

define replay
objects += $$(patsubst %.c,$$($(1)_dir)/%.o,fuzz/fuzz_$(2).c fuzz/replay.c $$(FUZZ_SUPPORT))
$$($(1)_dir)/replay-$(2): $$(patsubst %.c,$$($(1)_dir)/%.o,fuzz/fuzz_$(2).c fuzz/replay.c $$(FUZZ_SUPPORT)) \
    $$($(1)_dir)/libvhdx.a
	$$(call say,LD,$$@)
	$$(Q)$$($(1)_linker) -o $$@ $$^ $$($(1)_libs)
endef

VARIANTS := main
VARIANTS += $(if $(filter test asan fuzz-replay,$(MAKECMDGOALS)),asan)
VARIANTS += $(if $(filter test tsan,$(MAKECMDGOALS)),tsan)
VARIANTS += $(filter static coverage fuzz,$(MAKECMDGOALS))
VARIANTS += $(if $(filter windows check-windows,$(MAKECMDGOALS)),windows)
$(foreach v,$(VARIANTS),$(eval $(call variant,$(v))))
-include $(objects:.o=.d)

# ----------------------------------------------------------------------------------------------------------------------
# Products. build/vhdx and the like are links to those of the flags that were asked for last.

products := $(if $(ROOMS),$(main_dir)/libvhdx.a)
products += $(if $(TOOLS),$(main_exe))
guest := $(if $(wildcard testdata/guest.c),$(main_dir)/guest)
products += $(if $(filter windows,$(main_system)),,$(if $(wildcard libvhdx/api.c),$(main_dir)/$(SONAME)))

.PHONY: all plugin demo test check-slow check-windows asan tsan fuzz fuzz-replay bench coverage windows static compile install \
    uninstall dist clean help packages

all: $(products)
	@$(foreach p,$(products),ln -sfn $(patsubst build/%,%,$(p)) build/$(notdir $(p));) :

compile: $(products) $(main_suites) $(main_replays) $(guest) $(main_benches) $(main_dir)/threads

packages:
	@CC=$(call quote,$(CC)) NO_INSTALL=$(call quote,$(NO_INSTALL)) sh tests/packages.sh build $(installing)

$(XXHASH_COPY)/xxhash.h: | $(packages)
	@mkdir -p $(@D)
	$(Q)cp "$$(printf '#include <xxhash.h>\n' | $(HOST_CC) -M -E -x c - | tr -d '\\' | tr ' ' '\n' | \
	    grep '/xxhash\.h$$')" $@
HOST_CC ?= cc

# Whether nbdkit's header is there; a package may bring it after this file was read, so tests ask anew.
plugin_there := $(shell printf '\#include <nbdkit-plugin.h>\n' | $(CC) -E -x c - >/dev/null 2>&1 && echo yes)
.PHONY: plugin-if-there
plugin-if-there: $(if $(plugin_there),$(main_dir)/nbdkit-vhdx-plugin.so)
	@:

plugin: $(main_dir)/nbdkit-vhdx-plugin.so
	@ln -sfn $(patsubst build/%,%,$<) build/$(notdir $<)
	@echo build/$(notdir $<)

windows: $(windows_exe)
	@mkdir -p build/windows && cp -f $(windows_exe) build/windows/vhdx.exe
	@echo build/windows/vhdx.exe

static: $(static_exe)
	@mkdir -p build/static && cp -f $(static_exe) build/static/vhdx
	@echo build/static/vhdx

# ----------------------------------------------------------------------------------------------------------------------
# Tests

run_tests = VHDX=$(CURDIR)/$(main_exe) BUILD=$(main_dir) ASAN_BUILD=$(asan_dir) \
    THREADS=$(tsan_dir)/threads GUEST=$(CURDIR)/$(main_dir)/guest \
    SUITES='$(SUITES)' FUZZERS='$(FUZZERS)' SONAME=$(SONAME) CC=$(call quote,$(CC)) CXX=$(call quote,$(CXX)) \
    ONLY='$(ONLY)' bash tests/run.sh

# What the parts named by ONLY need; without it, everything.
part = $(if $(ONLY),$(filter $(1),$(ONLY)),all)
needs := $(if $(call part,$(filter-out layering format headers manuals,$(or $(ONLY),all))),all $(guest))
needs += $(foreach s,$(SUITES),$(if $(call part,$(s)),$(main_dir)/test-$(s)))
needs += $(if $(call part,advice),$(main_dir)/test-judge)
needs += $(if $(call part,asan),$(asan_suites))
needs += $(if $(call part,asan-cli),$(if $(TOOLS),$(asan_exe)))
needs += $(if $(call part,corpus),$(asan_replays))
needs += $(if $(call part,valgrind),$(main_replays))
needs += $(if $(call part,threads),$(tsan_dir)/threads)

test: $(needs)
	@$(if $(call part,cli)$(call part,cross),$(MAKE) --no-print-directory plugin-if-there)
	@$(run_tests)

check-slow: ONLY = unit fault crash judge advice
check-slow: all $(main_suites)
	@VHDX_SLOW=1 $(run_tests)

check-windows: all windows $(guest)
	@bash tests/windows.sh $(windows_exe) $(main_exe) $(guest) || [ $$? = 77 ]

asan: ONLY = asan asan-cli
asan: $(asan_suites) $(if $(TOOLS),$(asan_exe))
	@$(run_tests)

tsan: ONLY = threads
tsan: $(tsan_dir)/threads
	@$(run_tests)

fuzz-replay: ONLY = corpus
fuzz-replay: $(asan_replays)
	@$(run_tests)

fuzzed := $(if $(FUZZ),$(FUZZ),$(FUZZERS))
fuzz: $(patsubst %,$(fuzz_dir)/fuzz-%,$(fuzzed))
	@for f in $(fuzzed); do \
	    mkdir -p build/corpus/$$f build/crashes fuzz/corpus/$$f; \
	    echo "fuzz: $$f for $(FUZZ_SECONDS) s"; \
	    $(fuzz_dir)/fuzz-$$f -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 -artifact_prefix=build/crashes/$$f- \
	        $(patsubst %,-dict=%,$(wildcard fuzz/vhdx.dict)) build/corpus/$$f fuzz/corpus/$$f || exit 1; \
	done

$(fuzz_dir)/fuzz-%: $(fuzz_dir)/fuzz/fuzz_%.o $(patsubst %.c,$(fuzz_dir)/%.o,$(FUZZ_SUPPORT)) $(fuzz_dir)/libvhdx.a
	$(call say,LD,$@)
	$(Q)$(fuzz_linker) -fsanitize=fuzzer -o $@ $^ $(fuzz_libs)

coverage: $(coverage_suites)
	$(Q)find $(coverage_dir) -name '*.gcda' -delete
	$(Q)for t in $(coverage_suites); do $$t >/dev/null 2>&1 || echo "$$t fails: see make test"; done
	$(Q)gcovr -r . --object-directory $(coverage_dir) --filter libvhdx/ --sort-uncovered \
	    --html-details $(coverage_dir)/index.html --print-summary
	@echo $(coverage_dir)/index.html

demo: all $(guest)
	@VHDX=$(CURDIR)/build/vhdx GUEST=$(CURDIR)/$(guest) bash testdata/demo.sh

bench: all $(main_benches)
	@VHDX=$(CURDIR)/build/vhdx BENCH_BUILD=$(CURDIR)/$(main_dir)/bench_build \
	    BENCH_COPY=$(CURDIR)/$(main_dir)/bench_copy bash tests/bench/bench.sh
	@VHDX=$(CURDIR)/build/vhdx BENCH_BUILD=$(CURDIR)/$(main_dir)/bench_build bash tests/bench/verify.sh
	@VHDX=$(CURDIR)/build/vhdx bash tests/bench/convert.sh
	@VHDX=$(CURDIR)/build/vhdx BENCH_FOREST=$(CURDIR)/$(main_dir)/bench_forest bash tests/bench/scan.sh

# ----------------------------------------------------------------------------------------------------------------------
# Installing

# nbdkit says where it looks for plugins, which is for those who install for all; elsewhere it is given the path.
PLUGINDIR ?= $(or $(if $(filter /usr /usr/local,$(PREFIX)),$(shell pkg-config --variable=plugindir nbdkit 2>/dev/null)),\
    $(LIBDIR)/nbdkit/plugins)
links := $(patsubst %,vhdx-%,$(COMMANDS))
manuals := $(sort $(wildcard docs/man/*.1))
root := $(DESTDIR)

define pkg_config
prefix=$(PREFIX)
includedir=$(INCLUDEDIR)
libdir=$(LIBDIR)

Name: libvhdx
Description: Open, read, create and merge Hyper-V virtual disks (VHDX)
Version: $(VERSION)
Cflags: -I$${includedir}
Libs: -L$${libdir} -lvhdx
Requires.private: $(if $(zlib),zlib)
Libs.private: $(strip $(filter-out -lz,$(linux_libs)))
endef
export pkg_config

install: all $(if $(plugin_there),plugin)
	$(Q)mkdir -p '$(root)$(BINDIR)' '$(root)$(LIBDIR)/pkgconfig' '$(root)$(INCLUDEDIR)' '$(root)$(MANDIR)/man1'
	$(Q)install -m 755 $(main_exe) '$(root)$(BINDIR)/vhdx'
	$(Q)for l in $(links); do ln -sf vhdx '$(root)$(BINDIR)'/$$l || exit 1; done
	$(Q)install -m 644 $(main_dir)/libvhdx.a '$(root)$(LIBDIR)/libvhdx.a'
	$(Q)install -m 755 $(main_dir)/$(SONAME) '$(root)$(LIBDIR)/libvhdx.so.$(VERSION)'
	$(Q)ln -sf libvhdx.so.$(VERSION) '$(root)$(LIBDIR)/$(SONAME)'
	$(Q)ln -sf $(SONAME) '$(root)$(LIBDIR)/libvhdx.so'
	$(Q)install -m 644 include/vhdx.h '$(root)$(INCLUDEDIR)/vhdx.h'
	$(Q)printf '%s\n' "$$pkg_config" > build/libvhdx.pc
	$(Q)install -m 644 build/libvhdx.pc '$(root)$(LIBDIR)/pkgconfig/libvhdx.pc'
	$(Q)for m in $(manuals); do install -m 644 $$m '$(root)$(MANDIR)/man1/' || exit 1; done
ifneq ($(plugin_there),)
	$(Q)mkdir -p '$(root)$(PLUGINDIR)'
	$(Q)install -m 755 $(main_dir)/nbdkit-vhdx-plugin.so '$(root)$(PLUGINDIR)/'
endif

uninstall:
	$(Q)cd '$(root)$(BINDIR)' && rm -f vhdx $(links)
	$(Q)cd '$(root)$(LIBDIR)' && rm -f libvhdx.a libvhdx.so.$(VERSION) $(SONAME) libvhdx.so pkgconfig/libvhdx.pc
	$(Q)rm -f '$(root)$(INCLUDEDIR)/vhdx.h'
	$(Q)cd '$(root)$(MANDIR)/man1' && rm -f $(notdir $(manuals))
	$(Q)rm -f '$(root)$(PLUGINDIR)/nbdkit-vhdx-plugin.so'

dist:
	@mkdir -p build
	$(Q)git archive --format=tar.gz --prefix=libvhdx-$(VERSION)/ -o build/libvhdx-$(VERSION).tar.gz HEAD
	@echo build/libvhdx-$(VERSION).tar.gz

clean:
	$(Q)rm -rf build

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile
