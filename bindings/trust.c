/*
 * trust.c: whether a chain of certificates is to be trusted. OpenSSL decides; this file asks it the whole
 * question, checks the result of every setter, and asks for the name once more at the end, of the leaf
 * itself: where memory runs out OpenSSL may lose the name it was to check, and say that all is well.
 */
#define OPENSSL_API_COMPAT 30000
#define OPENSSL_NO_DEPRECATED

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "netlua.h"

enum { MAXTEXT = 1 << 24, MAXLIST = 1000, CHAIN = 1, OPTIONS = 2 };

static const unsigned hostflags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;

typedef struct identity { /* whom the leaf has to be for: one of them, or neither */
  const char *name;
  const unsigned char *address;
  size_t length;
} identity;

/* ---- what is dropped at the end of a call */

static void drop_list (void *list) {
  sk_X509_pop_free(list, X509_free);
}

static void drop_context (void *context) {
  X509_STORE_CTX_free(context);
}

static int refused (lua_State *L, const char *what) {
  nl_need(L, ERR_GET_REASON(ERR_peek_error()) != ERR_R_MALLOC_FAILURE);
  return nl_fail(L, "x509.verify", "X509_PARSE", "%s", what);
}

/* ---- certificates from Lua */

/* A field of the options as bytes, or NULL; they live as long as the table. */
static const char *textfield (lua_State *L, const char *name, size_t *len) {
  *len = 0;
  const char *s = lua_getfield(L, OPTIONS, name) == LUA_TSTRING ? lua_tolstring(L, -1, len) : NULL;
  lua_pop(L, 1);
  return s;
}

/* Item i of the list on top into the guard; false: it is no certificate. */
static bool item (lua_State *L, nl_guard *g, lua_Integer i) {
  size_t len;
  lua_rawgeti(L, -1, i);
  const char *der = luaL_checklstring(L, -1, &len);
  const unsigned char *p = (const unsigned char *)der;
  g->ptr = len <= NL_MAXDER ? d2i_X509(NULL, &p, (long)len) : NULL;
  bool whole = g->ptr != NULL && p == (const unsigned char *)der + len;
  lua_pop(L, 1);
  return whole;
}

/* The list on top as certificates in a guard, which stands below it then; NULL: one of them is none. */
static STACK_OF(X509) * tolist(lua_State *L) {
  luaL_checktype(L, -1, LUA_TTABLE);
  lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
  nl_guard *g = nl_newguard(L, drop_list);
  nl_guard *one = nl_newguard(L, nl_dropx509);
  lua_pushvalue(L, -3);
  STACK_OF(X509) *list = g->ptr = sk_X509_new_null();
  nl_need(L, list != NULL);
  if (n > 2 * MAXLIST) (void)luaL_error(L, "too many certificates");
  for (lua_Integer i = 1; i <= n; i++) {
    if (!item(L, one, i)) return NULL;
    nl_need(L, sk_X509_push(list, one->ptr) > 0);
    one->ptr = NULL;
  }
  return list;
}

/* ---- the store of what is trusted */

static bool addauthorities (lua_State *L, X509_STORE *store) {
  bool fine = true;
  int top = lua_gettop(L);
  if (lua_getfield(L, OPTIONS, "ca") == LUA_TTABLE) {
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
    nl_guard *one = nl_newguard(L, nl_dropx509);
    lua_pushvalue(L, top + 1);
    for (lua_Integer i = 1; fine && i <= n; i++) {
      fine = item(L, one, i);
      if (fine) nl_need(L, X509_STORE_add_cert(store, one->ptr) == 1);
      X509_free(one->ptr);
      one->ptr = NULL;
    }
    lua_closeslot(L, top + 2);
  }
  lua_settop(L, top);
  return fine;
}

/* Without this OpenSSL would ask on the terminal, for a block that says it is encrypted. */
static int nopassword (char *to, int size, int writing, void *context) {
  (void)to;
  (void)size;
  (void)writing;
  (void)context;
  return -1;
}

/* One text of lists that are signed, in PEM or DER; false: there is none in it, a damaged one
 * or one that is not whole. */
