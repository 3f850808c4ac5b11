# netlua: see README.md. `make` builds ./netlua; `make help` lists the rest.

CC ?= gcc
LUA ?= lua5.4
PKG_CONFIG ?= pkg-config
PREFIX ?= /usr/local
BUILD ?= build$(if $(SAN),-san)
PROGRAM := $(if $(SAN),$(BUILD)/netlua,netlua)

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla \
  -Wformat=2 -Wundef -Wwrite-strings
HARDEN := $(if $(SAN),,-D_FORTIFY_SOURCE=2) -fstack-protector-strong -fPIE
SANITIZE := $(if $(SAN),-fsanitize=address$(comma)undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
comma := ,

LUA_CFLAGS = $(shell $(PKG_CONFIG) --cflags lua5.4)
LUA_LIBDIR = $(shell $(PKG_CONFIG) --variable=libdir lua5.4)
# Lua goes in whole, with its symbols exported, so that packaged C modules find them in the program.
LIBS = -Wl,--whole-archive $(LUA_LIBDIR)/liblua5.4.a -Wl,--no-whole-archive -lev -lm -ldl -lpthread

CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -Iruntime $(WARNINGS) $(HARDEN) $(CFLAGS) $(SANITIZE) $(LUA_CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro -Wl,-z,now -Wl,-E $(SANITIZE) $(LDFLAGS)

RUNTIME := $(sort $(wildcard runtime/*.c))
BINDINGS := $(sort $(wildcard bindings/*.c))
LIBRARY := $(sort $(wildcard lualib/*.lua lualib/net/*.lua) $(wildcard scripts/*.lua))
OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(RUNTIME) $(BINDINGS)) $(BUILD)/embedded.o

all: $(PROGRAM)

$(PROGRAM): $(OBJECTS)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/embedded.c: runtime/embed.lua $(LIBRARY) | $(BUILD)
	$(LUA) runtime/embed.lua $@ $(LIBRARY)

$(BUILD)/embedded.o: $(BUILD)/embedded.c
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/%.o: %.c | $(BUILD)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD):
	@mkdir -p $@

-include $(patsubst %.o,%.d,$(OBJECTS))

clean:
	rm -rf build build-san netlua

.PHONY: all clean
