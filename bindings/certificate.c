/*
 * certificate.c: a certificate as a table. What is given is as it stands in the certificate, NUL and ESC
 * included. The table is for people and tools: whether a certificate is for a host, and whom it may be
 * trusted from, is decided by OpenSSL on the certificate itself, in x509.c and trust.c.
 */
#define OPENSSL_API_COMPAT 30000
#define OPENSSL_NO_DEPRECATED

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "netlua.h"

typedef struct reader { /* of one certificate: `out` is the index of the table that is filled */
  lua_State *L;
  X509 *x;
  BIO *scratch;
  int out;
} reader;

/* ---- what is dropped at the end of a call */

static void drop_names (void *names) {
  GENERAL_NAMES_free(names);
}

static void drop_usage (void *usage) {
  EXTENDED_KEY_USAGE_free(usage);
}

static void drop_constraints (void *constraints) {
  NAME_CONSTRAINTS_free(constraints);
}

static void drop_access (void *access) {
  AUTHORITY_INFO_ACCESS_free(access);
}

static void drop_points (void *points) {
  CRL_DIST_POINTS_free(points);
}

static void drop_features (void *features) {
  TLS_FEATURE_free(features);
}

/* ---- pieces */

static size_t lengthof (const ASN1_STRING *s) {
  int n = ASN1_STRING_length(s);
  return n > 0 ? (size_t)n : 0;
}

static void pushraw (lua_State *L, const ASN1_STRING *s) {
  const unsigned char *data = ASN1_STRING_get0_data(s);
  lua_pushlstring(L, data != NULL ? (const char *)data : "", data != NULL ? lengthof(s) : 0);
}

static void sethex (reader *r, const char *name, const ASN1_STRING *s) {
  if (s == NULL) return;
  nl_pushhex(r->L, ASN1_STRING_get0_data(s), lengthof(s));
  lua_setfield(r->L, r->out, name);
}

static void pushoid (lua_State *L, const ASN1_OBJECT *o) {
  char text[256];
  int n = OBJ_obj2txt(text, sizeof text, o, 1);
  lua_pushstring(L, n > 0 ? text : "?");
}

/* The short name that everybody knows it by, or the numbers. */
static void pushobject (lua_State *L, const ASN1_OBJECT *o) {
  int nid = OBJ_obj2nid(o);
  if (nid == NID_undef) pushoid(L, o);
  else lua_pushstring(L, OBJ_nid2sn(nid));
}

/* As RFC 4514 has it, in ASCII. What OpenSSL cannot convert is written in hexadecimal digits. */
static void pushname (reader *r, const X509_NAME *name) {
  unsigned long flags = XN_FLAG_RFC2253 & ~(unsigned long)XN_FLAG_DUMP_UNKNOWN_FIELDS;
  if (X509_NAME_print_ex(r->scratch, name, 0, flags) < 0) {
    (void)BIO_reset(r->scratch);
    (void)X509_NAME_print_ex(r->scratch, name, 0, flags | ASN1_STRFLGS_DUMP_ALL);
  }
  nl_pushbio(r->L, r->scratch);
}

/* Text in UTF-8; the bytes themselves where they are no text. */
static void pushtext (reader *r, const ASN1_STRING *s) {
  if (ASN1_STRING_print_ex(r->scratch, s, ASN1_STRFLGS_UTF8_CONVERT) >= 0) {
    nl_pushbio(r->L, r->scratch);
    return;
  }
  (void)BIO_reset(r->scratch);
  pushraw(r->L, s);
}

static void newlist (reader *r, const char *name) {
  lua_newtable(r->L);
  lua_pushvalue(r->L, -1);
  lua_setfield(r->L, r->out, name);
}

/* ---- names */

/* A name as text, and as the list of its attributes. */
static void setname (reader *r, const char *text, const char *fields, const X509_NAME *n) {
  lua_State *L = r->L;
  pushname(r, n);
  lua_setfield(L, r->out, text);
  newlist(r, fields);
  for (int i = 0; i < X509_NAME_entry_count(n); i++) {
    const X509_NAME_ENTRY *e = X509_NAME_get_entry(n, i);
    lua_createtable(L, 0, 2);
    pushobject(L, X509_NAME_ENTRY_get_object(e));
    lua_setfield(L, -2, "name");
    pushtext(r, X509_NAME_ENTRY_get_data(e));
    lua_setfield(L, -2, "value");
    lua_rawseti(L, -2, i + 1);
  }
  lua_pop(L, 1);
}