static bool addlists (lua_State *L, X509_STORE *store, const char *text, size_t len) {
  bool pem = len > 0 && text[0] != 0x30;
  int n = 0;
  nl_guard *input = nl_newguard(L, nl_dropbio);
  nl_guard *g = nl_newguard(L, nl_dropcrl);
  if (len > MAXTEXT) return false;
  input->ptr = BIO_new_mem_buf(text, (int)len);
  nl_need(L, input->ptr != NULL);
  for (; n < MAXLIST; n++) {
    if (!pem && BIO_pending((BIO *)input->ptr) == 0) return n > 0;
    X509_CRL_free(g->ptr);
    g->ptr = pem ? PEM_read_bio_X509_CRL(input->ptr, NULL, nopassword, NULL)
                 : d2i_X509_CRL_bio(input->ptr, NULL);
    if (g->ptr == NULL) break;
    if (nl_isdelta(g->ptr)) return false;
    nl_need(L, X509_STORE_add_crl(store, g->ptr) == 1);
  }
  return pem && n > 0 && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

static bool addrevocations (lua_State *L, X509_STORE *store) {
  if (lua_getfield(L, OPTIONS, "crl") != LUA_TTABLE) return true;
  int list = lua_gettop(L);
  lua_Integer n = (lua_Integer)lua_rawlen(L, list);
  for (lua_Integer i = 1; i <= n; i++) {
    size_t len;
    lua_rawgeti(L, list, i);
    const char *text = luaL_checklstring(L, -1, &len);
    if (!addlists(L, store, text, len)) return false;
  }
  ERR_clear_error();
  return true;
}

/* What is trusted: the certificates of "ca" and those in "capath". 0, or the count of nil, err. */
static int fillstore (lua_State *L, X509_STORE *store) {
  size_t len;
  const char *folder = textfield(L, "capath", &len);
  if (folder != NULL) {
    if (access(folder, R_OK | X_OK) != 0) return nl_errno(L, "x509.verify", errno);
    nl_need(L, X509_STORE_load_path(store, folder) == 1);
  }
  if (!addauthorities(L, store)) return refused(L, "an authority to trust is no certificate");
  if (!addrevocations(L, store)) return refused(L, "a revocation list cannot be read, or is a delta");
  return 0;
}

/* ---- the question */

static unsigned long flagsof (lua_State *L) {
  static const struct {
    const char *name;
    unsigned long flag;
  } known[] = {{"crl", X509_V_FLAG_CRL_CHECK},
               {"crl_all", X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL},
               {"partial", X509_V_FLAG_PARTIAL_CHAIN},
               {"strict", X509_V_FLAG_X509_STRICT}};
  unsigned long flags = X509_V_FLAG_TRUSTED_FIRST;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    lua_getfield(L, OPTIONS, known[i].name);
    if (lua_toboolean(L, -1)) flags |= known[i].flag;
    lua_pop(L, 1);
  }
  return flags;
}

static int numberfield (lua_State *L, const char *name, int fallback) {
  lua_Integer n = lua_getfield(L, OPTIONS, name) == LUA_TNIL ? fallback : luaL_checkinteger(L, -1);
  lua_pop(L, 1);
  return n < 0 || n > INT_MAX ? INT_MAX : (int)n;
}

/* Where no host is asked for, as of clients, a CN may say who it is: the flags would have OpenSSL hold it
 * against no constraints. */
static void setidentity (lua_State *L, X509_VERIFY_PARAM *param, const identity *who) {
  if (who->name != NULL) {
    X509_VERIFY_PARAM_set_hostflags(param, hostflags);
    nl_need(L, X509_VERIFY_PARAM_set1_host(param, who->name, who->length) == 1);
  }
  if (who->address != NULL) nl_need(L, X509_VERIFY_PARAM_set1_ip(param, who->address, who->length) == 1);
}

static void setquestion (lua_State *L, X509_STORE_CTX *context, const identity *who) {
  static const char *const purposes[] = {"server", "client", "any", NULL};
  static const int numbers[] = {X509_PURPOSE_SSL_SERVER, X509_PURPOSE_SSL_CLIENT, 0};
  X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(context);
  nl_need(L, param != NULL);
  lua_getfield(L, OPTIONS, "purpose");
  int purpose = numbers[luaL_checkoption(L, -1, "server", purposes)];
  if (purpose != 0) nl_need(L, X509_STORE_CTX_set_purpose(context, purpose) == 1);
  nl_need(L, X509_VERIFY_PARAM_set_flags(param, flagsof(L)) == 1);
  X509_VERIFY_PARAM_set_auth_level(param, numberfield(L, "security_level", 2));
  if (lua_getfield(L, OPTIONS, "depth") != LUA_TNIL)
    X509_VERIFY_PARAM_set_depth(param, numberfield(L, "depth", 0));
  if (lua_getfield(L, OPTIONS, "time") != LUA_TNIL)
    X509_VERIFY_PARAM_set_time(param, (time_t)luaL_checkinteger(L, -1));
  setidentity(L, param, who);
}

