/*
 * ocsp.c: what a certificate's authority says of it, RFC 6960: reads a response, such as one that was stapled
 * to a handshake, and checks who signed it.
 */
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/ssl.h>

#include "netlua.h"

#define SKEW 300      /* seconds that the clocks of an authority and of this machine may differ */
#define LARGEST 65527 /* bytes that fit beside a certificate of TLS 1.3, RFC 8446, section 4.4.2 */

static void drop_response (void *r) {
  OCSP_RESPONSE_free(r);
}

static void drop_basic (void *b) {
  OCSP_BASICRESP_free(b);
}

static void drop_list (void *list) {
  sk_X509_free(list);
}

static void drop_id (void *id) {
  OCSP_CERTID_free(id);
}

/* The certificate in DER at arg, which a guard frees; raises where it is none. */
static X509 *checkcertificate (lua_State *L, int arg) {
  size_t len;
  const unsigned char *der = (const unsigned char *)luaL_checklstring(L, arg, &len);
  nl_guard *g = nl_newguard(L, nl_dropx509);
  g->ptr = d2i_X509(NULL, &der, (long)len);
  if (g->ptr == NULL) luaL_argerror(L, arg, "certificate in DER expected");
  return g->ptr;
}

static void settext (lua_State *L, const char *name, const char *text) {
  if (text == NULL) return;
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

static void settime (lua_State *L, const char *name, const ASN1_GENERALIZEDTIME *time) {
  struct tm tm;
  if (time == NULL || ASN1_TIME_to_tm(time, &tm) != 1) return;
  lua_pushinteger(L, (lua_Integer)timegm(&tm));
  lua_setfield(L, -2, name);
}

/* Of the table on top. Returns 1, so that it can end the call. */
static int status (lua_State *L, const char *word, const char *problem) {
  settext(L, "status", word);
  settext(L, "problem", problem);
  return 1;
}

/* Signed by the authority itself or by whom it named for that, RFC 6960, section 4.2.2.2. The authority's own
 * certificate need not come with the response. */
static bool genuine (lua_State *L, OCSP_BASICRESP *basic, X509 *issuer, lua_Integer when) {
  nl_guard *g = nl_newguard(L, nl_dropstore), *list = nl_newguard(L, drop_list);
  X509_STORE *store = g->ptr = X509_STORE_new();
  STACK_OF(X509) *signers = list->ptr = sk_X509_new_null();
  if (signers == NULL || sk_X509_push(signers, issuer) != 1) return false;
  if (store == NULL || X509_STORE_add_cert(store, issuer) != 1 ||
      X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) != 1) {
    return false;
  }
  if (when >= 0) X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store), (time_t)when);
  return OCSP_basic_verify(basic, signers, store, 0) == 1;
}

