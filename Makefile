# netlua: `make` builds ./netlua, `make help` lists the rest.
#   SAN=1      address and undefined behaviour sanitizers, built beside the plain objects
#   GC=stress  the specs with a garbage collection always under way

CC = gcc
LUA = lua5.4
PKG_CONFIG = pkg-config
PREFIX = /usr/local
DESTDIR =
BUILD = build$(if $(SAN),-san)
JOBS := $(shell nproc 2>/dev/null || echo 1)
PROGRAM = $(if $(SAN),$(BUILD)/netlua,netlua)

# Line editing at the prompt: readline or libedit, loaded when a prompt opens. LINE_EDITOR=libedit: no GPL code.
LINE_EDITOR = readline
EDITOR_LIBRARY = $(if $(filter libedit,$(LINE_EDITOR)),libedit.so.2,libreadline.so.8)
EDITOR_PACKAGE = $(if $(filter libedit,$(LINE_EDITOR)),libedit2,libreadline8)

# ---- what must be there

BUILD_PACKAGES = gcc libc6-dev make pkg-config liblua5.4-dev lua5.4 libev-dev libssl-dev binutils lua-argparse \
  $(EDITOR_PACKAGE)
TEST_PACKAGES = lua-busted lua-filesystem lua-lpeg lua-cjson nginx-light python3 iproute2 util-linux \
  procps coreutils openssl netcat-openbsd socat curl nmap iptables iputils-ping iputils-tracepath traceroute \
  libedit2
LINT_PACKAGES = lua-check cppcheck clang-format
BENCH_PACKAGES = strace nmap fping lua-luv lua-cqueues lua-socket lua-copas
PACKAGES = $(BUILD_PACKAGES) $(TEST_PACKAGES) $(LINT_PACKAGES)

# ---- flags

comma = ,
WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla \
  -Wformat=2 -Wundef -Wwrite-strings
