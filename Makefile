# Makefile - the whole build of mtlsd. Quiet by default; V=1 shows the commands.
# SPDX-License-Identifier: Apache-2.0
#
#   make            programs and library in build/
#   make demo       the main job on real parts         make check   every test
#   make lint  bench  fuzz  install                    make SAN=address,undefined | SAN=thread
#   make deps       what is missing of Debian's packages, by apt (make demo and make check do it first)
MAKEFLAGS += --no-builtin-rules -j$(shell nproc)
.SUFFIXES:
.DELETE_ON_ERROR:
.PHONY: all
all:

CC        := $(if $(filter default,$(origin CC)),gcc,$(CC))
AR        := $(if $(filter default,$(origin AR)),ar,$(AR))
SAN       ?=
BUILD     ?= build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))
comma     := ,
WERROR    ?= $(if $(CI),-Werror)
OPT       ?= -O2 -g
Q         := $(if $(V),,@)
say        = $(if $(V),,@printf '  %-7s %s\n' '$1' '$(patsubst $(BUILD)/%,%,$2)';)

PKG_CONFIG ?= pkg-config
pkg        = $(shell $(PKG_CONFIG) --libs $1 2>/dev/null)
WARNINGS  := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wformat=2 -Wvla -Wno-missing-field-initializers $(WERROR)
MACHINE   := $(shell uname -m)
HARDENING := -fstack-protector-strong -fstack-clash-protection $(if $(SAN),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3) \
             $(if $(filter x86_64,$(MACHINE)),-fcf-protection) $(if $(filter aarch64,$(MACHINE)),-mbranch-protection=standard)
