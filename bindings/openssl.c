/*
 * openssl.c: what the bindings of OpenSSL share, and no module of its own: guards for what OpenSSL makes
 * during a call, its queue of errors, and certificates as bytes. It stands here and not in runtime/, which
 * knows nothing of OpenSSL.
 */
#define OPENSSL_API_COMPAT 30000
#define OPENSSL_NO_DEPRECATED

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "netlua.h"

/* ---- what is dropped at the end of a call */

static void drop_errors (void *ptr) {
  (void)ptr;
  ERR_clear_error(); /* a queue that holds something old would speak for the next call */
}

void nl_dropx509 (void *x) {
  X509_free(x);
}

void nl_dropbio (void *bio) {
  (void)BIO_free(bio); /* clears the memory first */
}

void nl_dropbytes (void *bytes) {
  OPENSSL_free(bytes);
}

void nl_dropcrl (void *crl) {
  X509_CRL_free(crl);
}

void nl_dropkey (void *key) {
  EVP_PKEY_free(key);
}

void nl_dropobject (void *object) {
  ASN1_OBJECT_free(object);
}

void nl_dropstore (void *store) {
  X509_STORE_free(store);
}

/* ---- during a call */

void nl_beginopenssl (lua_State *L) {
  static const char token = 0;
  nl_guard *g = nl_newguard(L, drop_errors);
  g->ptr = (void *)(uintptr_t)&token;
  ERR_clear_error();
}

void nl_need (lua_State *L, bool fine) {
  if (!fine) (void)luaL_error(L, "not enough memory");
}

void *nl_newbio (lua_State *L) {
  nl_guard *g = nl_newguard(L, nl_dropbio);
  g->ptr = BIO_new(BIO_s_mem());
  nl_need(L, g->ptr != NULL);
  return g->ptr;
}

/* What each of OpenSSL's parts says of a failure is in its queue: that of TLS is to the point. */
unsigned long nl_sslreason (void) {
  unsigned long first = ERR_get_error(), reason = first;
  while (reason != 0 && ERR_GET_LIB(reason) != ERR_LIB_SSL) reason = ERR_get_error();
  ERR_clear_error(); /* nothing is left for a layer above to find */
  return reason != 0 ? reason : first;
}

/* ---- results */

void nl_pushbio (lua_State *L, void *bio) {
  char *data = NULL;
  long n = BIO_get_mem_data((BIO *)bio, &data);
  lua_pushlstring(L, n > 0 ? data : "", n > 0 ? (size_t)n : 0);
  (void)BIO_reset(bio); /* a memory BIO has nothing to fail with */
}

void nl_pushhex (lua_State *L, const unsigned char *bytes, size_t n) {
  static const char digits[] = "0123456789abcdef";
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (size_t i = 0; i < n; i++) {
    luaL_addchar(&b, digits[bytes[i] >> 4]);
    luaL_addchar(&b, digits[bytes[i] & 15]);
  }
  luaL_pushresult(&b);
}

void nl_pushdigest (lua_State *L, const void *bytes, size_t n, const void *md) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  nl_need(L, EVP_Digest(bytes, n, digest, &size, md, NULL) == 1);
  nl_pushhex(L, digest, size);
}

void nl_pushspki (lua_State *L, void *x) {
  unsigned char *der = NULL;
  int top = lua_gettop(L);
  nl_guard *g = nl_newguard(L, nl_dropbytes);
  int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
  g->ptr = der;
  nl_need(L, n > 0);
  lua_pushlstring(L, (const char *)der, (size_t)n);
  lua_closeslot(L, top + 1);
  lua_remove(L, top + 1);
}

/* ---- certificates */

void *nl_tox509 (lua_State *L, const char *der, size_t len) {
  const unsigned char *p = (const unsigned char *)der;
  nl_guard *g = nl_newguard(L, nl_dropx509);
  if (len > NL_MAXDER) return NULL;
  g->ptr = d2i_X509(NULL, &p, (long)len);
  return p == (const unsigned char *)der + len ? g->ptr : NULL;
}

bool nl_isdelta (const void *crl) {
  return X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0;
}

int nl_malformed (lua_State *L, const char *what) {
  nl_need(L, ERR_GET_REASON(ERR_peek_error()) != ERR_R_MALLOC_FAILURE);
  return nl_fail(L, "x509.parse", "X509_PARSE", "%s", what);
}