HARDEN = $(if $(SAN),,-D_FORTIFY_SOURCE=2) -fstack-protector-strong -fPIE
SANITIZE = $(if $(SAN),-fsanitize=address$(comma)undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
CFLAGS = -O2 -g
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -Iruntime $(WARNINGS) $(HARDEN) $(CFLAGS) $(SANITIZE) \
  $(shell $(PKG_CONFIG) --cflags lua5.4)
ALL_LDFLAGS = -pie -Wl,-z,relro -Wl,-z,now -Wl,-E $(SANITIZE) $(LDFLAGS)
# Lua goes in whole, with its symbols exported, so that packaged C modules find them in the program.
# libev has no pkg-config file in Debian.
LIBS = -Wl,--whole-archive $(shell $(PKG_CONFIG) --variable=libdir lua5.4)/liblua5.4.a \
  -Wl,--no-whole-archive -lev -lm -ldl -lpthread $(if $(LAZY),,-lssl -lcrypto)

# OpenSSL is loaded with its first use, on the machines that runtime/lazy.lua has stubs for; elsewhere it is
# linked as usual.
MACHINE := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
LAZY := $(filter x86_64 aarch64,$(MACHINE))
LAZY_LIBRARIES = $(if $(LAZY),$(foreach l,libssl libcrypto,$(shell $(CC) -print-file-name=$l.so)))
LAZY_OBJECTS = $(patsubst %,$(BUILD)/bindings/%.o,openssl tls tlscontext tlssession ocsp certificate \
  x509 trust certify)

SOURCES = $(sort $(wildcard runtime/*.c bindings/*.c))
LIBRARY = $(sort $(wildcard lualib/*.lua lualib/net/*.lua scripts/*.lua)) $(DOCDATA) $(ARGPARSE)
# What the annotations say, for help and completion.
DOCDATA = $(BUILD)/lualib/net/core/docs.lua
# The one library in Lua that is not ours: where the system's Lua finds it.
ARGPARSE := $(shell $(LUA) -e 'print(package.searchpath("argparse", package.path) or "")' 2>/dev/null)
OBJECTS = $(patsubst %.c,$(BUILD)/%.o,$(SOURCES)) $(BUILD)/embedded.o $(BUILD)/lazy.o

# ---- building

all: $(PROGRAM)

$(PROGRAM): $(OBJECTS)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/embedded.c: runtime/embed.lua $(LIBRARY)
	$(if $(ARGPARSE),,$(error argparse for $(LUA) is missing: make setup))
	@mkdir -p $(@D)
	$(LUA) runtime/embed.lua $@ $(LIBRARY)

$(DOCDATA): docs/reference/data.lua docs/reference/annotations.lua $(wildcard lualib/*.lua lualib/*/*.lua)
	@mkdir -p $(@D)
	$(LUA) docs/reference/data.lua $@

$(BUILD)/lazy.c: runtime/lazy.lua $(LAZY_OBJECTS)
	$(LUA) runtime/lazy.lua $@ $(MACHINE) $(LAZY_LIBRARIES) -- $(LAZY_OBJECTS)

$(BUILD)/runtime/editor.o: CFLAGS += -DNL_LINE_EDITOR='"$(EDITOR_LIBRARY)"'

$(BUILD)/embedded.o $(BUILD)/lazy.o: %.o: %.c
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

-include $(wildcard $(BUILD)/runtime/*.d $(BUILD)/bindings/*.d)

$(BUILD)/bench/%: spec/bench/%.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -O2 $(WARNINGS) -o $@ $(filter %.c,$^) -lpthread $(BENCH_LIBS)

$(BUILD)/bench/load $(BUILD)/bench/datagrams: spec/bench/server.c spec/bench/server.h
$(BUILD)/bench/load $(BUILD)/bench/echo_tls: BENCH_LIBS = -lssl -lcrypto

# ---- doing

setup:
	@if ! command -v apt-get >/dev/null; then \
	  echo "setup: no apt-get here; install what corresponds to: $(PACKAGES)"; exit 0; fi; \
	missing=; for p in $(PACKAGES) $(if $(BENCH),$(BENCH_PACKAGES)); do \
	  dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; \
	done; \
	if [ -z "$$missing" ]; then echo "setup: everything is installed"; exit 0; fi; \
	echo "setup: installs$$missing"; \
	sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	$$sudo apt-get update -q && $$sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
	  apt-get install -q -y --no-install-recommends $$missing

# The flags depend on packages that setup may just have installed: a second make reads them anew.
tour: setup
	@$(MAKE) --no-print-directory -j$(JOBS) all
	./$(PROGRAM) tour

test: setup
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@$(MAKE) --no-print-directory spec

spec:
	BUILD=$(BUILD) NETLUA=$(CURDIR)/$(PROGRAM) GC=$(GC) \
	  LSAN_OPTIONS=suppressions=$(CURDIR)/spec/support/leaks.txt:print_suppressions=0 \
	  timeout -k 5 1800 ./$(PROGRAM) spec/support/run.lua $(SPECS)

lint:
	clang-format --dry-run -Werror runtime/*.c runtime/*.h bindings/*.c spec/bench/*.c spec/support/*.c
	luacheck -q lualib scripts spec runtime
	cppcheck -q --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
	  --suppress=missingIncludeSystem -Iruntime runtime bindings
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@$(MAKE) --no-print-directory spec SPECS=spec/project

# What cannot be installed is skipped by name. SUBJECTS=tls: those rows alone.
BENCHES = $(patsubst spec/bench/%.c,$(BUILD)/bench/%,$(filter-out %/server.c,$(wildcard spec/bench/*.c)))
bench:
	-@$(MAKE) --no-print-directory setup BENCH=1
	@$(MAKE) --no-print-directory -j$(JOBS) all $(BENCHES)
	./$(PROGRAM) spec/bench/run.lua $(BUILD) $(SUBJECTS)

FUZZERS = $(wildcard spec/fuzz/*.c)
fuzz:
	@[ -n "$(FUZZERS)" ] || echo "fuzz: no targets yet"

doc: all
	./$(PROGRAM) docs/reference/generate.lua

install: all
	install -D -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/netlua
	install -D -m 644 docs/netlua.1 $(DESTDIR)$(PREFIX)/share/man/man1/netlua.1
	install -D -m 644 runtime/netlua.h $(DESTDIR)$(PREFIX)/include/netlua/netlua.h
	install -d $(DESTDIR)$(PREFIX)/share/netlua/meta
	install -m 644 lualib/meta/*.lua $(DESTDIR)$(PREFIX)/share/netlua/meta

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/netlua $(DESTDIR)$(PREFIX)/share/man/man1/netlua.1
	rm -rf $(DESTDIR)$(PREFIX)/include/netlua $(DESTDIR)$(PREFIX)/share/netlua

clean:
	rm -rf build build-san netlua

help:
	@echo "make            builds ./netlua"
	@echo "make setup      installs what is missing (Debian packages)"
	@echo "make tour       shows what it does, on real local servers"
	@echo "make test       every spec; SAN=1 under sanitizers, GC=stress, SPECS=spec/runtime for a part"
	@echo "make lint       format, luacheck, cppcheck, the project's own rules"
	@echo "make bench      figures beside those of other programs, installed if need be; SUBJECTS=tls for a part"
	@echo "make fuzz       fuzz targets"
	@echo "make doc        docs/reference and docs/errors.md from the stubs"
	@echo "make install    PREFIX=$(PREFIX) DESTDIR="

.PHONY: all setup tour test spec lint bench fuzz doc install uninstall clean help