/* The number of what is wrong, or X509_V_OK. Every way to X509_V_OK goes through here. */
static int judge (X509_STORE_CTX *context, X509 *leaf, const identity *who) {
  int answer = X509_verify_cert(context);
  int number = X509_STORE_CTX_get_error(context);
  if (answer != 1) return number != X509_V_OK ? number : X509_V_ERR_UNSPECIFIED;
  if (number != X509_V_OK) return number;
  if (who->name != NULL && X509_check_host(leaf, who->name, who->length, hostflags, NULL) != 1)
    return X509_V_ERR_HOSTNAME_MISMATCH;
  if (who->address != NULL && X509_check_ip(leaf, who->address, who->length, 0) != 1)
    return X509_V_ERR_IP_ADDRESS_MISMATCH;
  return X509_V_OK;
}

/* ---- the answer */

static void pushder (lua_State *L, const X509 *x) {
  unsigned char *der = NULL;
  int top = lua_gettop(L);
  nl_guard *g = nl_newguard(L, nl_dropbytes);
  int n = i2d_X509(x, &der);
  g->ptr = der;
  nl_need(L, n > 0);
  lua_pushlstring(L, (const char *)der, (size_t)n);
  lua_closeslot(L, top + 1);
  lua_remove(L, top + 1);
}

static void pushchain (lua_State *L, X509_STORE_CTX *context) {
  const STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(context);
  lua_newtable(L);
  for (int i = 0; chain != NULL && i < sk_X509_num(chain); i++) {
    pushder(L, sk_X509_value(chain, i));
    lua_rawseti(L, -2, i + 1);
  }
}

static int answer (lua_State *L, X509_STORE_CTX *context, X509 *leaf, int number) {
  const X509 *culprit = X509_STORE_CTX_get_current_cert(context);
  bool identified = number != X509_V_ERR_HOSTNAME_MISMATCH && number != X509_V_ERR_IP_ADDRESS_MISMATCH;
  nl_need(L, number != X509_V_ERR_OUT_OF_MEM);
  pushchain(L, context);
  if (number == X509_V_OK) return 1;
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  lua_pushinteger(L, number);
  lua_pushinteger(L, identified ? X509_STORE_CTX_get_error_depth(context) : 0);
  pushder(L, identified && culprit != NULL ? culprit : leaf);
  return 5;
}

static identity identityof (lua_State *L) {
  identity who = {NULL, NULL, 0};
  size_t length;
  who.name = textfield(L, "name", &who.length);
  const char *address = textfield(L, "address", &length);
  if (address != NULL) {
    who.name = NULL;
    who.address = (const unsigned char *)address;
    who.length = length;
  }
  if (who.name != NULL && (who.length == 0 || who.name[0] == '.' || strlen(who.name) != who.length))
    luaL_argerror(L, OPTIONS, "no name of a host");
  if (who.address != NULL && length != 4 && length != 16) luaL_argerror(L, OPTIONS, "4 or 16 bytes expected");
  return who;
}

/* verify(ders, options) -> {der, ...} | false, {der, ...}, number, depth, der at fault | nil, err. The
 * options are {name or address (4 or 16 bytes), ca = {der, ...}, capath, crl = {text, ...}, crl_all,
 * purpose, time, depth, security_level, partial, strict}. */
static int trust_verify (lua_State *L) {
  luaL_checktype(L, CHAIN, LUA_TTABLE);
  luaL_checktype(L, OPTIONS, LUA_TTABLE);
  lua_settop(L, 2);
  identity who = identityof(L);
  nl_beginopenssl(L);
  lua_pushvalue(L, CHAIN);
  STACK_OF(X509) *chain = tolist(L);
  if (chain == NULL || sk_X509_num(chain) == 0) return refused(L, "the chain holds what is no certificate");
  X509 *leaf = sk_X509_value(chain, 0);
  nl_guard *store = nl_newguard(L, nl_dropstore);
  store->ptr = X509_STORE_new();
  nl_need(L, store->ptr != NULL);
  int failed = fillstore(L, store->ptr);
  if (failed > 0) return failed;
  nl_guard *context = nl_newguard(L, drop_context);
  context->ptr = X509_STORE_CTX_new();
  nl_need(L, context->ptr != NULL && X509_STORE_CTX_init(context->ptr, store->ptr, leaf, chain) == 1);
  setquestion(L, context->ptr, &who);
  int number = judge(context->ptr, leaf, &who);
  return answer(L, context->ptr, leaf, number);
}

int luaopen_net_trust (lua_State *L) {
  static const luaL_Reg functions[] = {{"verify", trust_verify}, {NULL, NULL}};
  nl_loadlibraries(L);
  if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) != 1) {
    return luaL_error(L, "OpenSSL cannot be used");
  }
  luaL_newlib(L, functions);
  return 1;
}