/* An address, or with `masked` an address and its mask. False: it is neither. */
static bool pushaddress (lua_State *L, const ASN1_STRING *s, bool masked) {
  char text[INET6_ADDRSTRLEN], mask[INET6_ADDRSTRLEN];
  const unsigned char *bytes = ASN1_STRING_get0_data(s);
  size_t n = masked ? lengthof(s) / 2 : lengthof(s);
  if (lengthof(s) != (masked ? 2 * n : n) || (n != 4 && n != 16)) return false;
  int family = n == 4 ? AF_INET : AF_INET6;
  if (inet_ntop(family, bytes, text, sizeof text) == NULL) return false;
  if (!masked) lua_pushstring(L, text);
  else if (inet_ntop(family, bytes + n, mask, sizeof mask) != NULL) lua_pushfstring(L, "%s/%s", text, mask);
  else return false;
  return true;
}

/* What is neither a name nor an address, after a word that says what it is. */
static void pushother (reader *r, const GENERAL_NAME *n) {
  lua_State *L = r->L;
  switch (n->type) {
    case GEN_DIRNAME:
      lua_pushliteral(L, "dirName:");
      pushname(r, n->d.directoryName);
      break;
    case GEN_RID:
      lua_pushliteral(L, "RID:");
      pushoid(L, n->d.registeredID);
      break;
    case GEN_OTHERNAME: {
      const ASN1_TYPE *value = n->d.otherName->value;
      lua_pushliteral(L, "otherName:");
      pushobject(L, n->d.otherName->type_id);
      lua_pushliteral(L, ";");
      if (value != NULL && value->type == V_ASN1_UTF8STRING) pushraw(L, value->value.utf8string);
      else lua_pushliteral(L, "...");
      lua_concat(L, 3);
      break;
    }
    case GEN_IPADD:
      lua_pushliteral(L, "IP:");
      nl_pushhex(L, ASN1_STRING_get0_data(n->d.iPAddress), lengthof(n->d.iPAddress));
      break;
    default:
      lua_pushliteral(L, "?");
      lua_pushliteral(L, "");
  }
  lua_concat(L, 2);
}

static void addtolist (reader *r, const char *list) {
  lua_getfield(r->L, r->out, list);
  lua_insert(r->L, -2);
  nl_append(r->L);
  lua_pop(r->L, 1);
}

static void addname (reader *r, const GENERAL_NAME *n) {
  lua_State *L = r->L;
  const char *list = n->type == GEN_DNS     ? "names"
                     : n->type == GEN_EMAIL ? "emails"
                     : n->type == GEN_URI   ? "uris"
                                            : NULL;
  if (list != NULL) {
    pushraw(L, n->d.ia5);
  } else if (n->type == GEN_IPADD && pushaddress(L, n->d.iPAddress, false)) {
    list = "addresses";
  } else {
    pushother(r, n);
    list = "other_names";
  }
  addtolist(r, list);
}

/* One side of a name constraint: "DNS:a.test", "IP:10.0.0.0/255.0.0.0". */
static void pushconstraint (reader *r, const GENERAL_NAME *n) {
  lua_State *L = r->L;
  const char *prefix = n->type == GEN_DNS     ? "DNS:"
                       : n->type == GEN_EMAIL ? "email:"
                       : n->type == GEN_URI   ? "URI:"
                                              : NULL;
  if (prefix != NULL) {
    lua_pushstring(L, prefix);
    pushraw(L, n->d.ia5);
  } else if (n->type == GEN_IPADD && pushaddress(L, n->d.iPAddress, true)) {
    lua_pushliteral(L, "IP:");
    lua_insert(L, -2);
  } else {
    pushother(r, n);
    return;
  }
  lua_concat(L, 2);
}

/* ---- extensions */

/* An extension in a guard of its own; NULL: there is none, it cannot be read or is there twice. */
static void *extension (reader *r, int nid, void (*drop)(void *)) {
  nl_guard *g = nl_newguard(r->L, drop);
  g->ptr = X509_get_ext_d2i(r->x, nid, NULL, NULL);
  return g->ptr;
}

static void setnames (reader *r) {
  static const char *const lists[] = {"names", "addresses", "emails", "uris", "other_names", "malformed"};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    lua_newtable(r->L);
    lua_setfield(r->L, r->out, lists[i]);
  }
  const GENERAL_NAMES *names = extension(r, NID_subject_alt_name, drop_names);
  for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
    addname(r, sk_GENERAL_NAME_value(names, i));
  }
}