SANFLAGS  := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
ALL_CFLAGS = -std=gnu17 $(OPT) $(WARNINGS) $(HARDENING) $(SANFLAGS) -D_GNU_SOURCE -I. -Iinclude $(CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS = $(SANFLAGS) -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed $(LDFLAGS)

# Which sources make what. Each executable has its own list of objects and of libraries: the link line is the privilege list.
WIRE_SRC   := proto/failure.c proto/term.c proto/frame.c proto/message.c proto/schema.c proto/calls.c proto/service.c
GRANT_SRC  := proto/failure.c proto/term.c proto/grant.c proto/peer.c proto/x509/serial.c proto/x509/names.c proto/x509/key.c
X509_SRC   := $(wildcard proto/x509/*.c)
PROTO_SRC  := $(wildcard proto/*.c)
AGENT_SRC  := $(filter-out agent/main.c,$(wildcard agent/*.c)) $(wildcard agent/ops/*.c agent/policy/*.c agent/ca/*.c agent/store/*.c)
KEEPER_SRC := $(filter-out agent/keeper/main.c,$(wildcard agent/keeper/*.c))
CLIENT_SRC := $(wildcard client/lib/*.c)
CLI_SRC    := $(filter-out client/cli/main.c,$(wildcard client/cli/*.c))

LIBS_WIRE   = $(call pkg,jansson)
LIBS_AGENT  = $(call pkg,jansson libcrypto libsodium libsystemd sqlite3 libseccomp inih) -lpthread
LIBS_KEEPER = $(call pkg,libcrypto libsodium libseccomp)
LIBS_CLI    = $(call pkg,jansson libcrypto)

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$1)
pic = $(patsubst %.c,$(BUILD)/pic/%.o,$1)

PROGRAMS := $(if $(wildcard agent/main.c),$(BUILD)/mtlsd) $(if $(wildcard agent/keeper/main.c),$(BUILD)/mtlsd-keeper) \
            $(if $(wildcard client/cli/main.c),$(BUILD)/mtlsctl) $(if $(CLIENT_SRC),$(BUILD)/libmtls.so $(BUILD)/libmtls.a)
all: $(PROGRAMS)

$(BUILD)/mtlsd: $(call obj,agent/main.c $(AGENT_SRC) $(PROTO_SRC) $(X509_SRC))
	$(call say,LINK,$@) $(CC) -pie $(ALL_LDFLAGS) -o $@ $^ $(LIBS_AGENT)
$(BUILD)/mtlsd-keeper: $(call obj,agent/keeper/main.c $(KEEPER_SRC) $(GRANT_SRC))
	$(call say,LINK,$@) $(CC) -pie $(ALL_LDFLAGS) -o $@ $^ $(LIBS_KEEPER)
$(BUILD)/mtlsctl: $(call obj,client/cli/main.c $(CLI_SRC) $(X509_SRC)) $(BUILD)/libmtls.a
	$(call say,LINK,$@) $(CC) -pie $(ALL_LDFLAGS) -o $@ $^ $(LIBS_CLI)
$(BUILD)/libmtls.so: $(call pic,$(CLIENT_SRC) $(WIRE_SRC)) client/lib/libmtls.map
	$(call say,LINK,$@) $(CC) -shared $(ALL_LDFLAGS) -Wl,-soname,libmtls.so.0 -Wl,--version-script=client/lib/libmtls.map -o $@ $(filter %.o,$^) $(LIBS_WIRE)
	@ln -sf $(@F) $@.0
$(BUILD)/libmtls.a: $(call pic,$(CLIENT_SRC) $(WIRE_SRC))
	$(call say,AR,$@) rm -f $@ && $(AR) qcs $@ $^

# Nothing is compiled before the packages are there, where a goal asks for them.
DEPS_FIRST := $(if $(filter check demo,$(MAKECMDGOALS)),deps)
$(BUILD)/obj/%.o: %.c Makefile | $(DEPS_FIRST)
	@mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(ALL_CFLAGS) -fPIE -MMD -MP -c -o $@ $<
$(BUILD)/pic/%.o: %.c Makefile | $(DEPS_FIRST)
	@mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(ALL_CFLAGS) -fPIC -MMD -MP -c -o $@ $<
$(BUILD)/obj/proto/service.o $(BUILD)/pic/proto/service.o: proto/io.mtlsd.Agent.varlink

# One archive a directory, so that a unit test links what it names and nothing else.
archive = $(BUILD)/lib/$1.a
ARCHIVES := $(foreach a,agent keeper client cli proto,$(call archive,$a))
$(call archive,agent): $(call obj,$(AGENT_SRC))
$(call archive,keeper): $(call obj,$(KEEPER_SRC))
$(call archive,client): $(call obj,$(CLIENT_SRC))
$(call archive,cli): $(call obj,$(CLI_SRC))
$(call archive,proto): $(call obj,$(sort $(PROTO_SRC) $(X509_SRC)))
$(ARCHIVES):
	@mkdir -p $(@D)
	$(call say,AR,$@) rm -f $@ && $(AR) qcs $@ $^

# Unit tests: tests/unit/test_X.c is a program of its own. TEST_ONLY=proto,policy... narrows the archives while others are at work.
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT     := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))
LIBS_UNIT = $(call pkg,check) $(LIBS_AGENT)
# What is an executable of its own is not linked with the others: names are unique within one only.
unit_archives = $(foreach a,$(if $(TEST_WITH),$(subst $(comma), ,$(TEST_WITH)),$(if $(findstring test_cli,$1),client cli proto,agent keeper client proto)),$(call archive,$a))
$(BUILD)/unit/test_cli%: $(BUILD)/obj/tests/unit/test_cli%.o $(call unit_archives,test_cli)
	@mkdir -p $(@D)
	$(call say,LINK,$@) $(CC) -pie $(ALL_LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_UNIT)
$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(call unit_archives,)
	@mkdir -p $(@D)
	$(call say,LINK,$@) $(CC) -pie $(ALL_LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_UNIT)
# The stacks are held against the real libpam: a PAM module of ours says what each line's module would have said.
ifneq ($(wildcard tests/unit/pam_says.c),)
$(BUILD)/unit/pam_says.so: $(BUILD)/pic/tests/unit/pam_says.o
	@mkdir -p $(@D)
	$(call say,LINK,$@) $(CC) -shared $(ALL_LDFLAGS) -o $@ $^ -lpam
$(BUILD)/unit/test_policy_pam: | $(BUILD)/unit/pam_says.so
$(BUILD)/unit/test_policy_pam: LIBS_UNIT += -lpam
endif
.PHONY: unit
unit: $(UNIT)

# Fuzz targets: tests/fuzz/fuzz_X.c with its corpus in tests/fuzz/corpus/X. `make check` replays the corpora with the ordinary
# compiler; `make fuzz` explores with clang's libFuzzer, what it finds stays under build/.
FUZZ_SECONDS ?= 60
FUZZ_CC      ?= $(firstword $(foreach c,clang clang-14 clang-19 clang-18,$(if $(shell command -v $c),$c)) clang)
FUZZ_NAMES   := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
REPLAY       := $(patsubst %,$(BUILD)/replay/%,$(FUZZ_NAMES))
$(BUILD)/replay/%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(BUILD)/obj/tests/fuzz/replay.o $(ARCHIVES)
	@mkdir -p $(@D)
	$(call say,LINK,$@) $(CC) -pie $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_AGENT)
FUZZ_CFLAGS  := -std=gnu17 -O1 -g -D_GNU_SOURCE -I. -Iinclude -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
fuzz_obj      = $(patsubst %.c,$(BUILD)/fuzz/obj/%.o,$1)
FUZZ_SRC     := $(AGENT_SRC) $(KEEPER_SRC) $(sort $(PROTO_SRC) $(X509_SRC))
$(BUILD)/fuzz/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,FUZZCC,$<) $(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<
$(BUILD)/fuzz/lib/%.a:
	@mkdir -p $(@D)
	$(call say,AR,$@) rm -f $@ && $(AR) qcs $@ $^
$(BUILD)/fuzz/obj/proto/service.o: proto/io.mtlsd.Agent.varlink
$(BUILD)/fuzz/lib/agent.a: $(call fuzz_obj,$(AGENT_SRC))
$(BUILD)/fuzz/lib/keeper.a: $(call fuzz_obj,$(KEEPER_SRC))
$(BUILD)/fuzz/lib/proto.a: $(call fuzz_obj,$(sort $(PROTO_SRC) $(X509_SRC)))
$(BUILD)/fuzz/bin/%: $(BUILD)/fuzz/obj/tests/fuzz/fuzz_%.o $(patsubst %,$(BUILD)/fuzz/lib/%.a,agent keeper proto)
	@mkdir -p $(@D)
	$(call say,LINK,$@) $(FUZZ_CC) -fsanitize=fuzzer,address,undefined -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_AGENT)
FUZZ_RUNS := $(addprefix fuzz-,$(FUZZ_NAMES))
.PHONY: replay fuzz $(FUZZ_RUNS)
replay: $(REPLAY)
fuzz: $(FUZZ_RUNS)
$(FUZZ_RUNS): fuzz-%: $(BUILD)/fuzz/bin/%
	@tests/fuzz/run $< tests/fuzz/corpus/$* $(BUILD)/fuzz $(FUZZ_SECONDS)

# Tests. tests/run prints one line a suite and ends with "N passed, N failed".
.PHONY: deps check check-unit e2e shape demo bench
deps:
	@packaging/deps.sh build test
check: deps all unit replay
	@tests/run $(BUILD) unit replay shape e2e
check-unit: unit
	@tests/run $(BUILD) unit
e2e: all
	@tests/run $(BUILD) e2e
shape: all
	@tests/run $(BUILD) shape
demo: deps all
	@tests/demo.sh $(BUILD)
# Each tests/bench/bench_X.c is a program; tests/bench/run runs them beside real peers, prints the table and writes BUILD/bench.txt.
BENCH     := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/bench_*.c))
BENCH_AID := $(filter-out tests/bench/bench_% tests/bench/bare.c,$(wildcard tests/bench/*.c))
$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(call obj,$(BENCH_AID)) $(ARCHIVES)
	@mkdir -p $(@D)
	$(call say,LINK,$@) $(CC) -pie $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_AGENT) -lm
$(BUILD)/bench/bare: $(BUILD)/obj/tests/bench/bare.o
	@mkdir -p $(@D)
	$(call say,LINK,$@) $(CC) -pie $(ALL_LDFLAGS) -o $@ $^ $(call pkg,libcrypto)
bench: all $(BENCH) $(BUILD)/bench/bare
	@tests/bench/run $(BUILD)

# Lint: clang-tidy on every source (its stamp follows the object, so that headers count), shellcheck, mandoc.
TIDY      ?= clang-tidy
LINT_SRC  := $(wildcard $(addsuffix /*.c,proto proto/x509 agent agent/ops agent/policy agent/ca agent/store agent/keeper client/lib client/cli tests/unit tests/fuzz tests/bench))
LINT_SH   := .ci/run packaging/deps.sh tests/run tests/demo.sh $(wildcard tests/*.sh tests/fuzz/run tests/bench/run tests/shape/*.sh packaging/*.sh)
LINT_BATS := $(wildcard tests/e2e/*.bats tests/e2e/*.bash tests/shape/*.bats)
LINT_MAN  := $(wildcard packaging/man/*.[1-8])
TIDIED    := $(patsubst %.c,$(BUILD)/lint/%.ok,$(LINT_SRC))
.PHONY: lint lint-c lint-sh lint-man
lint: lint-c lint-sh lint-man
$(BUILD)/lint/%.ok: $(BUILD)/obj/%.o .clang-tidy tests/.clang-tidy tests/lint.h
	@mkdir -p $(@D)
	$(call say,TIDY,$(patsubst $(BUILD)/lint/%.ok,%.c,$@)) $(TIDY) --quiet --warnings-as-errors='*' $(patsubst $(BUILD)/lint/%.ok,%.c,$@) -- \
	    -std=gnu17 -D_GNU_SOURCE -I. -Iinclude $(if $(filter $(BUILD)/lint/proto/failure.ok,$@),,-include tests/lint.h) 2>$@.log >$@.out || { cat $@.out; grep -v 'warnings generated' $@.log; exit 1; }
	@touch $@
lint-c: $(TIDIED)
lint-sh:
	@shellcheck -x $(sort $(LINT_SH)) && shellcheck -x -s bats $(LINT_BATS) && echo '  LINT    shell'
lint-man:
	@mandoc -T lint -W warning $(LINT_MAN) && echo '  LINT    man pages'

# Install. The GNU directory variables, DESTDIR, and unitdir for systemd. INSTALL_ONLY=1 takes what is built.
PREFIX      ?= /usr/local
prefix      ?= $(PREFIX)
exec_prefix ?= $(prefix)
bindir      ?= $(exec_prefix)/bin
sbindir     ?= $(exec_prefix)/sbin
libdir      ?= $(exec_prefix)/lib
includedir  ?= $(prefix)/include
datarootdir ?= $(prefix)/share
mandir      ?= $(datarootdir)/man
docdir      ?= $(datarootdir)/doc/mtlsd
sysconfdir  ?= $(if $(filter /usr,$(prefix)),/etc,$(prefix)/etc)
unitdir     ?= $(prefix)/lib/systemd/system
sysusersdir ?= $(prefix)/lib/sysusers.d
tmpfilesdir ?= $(prefix)/lib/tmpfiles.d
INSTALL     ?= install
VERSION     := $(shell sed -n 's/^.define MTLSD_VERSION "\(.*\)"/\1/p' proto/service.h)
SETTLE       = sed -e 's|/usr/sbin|$(sbindir)|g' -e 's|/usr/bin|$(bindir)|g' -e 's|/etc/mtlsd|$(sysconfdir)/mtlsd|g'
.PHONY: install
install: $(if $(INSTALL_ONLY),,all)
	$(Q)$(INSTALL) -d $(addprefix $(DESTDIR),$(bindir) $(sbindir) $(libdir)/pkgconfig $(includedir) $(mandir)/man1 $(mandir)/man3 $(mandir)/man5 \
	    $(mandir)/man8 $(docdir) $(unitdir) $(sysusersdir) $(tmpfilesdir) $(datarootdir)/varlink $(sysconfdir)/mtlsd/policy.d)
	$(Q)$(INSTALL) -m 755 $(BUILD)/mtlsctl $(DESTDIR)$(bindir)/
	$(Q)$(INSTALL) -m 755 $(BUILD)/mtlsd $(BUILD)/mtlsd-keeper $(DESTDIR)$(sbindir)/
	$(Q)$(INSTALL) -m 755 $(BUILD)/libmtls.so $(DESTDIR)$(libdir)/libmtls.so.$(VERSION)
	$(Q)ln -sf libmtls.so.$(VERSION) $(DESTDIR)$(libdir)/libmtls.so.0 && ln -sf libmtls.so.0 $(DESTDIR)$(libdir)/libmtls.so
	$(Q)$(INSTALL) -m 644 $(BUILD)/libmtls.a $(DESTDIR)$(libdir)/
	$(Q)$(INSTALL) -m 644 include/mtls.h $(DESTDIR)$(includedir)/
	$(Q)printf '%s\n' 'prefix=$(prefix)' 'libdir=$(libdir)' 'includedir=$(includedir)' '' 'Name: libmtls' \
	    'Description: Client library of mtlsd, the local agent for client certificates' 'Version: $(VERSION)' \
	    'Requires.private: jansson' 'Libs: -L$${libdir} -lmtls' 'Cflags: -I$${includedir}' > $(DESTDIR)$(libdir)/pkgconfig/libmtls.pc
	$(Q)for page in $(wildcard packaging/man/*.[1-8]); do $(INSTALL) -m 644 $$page $(DESTDIR)$(mandir)/man$${page##*.}/ || exit 1; done
	$(Q)for unit in $(notdir $(wildcard packaging/systemd/*.service packaging/systemd/*.socket packaging/systemd/*.path)); do \
	    $(SETTLE) packaging/systemd/$$unit > $(DESTDIR)$(unitdir)/$$unit || exit 1; done
	$(Q)$(INSTALL) -m 644 packaging/systemd/mtlsd.sysusers $(DESTDIR)$(sysusersdir)/mtlsd.conf
	$(Q)$(INSTALL) -m 644 packaging/systemd/mtlsd.tmpfiles $(DESTDIR)$(tmpfilesdir)/mtlsd.conf
	$(Q)$(INSTALL) -m 644 proto/io.mtlsd.Agent.varlink $(DESTDIR)$(datarootdir)/varlink/
	$(Q)$(INSTALL) -m 644 README.md LICENSE CHANGELOG.md $(DESTDIR)$(docdir)/
	$(Q)cp -R packaging/examples packaging/policy.d packaging/nginx $(DESTDIR)$(docdir)/

.SECONDARY:
.PHONY: clean
clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD)/obj $(BUILD)/pic $(BUILD)/fuzz/obj -name '*.d' 2>/dev/null)