/* The answer about that certificate, or NULL. An answer names it by a hash of its own choice. */
static OCSP_SINGLERESP *answerabout (lua_State *L, OCSP_BASICRESP *basic, const X509 *leaf,
                                     const X509 *issuer) {
  nl_guard *g = nl_newguard(L, drop_id);
  for (int i = 0; i < OCSP_resp_count(basic); i++) {
    ASN1_OBJECT *digest = NULL;
    OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
    OCSP_CERTID *id = (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(single);
    const EVP_MD *md = OCSP_id_get0_info(NULL, &digest, NULL, NULL, id) == 1 ? EVP_get_digestbyobj(digest)
                                                                             : NULL;
    if (md == NULL) continue;
    g->ptr = OCSP_cert_to_id(md, leaf, issuer);
    bool same = g->ptr != NULL && OCSP_id_cmp(g->ptr, id) == 0;
    OCSP_CERTID_free(g->ptr);
    g->ptr = NULL;
    if (same) return single;
  }
  return NULL;
}

static bool timely (const ASN1_GENERALIZEDTIME *from, const ASN1_GENERALIZEDTIME *to, lua_Integer when) {
  time_t t = (time_t)when, early = t + SKEW, late = t - SKEW;
  if (when < 0) return OCSP_check_validity((void *)(uintptr_t)from, (void *)(uintptr_t)to, SKEW, -1) == 1;
  return X509_cmp_time(from, &early) < 0 && (to == NULL || X509_cmp_time(to, &late) > 0);
}

static int readsingle (lua_State *L, OCSP_SINGLERESP *single, lua_Integer when) {
  static const char *const words[] = {"good", "revoked", "unknown"}; /* V_OCSP_CERTSTATUS_* */
  ASN1_GENERALIZEDTIME *revoked = NULL, *from = NULL, *to = NULL;
  int reason = OCSP_REVOKED_STATUS_NOSTATUS;
  int said = OCSP_single_get0_status(single, &reason, &revoked, &from, &to);
  settime(L, "this_update", from);
  settime(L, "next_update", to);
  settime(L, "revoked_at", revoked);
  if (reason != OCSP_REVOKED_STATUS_NOSTATUS) settext(L, "reason", OCSP_crl_reason_str(reason));
  if (!timely(from, to, when)) return status(L, "invalid", "it is not of this time");
  if (said < 0 || said > V_OCSP_CERTSTATUS_UNKNOWN) return status(L, "invalid", "it says nothing");
  return status(L, words[said], NULL);
}

/* Takes a response apart: what stands in its way, or NULL. Guards free both parts. */
static const char *takeapart (const unsigned char *der, size_t len, nl_guard *response, nl_guard *basic) {
  const unsigned char *p = der;
  response->ptr = len <= INT32_MAX ? d2i_OCSP_RESPONSE(NULL, &p, (long)len) : NULL;
  if (response->ptr == NULL || p != der + len) return "it is no OCSP response";
  int said = OCSP_response_status(response->ptr);
  if (said != OCSP_RESPONSE_STATUS_SUCCESSFUL) return OCSP_response_status_str(said);
  basic->ptr = OCSP_response_get1_basic(response->ptr);
  return basic->ptr == NULL ? "it is of an unknown type" : NULL;
}

static bool names (OCSP_BASICRESP *basic, const X509 *leaf) {
  for (int i = 0; i < OCSP_resp_count(basic); i++) {
    ASN1_INTEGER *serial = NULL;
    OCSP_CERTID *id = (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(OCSP_resp_get0(basic, i));
    bool known = OCSP_id_get0_info(NULL, NULL, NULL, &serial, id) == 1;
    if (known && ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(leaf)) == 0) return true;
  }
  return false;
}

/* problem(response, [certificate]) -> why a server should not staple it to that certificate | nil */
static int ocsp_problem (lua_State *L) {
  size_t len;
  const unsigned char *der = (const unsigned char *)luaL_checklstring(L, 1, &len);
  const X509 *leaf = lua_isnoneornil(L, 2) ? NULL : checkcertificate(L, 2);
  nl_beginopenssl(L);
  nl_guard *r = nl_newguard(L, drop_response), *b = nl_newguard(L, drop_basic);
  const char *problem = takeapart(der, len, r, b);
  if (problem == NULL && len > LARGEST) problem = "it is larger than TLS 1.3 can carry";
  if (problem == NULL && leaf != NULL && !names(b->ptr, leaf)) problem = "it is about another certificate";
  lua_pushstring(L, problem);
  return 1;
}

/* read(response, certificate, issuer, [time]) -> {status =, ...}: "good", "revoked" or "unknown", if it is
 * the authority that says so; otherwise "invalid" and the problem */
static int ocsp_read (lua_State *L) {
  size_t len;
  const unsigned char *der = (const unsigned char *)luaL_checklstring(L, 1, &len);
  lua_Integer when = lua_isnoneornil(L, 4) ? -1 : nl_checkrange(L, 4, 0, INT64_MAX);
  X509 *leaf = checkcertificate(L, 2), *issuer = checkcertificate(L, 3);
  nl_guard *r = nl_newguard(L, drop_response), *b = nl_newguard(L, drop_basic);
  ERR_clear_error();
  const char *problem = takeapart(der, len, r, b);
  bool signedright = b->ptr != NULL && genuine(L, b->ptr, issuer, when);
  OCSP_SINGLERESP *single = b->ptr != NULL ? answerabout(L, b->ptr, leaf, issuer) : NULL;
  lua_newtable(L);
  if (b->ptr != NULL) settime(L, "produced_at", OCSP_resp_get0_produced_at(b->ptr));
  if (problem != NULL) return status(L, "invalid", problem);
  if (!signedright) return status(L, "invalid", "it is not signed by the authority");
  if (single == NULL) return status(L, "invalid", "it is about another certificate");
  return readsingle(L, single, when);
}

int luaopen_net_ocsp (lua_State *L) {
  static const luaL_Reg functions[] = {{"read", ocsp_read}, {"problem", ocsp_problem}, {NULL, NULL}};
  nl_loadlibraries(L);
  if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) != 1) {
    return luaL_error(L, "OpenSSL does not start");
  }
  luaL_newlib(L, functions);
  return 1;
}