static void setusage (reader *r) {
  static const nl_word uses[] = {{"digitalSignature", KU_DIGITAL_SIGNATURE},
                                 {"nonRepudiation", KU_NON_REPUDIATION},
                                 {"keyEncipherment", KU_KEY_ENCIPHERMENT},
                                 {"dataEncipherment", KU_DATA_ENCIPHERMENT},
                                 {"keyAgreement", KU_KEY_AGREEMENT},
                                 {"keyCertSign", KU_KEY_CERT_SIGN},
                                 {"cRLSign", KU_CRL_SIGN},
                                 {"encipherOnly", KU_ENCIPHER_ONLY},
                                 {"decipherOnly", KU_DECIPHER_ONLY},
                                 {NULL, 0}};
  uint32_t usage = X509_get_key_usage(r->x);
  if (usage == UINT32_MAX) return; /* none is named: all are allowed */
  newlist(r, "key_usage");
  for (const nl_word *w = uses; w->name != NULL; w++) {
    if (!(usage & (uint32_t)w->value)) continue;
    lua_pushstring(r->L, w->name);
    nl_append(r->L);
  }
  lua_pop(r->L, 1);
}

static void setextended (reader *r) {
  const EXTENDED_KEY_USAGE *usage = extension(r, NID_ext_key_usage, drop_usage);
  if (usage == NULL) return;
  newlist(r, "extended_key_usage");
  for (int i = 0; i < sk_ASN1_OBJECT_num(usage); i++) {
    pushobject(r->L, sk_ASN1_OBJECT_value(usage, i));
    nl_append(r->L);
  }
  lua_pop(r->L, 1);
}

static void setsubtrees (reader *r, const char *name, const STACK_OF(GENERAL_SUBTREE) * trees) {
  lua_newtable(r->L);
  for (int i = 0; trees != NULL && i < sk_GENERAL_SUBTREE_num(trees); i++) {
    pushconstraint(r, sk_GENERAL_SUBTREE_value(trees, i)->base);
    nl_append(r->L);
  }
  lua_setfield(r->L, -2, name);
}

static void setconstraints (reader *r) {
  const NAME_CONSTRAINTS *constraints = extension(r, NID_name_constraints, drop_constraints);
  if (constraints == NULL) return;
  newlist(r, "name_constraints");
  setsubtrees(r, "permitted", constraints->permittedSubtrees);
  setsubtrees(r, "excluded", constraints->excludedSubtrees);
  lua_pop(r->L, 1);
}

/* Where the issuer says what became of certificates, and where its own is. */
static void setaccess (reader *r) {
  newlist(r, "ocsp_urls");
  newlist(r, "ca_issuers");
  lua_pop(r->L, 2);
  const AUTHORITY_INFO_ACCESS *access = extension(r, NID_info_access, drop_access);
  for (int i = 0; access != NULL && i < sk_ACCESS_DESCRIPTION_num(access); i++) {
    const ACCESS_DESCRIPTION *d = sk_ACCESS_DESCRIPTION_value(access, i);
    int method = OBJ_obj2nid(d->method);
    if (d->location->type != GEN_URI || (method != NID_ad_OCSP && method != NID_ad_ca_issuers)) continue;
    pushraw(r->L, d->location->d.ia5);
    addtolist(r, method == NID_ad_OCSP ? "ocsp_urls" : "ca_issuers");
  }
}

static void setpoints (reader *r) {
  newlist(r, "crl_urls");
  lua_pop(r->L, 1);
  const CRL_DIST_POINTS *points = extension(r, NID_crl_distribution_points, drop_points);
  for (int i = 0; points != NULL && i < sk_DIST_POINT_num(points); i++) {
    const DIST_POINT_NAME *name = sk_DIST_POINT_value(points, i)->distpoint;
    const GENERAL_NAMES *names = name != NULL && name->type == 0 ? name->name.fullname : NULL;
    for (int j = 0; names != NULL && j < sk_GENERAL_NAME_num(names); j++) {
      const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, j);
      if (n->type != GEN_URI) continue;
      pushraw(r->L, n->d.ia5);
      addtolist(r, "crl_urls");
    }
  }
}

static void setstaple (reader *r) {
  bool must = false;
  const TLS_FEATURE *features = extension(r, NID_tlsfeature, drop_features);
  for (int i = 0; features != NULL && i < sk_ASN1_INTEGER_num(features); i++) {
    if (ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i)) == 5) must = true; /* status_request */
  }
  lua_pushboolean(r->L, must);
  lua_setfield(r->L, r->out, "must_staple");
}

/* Whether it has the form that its kind has; of a kind that nobody knows here, any. */
static bool readable (X509_EXTENSION *e) {
  const X509V3_EXT_METHOD *method = X509V3_EXT_get(e);
  if (method == NULL) return true;
  void *value = X509V3_EXT_d2i(e);
  if (value == NULL) return false;
  if (method->it != NULL) ASN1_item_free(value, ASN1_ITEM_ptr(method->it));
  else method->ext_free(value);
  return true;
}

/* Puts one that cannot be read, or was there before, on the list `malformed`, once. The table at `seen` has
 * for each name whether that was done. */
static void notemalformed (reader *r, X509_EXTENSION *e, int seen) {
  lua_State *L = r->L;
  pushobject(L, X509_EXTENSION_get_object(e));
  lua_pushvalue(L, -1);
  bool again = lua_rawget(L, seen) != LUA_TNIL, noted = lua_toboolean(L, -1);
  bool bad = again || !readable(e);
  lua_pop(L, 1);
  lua_pushvalue(L, -1);
  lua_pushboolean(L, bad);
  lua_rawset(L, seen);
  if (bad && !noted) addtolist(r, "malformed");
  else lua_pop(L, 1);
}

/* All of them, in order, as they stand there. */
static void setextensions (reader *r) {
  lua_State *L = r->L;
  lua_newtable(L);
  int seen = lua_gettop(L);
  newlist(r, "extensions");
  for (int i = 0; i < X509_get_ext_count(r->x); i++) {
    X509_EXTENSION *e = X509_get_ext(r->x, i);
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(e);
    lua_createtable(L, 0, 4);
    pushoid(L, X509_EXTENSION_get_object(e));
    lua_setfield(L, -2, "oid");
    pushobject(L, X509_EXTENSION_get_object(e));
    lua_setfield(L, -2, "name");
    lua_pushboolean(L, X509_EXTENSION_get_critical(e));
    lua_setfield(L, -2, "critical");
    nl_pushhex(L, ASN1_STRING_get0_data(value), lengthof(value));
    lua_setfield(L, -2, "value");
    lua_rawseti(L, -2, i + 1);
    notemalformed(r, e, seen);
  }
  lua_pop(L, 2);
}

/* ---- the rest of a certificate */

/* A date that is none (31 February, second 60) has its text and no number. */
static void settime (reader *r, const char *name, const char *text, const ASN1_TIME *t) {
  struct tm tm;
  char shown[96];
  if (ASN1_TIME_check(t) && ASN1_TIME_to_tm(t, &tm)) {
    (void)snprintf(shown, sizeof shown, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                   tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    lua_pushinteger(r->L, timegm(&tm));
    lua_setfield(r->L, r->out, name);
    lua_pushstring(r->L, shown);
  } else {
    pushraw(r->L, t);
  }
  lua_setfield(r->L, r->out, text);
}

static void lower (lua_State *L, const char *text) {
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (; *text != '\0'; text++) luaL_addchar(&b, (char)tolower((unsigned char)*text));
  luaL_pushresult(&b);
}

static void setcurve (lua_State *L, const EVP_PKEY *key) {
  char group[64];
  size_t n;
  if (EVP_PKEY_get_group_name(key, group, sizeof group, &n) != 1) return;
  const char *nist = EC_curve_nid2nist(OBJ_sn2nid(group));
  lua_pushstring(L, nist != NULL ? nist : group);
  lua_setfield(L, -2, "curve");
}

static void setkey (reader *r) {
  lua_State *L = r->L;
  const EVP_PKEY *key = X509_get0_pubkey(r->x);
  ASN1_OBJECT *algorithm = NULL;
  const char *type = key != NULL ? EVP_PKEY_get0_type_name(key) : NULL;
  newlist(r, "key");
  if (type != NULL) {
    lower(L, type);
    lua_pushinteger(L, EVP_PKEY_get_bits(key));
    lua_setfield(L, -3, "bits");
  } else if (X509_PUBKEY_get0_param(&algorithm, NULL, NULL, NULL, X509_get_X509_PUBKEY(r->x)) == 1) {
    pushobject(L, algorithm); /* of a kind, or with numbers, that OpenSSL cannot use */
  } else {
    lua_pushliteral(L, "?");
  }
  lua_setfield(L, -2, "type");
  if (type != NULL && strcmp(type, "EC") == 0) setcurve(L, key);
  lua_pop(L, 1);
}

static void setserial (reader *r) {
  const ASN1_INTEGER *serial = X509_get0_serialNumber(r->x);
  lua_pushstring(r->L, ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER ? "-" : "");
  nl_pushhex(r->L, ASN1_STRING_get0_data(serial), lengthof(serial));
  lua_concat(r->L, 2);
  lua_setfield(r->L, r->out, "serial");
}

static void setalgorithm (reader *r) {
  const X509_ALGOR *algorithm = NULL;
  const ASN1_OBJECT *o = NULL;
  X509_get0_signature(NULL, &algorithm, r->x);
  X509_ALGOR_get0(&o, NULL, NULL, algorithm);
  int nid = OBJ_obj2nid(o);
  if (nid == NID_undef) pushoid(r->L, o);
  else lua_pushstring(r->L, OBJ_nid2ln(nid));
  lua_setfield(r->L, r->out, "signature_algorithm");
}

static void setkind (reader *r) {
  lua_State *L = r->L;
  uint32_t flags = X509_get_extension_flags(r->x);
  long pathlen = X509_get_pathlen(r->x);
  lua_pushinteger(L, X509_get_version(r->x) + 1);
  lua_setfield(L, r->out, "version");
  lua_pushboolean(L, (flags & EXFLAG_CA) != 0);
  lua_setfield(L, r->out, "ca");
  lua_pushboolean(L, (flags & EXFLAG_SI) != 0);
  lua_setfield(L, r->out, "self_issued");
  lua_pushboolean(L, (flags & EXFLAG_INVALID) != 0);
  lua_setfield(L, r->out, "broken");
  if (pathlen < 0) return;
  lua_pushinteger(L, pathlen);
  lua_setfield(L, r->out, "pathlen");
}

static void setprints (reader *r, const char *der, size_t len) {
  size_t n;
  nl_pushdigest(r->L, der, len, EVP_sha256());
  lua_setfield(r->L, r->out, "sha256");
  nl_pushdigest(r->L, der, len, EVP_sha1());
  lua_setfield(r->L, r->out, "sha1");
  nl_pushspki(r->L, r->x);
  const char *spki = lua_tolstring(r->L, -1, &n);
  nl_pushdigest(r->L, spki, n, EVP_sha256());
  lua_setfield(r->L, r->out, "public_key_sha256");
  lua_pop(r->L, 1);
}

/* decode(der) -> fields | nil, err */
static int certificate_decode (lua_State *L) {
  size_t len;
  const char *der = luaL_checklstring(L, 1, &len);
  lua_settop(L, 1);
  if (len > NL_MAXDER) {
    return nl_fail(L, "x509.parse", "TOOBIG", "a certificate of more than %d bytes", NL_MAXDER);
  }
  nl_beginopenssl(L);
  reader r = {L, nl_tox509(L, der, len), NULL, 0};
  if (r.x == NULL) return nl_malformed(L, "the bytes are no certificate");
  r.scratch = nl_newbio(L);
  lua_newtable(L);
  r.out = lua_gettop(L);
  lua_pushvalue(L, 1);
  lua_setfield(L, r.out, "der");
  setnames(&r);
  setname(&r, "subject", "subject_fields", X509_get_subject_name(r.x));
  setname(&r, "issuer", "issuer_fields", X509_get_issuer_name(r.x));
  settime(&r, "not_before", "not_before_text", X509_get0_notBefore(r.x));
  settime(&r, "not_after", "not_after_text", X509_get0_notAfter(r.x));
  setkind(&r);
  setserial(&r);
  setkey(&r);
  setalgorithm(&r);
  setusage(&r);
  setextended(&r);
  setconstraints(&r);
  setaccess(&r);
  setpoints(&r);
  setstaple(&r);
  sethex(&r, "subject_key_id", X509_get0_subject_key_id(r.x));
  sethex(&r, "authority_key_id", X509_get0_authority_key_id(r.x));
  setextensions(&r);
  setprints(&r, der, len);
  lua_pushvalue(L, r.out);
  return 1;
}

int luaopen_net_certificate (lua_State *L) {
  static const luaL_Reg functions[] = {{"decode", certificate_decode}, {NULL, NULL}};
  nl_loadlibraries(L);
  if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) != 1) {
    return luaL_error(L, "OpenSSL cannot be used");
  }
  luaL_newlib(L, functions);
  return 1;
}
