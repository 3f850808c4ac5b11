/*
 * x509.c: bundles of certificates, and what OpenSSL says of single ones. Every function takes bytes and gives
 * values of Lua: nothing of OpenSSL outlives a call.
 */
#define OPENSSL_API_COMPAT 30000
#define OPENSSL_NO_DEPRECATED

#include <string.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "netlua.h"

enum { MAXBUNDLE = 1 << 24, MAXCERTIFICATES = 1000, MAXLABELS = 8 };

typedef struct block { /* one block of PEM */
  char *name, *header;
  unsigned char *bytes;
  long n;
} block;

/* ---- what is dropped at the end of a call */

static void drop_block (void *ptr) {
  block *b = ptr;
  OPENSSL_free(b->name);
  OPENSSL_free(b->header);
  OPENSSL_free(b->bytes);
  OPENSSL_free(b);
}

static void drop_spki (void *spki) {
  X509_PUBKEY_free(spki);
}

/* ---- bundles */

/* How long the element is that the bytes begin with, no longer than n. */
static size_t elementof (const unsigned char *bytes, size_t n) {
  const unsigned char *p = bytes;
  long len = 0;
  int tag, class;
  int answer = ASN1_get_object(&p, &len, &tag, &class, (long)n);
  if ((answer & 0x80) || answer == 0x21) return n; /* an error, or a length that is not told */
  size_t all = (size_t)(p - bytes) + (size_t)len;
  return all < n ? all : n;
}

/* The next block into b; false: no more, or one that cannot be read. */
static bool nextblock (BIO *bio, block *b) {
  OPENSSL_free(b->name);
  OPENSSL_free(b->header);
  OPENSSL_free(b->bytes);
  b->name = b->header = NULL;
  b->bytes = NULL;
  return PEM_read_bio(bio, &b->name, &b->header, &b->bytes, &b->n) == 1;
}

/* Adds a certificate to the list at `list`, or what it is instead to that at list + 1. */
static void addblock (lua_State *L, int list, const block *b) {
  bool trusted = strcmp(b->name, PEM_STRING_X509_TRUSTED) == 0; /* has settings behind it */
  bool wanted = trusted || strcmp(b->name, PEM_STRING_X509) == 0 || strcmp(b->name, PEM_STRING_X509_OLD) == 0;
  size_t n = b->n > 0 ? (size_t)b->n : 0;
  lua_pushvalue(L, wanted ? list : list + 1);
  if (wanted) lua_pushlstring(L, (const char *)b->bytes, trusted ? elementof(b->bytes, n) : n);
  else lua_pushstring(L, b->name);
  if (wanted || lua_rawlen(L, -2) < MAXLABELS) nl_append(L);
  else lua_pop(L, 1);
  lua_pop(L, 1);
}

static int toobig (lua_State *L) {
  return nl_fail(L, "x509.parse", "TOOBIG", "more than %d certificates or %d bytes", MAXCERTIFICATES,
                 MAXBUNDLE);
}

/* split(pem) -> {der, ...}, {label of another block, ...} | nil, err */
static int x509_split (lua_State *L) {
  size_t len;
  const char *pem = luaL_checklstring(L, 1, &len);
  lua_settop(L, 1);
  if (len > MAXBUNDLE) return toobig(L);
  lua_newtable(L);
  lua_newtable(L);
  nl_beginopenssl(L);
  nl_guard *input = nl_newguard(L, nl_dropbio);
  input->ptr = BIO_new_mem_buf(pem, (int)len);
  nl_need(L, input->ptr != NULL);
  nl_guard *g = nl_newguard(L, drop_block);
  block *b = g->ptr = OPENSSL_zalloc(sizeof *b);
  nl_need(L, b != NULL);
  while (nextblock(input->ptr, b)) {
    addblock(L, 2, b);
    if (lua_rawlen(L, 2) > MAXCERTIFICATES) return toobig(L);
  }
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
    return nl_malformed(L, "a block of PEM is damaged or cut short");
  }
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 3);
  return 2;
}

/* armor(label, der) -> pem */
static int x509_armor (lua_State *L) {
  size_t len;
  const char *label = luaL_checkstring(L, 1);
  const char *der = luaL_checklstring(L, 2, &len);
  lua_settop(L, 2);
  nl_beginopenssl(L);
  BIO *bio = nl_newbio(L);
  nl_need(L, PEM_write_bio(bio, label, "", (const unsigned char *)der, (long)len) > 0);
  nl_pushbio(L, bio);
  return 1;
}

/* ---- questions about one certificate */

/* show(der) -> text for people, with whatever bytes the certificate has | nil, err */
static int x509_show (lua_State *L) {
  size_t len;
  const char *der = luaL_checklstring(L, 1, &len);
  lua_settop(L, 1);
  nl_beginopenssl(L);
  X509 *x = nl_tox509(L, der, len);
  if (x == NULL) return nl_malformed(L, "the bytes are no certificate");
  BIO *bio = nl_newbio(L);
  if (X509_print_ex(bio, x, XN_FLAG_RFC2253, 0) != 1) {
    return nl_malformed(L, "the certificate cannot be shown");
  }
  nl_pushbio(L, bio);
  return 1;
}

/* digest(bytes, algorithm) -> hex */
static int x509_digest (lua_State *L) {
  static const char *const names[] = {"sha256", "sha1", "sha384", "sha512", "md5", NULL};
  size_t len;
  const char *bytes = luaL_checklstring(L, 1, &len);
  int which = luaL_checkoption(L, 2, "sha256", names);
  const EVP_MD *digests[] = {EVP_sha256(), EVP_sha1(), EVP_sha384(), EVP_sha512(), EVP_md5()};
  lua_settop(L, 2);
  nl_beginopenssl(L);
  nl_pushdigest(L, bytes, len, digests[which]);
  return 1;
}

/* spki(der) -> the bytes of its public key, with the algorithm | nil, err */
static int x509_spki (lua_State *L) {
  size_t len;
  const char *der = luaL_checklstring(L, 1, &len);
  lua_settop(L, 1);
  nl_beginopenssl(L);
  X509 *x = nl_tox509(L, der, len);
  if (x == NULL) return nl_malformed(L, "the bytes are no certificate");
  nl_pushspki(L, x);
  return 1;
}

/* matches(der, name, [address]) -> boolean | nil, err: one of them, an address as its 4 or 16 bytes. A name
 * that begins with a dot would stand for all names below it. */
static int x509_matches (lua_State *L) {
  static const unsigned flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
  size_t len, n, size;
  const char *der = luaL_checklstring(L, 1, &len);
  const char *name = luaL_optlstring(L, 2, NULL, &n);
  const char *address = luaL_optlstring(L, 3, NULL, &size);
  if (name == NULL && address == NULL) luaL_argerror(L, 2, "name expected");
  if (address != NULL && size != 4 && size != 16) luaL_argerror(L, 3, "4 or 16 bytes expected");
  lua_settop(L, 3);
  nl_beginopenssl(L);
  X509 *x = nl_tox509(L, der, len);
  if (x == NULL) return nl_malformed(L, "the bytes are no certificate");
  int answer = 0;
  if (address != NULL) answer = X509_check_ip(x, (const unsigned char *)address, size, 0);
  else if (n > 0 && name[0] != '.' && memchr(name, '\0', n) == NULL)
    answer = X509_check_host(x, name, n, flags, NULL);
  lua_pushboolean(L, answer == 1); /* -1 and -2 are failures */
  return 1;
}

/* issued(der, other) -> boolean: whether that key, under that name, signed the other | nil, err */
static int x509_issued (lua_State *L) {
  size_t len, n;
  const char *der = luaL_checklstring(L, 1, &len);
  const char *other = luaL_checklstring(L, 2, &n);
  lua_settop(L, 2);
  nl_beginopenssl(L);
  X509 *issuer = nl_tox509(L, der, len);
  X509 *subject = nl_tox509(L, other, n);
  if (issuer == NULL || subject == NULL) return nl_malformed(L, "the bytes are no certificate");
  EVP_PKEY *key = X509_get0_pubkey(issuer);
  bool named = X509_check_issued(issuer, subject) == X509_V_OK;
  lua_pushboolean(L, named && key != NULL && X509_verify(subject, key) == 1);
  return 1;
}

/* ---- for certificates that are being made */

/* keyid(spki) -> the SHA-1 of the key's bits, by which certificates name it (RFC 5280, 4.2.1.2) | nil, err */
static int x509_keyid (lua_State *L) {
  size_t len;
  int n = 0;
  unsigned size = 0;
  const unsigned char *bits = NULL;
  unsigned char digest[EVP_MAX_MD_SIZE];
  const char *spki = luaL_checklstring(L, 1, &len);
  const unsigned char *p = (const unsigned char *)spki;
  lua_settop(L, 1);
  nl_beginopenssl(L);
  nl_guard *g = nl_newguard(L, drop_spki);
  g->ptr = d2i_X509_PUBKEY(NULL, &p, (long)len);
  if (g->ptr == NULL || X509_PUBKEY_get0_param(NULL, &bits, &n, NULL, g->ptr) != 1) {
    return nl_malformed(L, "the public key cannot be read");
  }
  nl_need(L, EVP_Digest(bits, (size_t)n, digest, &size, EVP_sha1(), NULL) == 1);
  lua_pushlstring(L, (const char *)digest, size);
  return 1;
}

/* random(n) -> bytes | nil, err */
static int x509_random (lua_State *L) {
  unsigned char bytes[64];
  size_t n = nl_checksize(L, 1, 1, sizeof bytes);
  lua_settop(L, 1);
  nl_beginopenssl(L);
  if (RAND_bytes(bytes, (int)n) != 1) return nl_malformed(L, "there are no random numbers");
  lua_pushlstring(L, (const char *)bytes, n);
  return 1;
}

/* oid(name or numbers) -> DER | nil */
static int x509_oid (lua_State *L) {
  unsigned char *der = NULL;
  const char *text = luaL_checkstring(L, 1);
  lua_settop(L, 1);
  nl_beginopenssl(L);
  nl_guard *held = nl_newguard(L, nl_dropobject);
  ASN1_OBJECT *o = held->ptr = OBJ_txt2obj(text, 0);
  if (o == NULL || OBJ_length(o) == 0) return nl_eof(L);
  nl_guard *g = nl_newguard(L, nl_dropbytes);
  int n = i2d_ASN1_OBJECT(o, &der);
  g->ptr = der;
  nl_need(L, n > 0);
  lua_pushlstring(L, (const char *)der, (size_t)n);
  return 1;
}

/* ---- why a chain is not trusted */

/* What the X509_V_ERR_* come to; those that are not here are "other". */
static const nl_word reasons[] = {
    {"expired", X509_V_ERR_CERT_HAS_EXPIRED},
    {"not_yet_valid", X509_V_ERR_CERT_NOT_YET_VALID},
    {"self_signed", X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT},
    {"self_signed_root", X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN},
    {"unknown_issuer", X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT},
    {"unknown_issuer", X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY},
    {"unknown_issuer", X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE},
    {"unknown_issuer", X509_V_ERR_CERT_UNTRUSTED},
    {"rejected", X509_V_ERR_CERT_REJECTED},
    {"wrong_host", X509_V_ERR_HOSTNAME_MISMATCH},
    {"wrong_address", X509_V_ERR_IP_ADDRESS_MISMATCH},
    {"wrong_purpose", X509_V_ERR_INVALID_PURPOSE},
    {"not_a_ca", X509_V_ERR_INVALID_CA},
    {"not_a_ca", X509_V_ERR_INVALID_NON_CA},
    {"not_a_ca", X509_V_ERR_KEYUSAGE_NO_CERTSIGN},
    {"path_length", X509_V_ERR_PATH_LENGTH_EXCEEDED},
    {"name_constraints", X509_V_ERR_PERMITTED_VIOLATION},
    {"name_constraints", X509_V_ERR_EXCLUDED_VIOLATION},
    {"name_constraints", X509_V_ERR_SUBTREE_MINMAX},
    {"name_constraints", X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE},
    {"name_constraints", X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX},
    {"name_constraints", X509_V_ERR_UNSUPPORTED_NAME_SYNTAX},
    {"weak_key", X509_V_ERR_EE_KEY_TOO_SMALL},
    {"weak_key", X509_V_ERR_CA_KEY_TOO_SMALL},
    {"weak_signature", X509_V_ERR_CA_MD_TOO_WEAK},
    {"revoked", X509_V_ERR_CERT_REVOKED},
    {"no_crl", X509_V_ERR_UNABLE_TO_GET_CRL},
    {"no_crl", X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER},
    {"bad_crl", X509_V_ERR_CRL_HAS_EXPIRED},
    {"bad_crl", X509_V_ERR_CRL_NOT_YET_VALID},
    {"bad_crl", X509_V_ERR_CRL_SIGNATURE_FAILURE},
    {"bad_crl", X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE},
    {"bad_crl", X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD},
    {"bad_crl", X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD},
    {"bad_crl", X509_V_ERR_KEYUSAGE_NO_CRL_SIGN},
    {"bad_crl", X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION},
    {"bad_crl", X509_V_ERR_DIFFERENT_CRL_SCOPE},
    {"bad_signature", X509_V_ERR_CERT_SIGNATURE_FAILURE},
    {"bad_signature", X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE},
    {"bad_signature", X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY},
    {"too_long", X509_V_ERR_CERT_CHAIN_TOO_LONG},
    {"unknown_extension", X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION},
    {"malformed", X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD},
    {"malformed", X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD},
    {"malformed", X509_V_ERR_INVALID_EXTENSION},
    {"malformed", X509_V_ERR_EC_KEY_EXPLICIT_PARAMS},
    {"malformed", X509_V_ERR_SIGNATURE_ALGORITHM_MISMATCH},
    {"malformed", X509_V_ERR_SIGNATURE_ALGORITHM_INCONSISTENCY},
    {"malformed", X509_V_ERR_PATHLEN_INVALID_FOR_NON_CA},
    {"malformed", X509_V_ERR_PATHLEN_WITHOUT_KU_KEY_CERT_SIGN},
    {"malformed", X509_V_ERR_KU_KEY_CERT_SIGN_INVALID_FOR_NON_CA},
    {"malformed", X509_V_ERR_ISSUER_NAME_EMPTY},
    {"malformed", X509_V_ERR_SUBJECT_NAME_EMPTY},
    {"malformed", X509_V_ERR_MISSING_AUTHORITY_KEY_IDENTIFIER},
    {"malformed", X509_V_ERR_MISSING_SUBJECT_KEY_IDENTIFIER},
    {"malformed", X509_V_ERR_EMPTY_SUBJECT_ALT_NAME},
    {"malformed", X509_V_ERR_EMPTY_SUBJECT_SAN_NOT_CRITICAL},
    {"malformed", X509_V_ERR_CA_BCONS_NOT_CRITICAL},
    {"malformed", X509_V_ERR_AUTHORITY_KEY_IDENTIFIER_CRITICAL},
    {"malformed", X509_V_ERR_SUBJECT_KEY_IDENTIFIER_CRITICAL},
    {"malformed", X509_V_ERR_CA_CERT_MISSING_KEY_USAGE},
    {"malformed", X509_V_ERR_EXTENSIONS_REQUIRE_VERSION_3},
};

/* {[X509_V_ERR_*] = word} */
static void setreasons (lua_State *L) {
  enum { N = sizeof reasons / sizeof *reasons };
  lua_createtable(L, 0, N);
  for (size_t i = 0; i < N; i++) {
    lua_pushstring(L, reasons[i].name);
    lua_rawseti(L, -2, reasons[i].value);
  }
}

int luaopen_net_x509 (lua_State *L) {
  static const luaL_Reg functions[] = {
      {"split", x509_split},   {"armor", x509_armor}, {"show", x509_show},
      {"digest", x509_digest}, {"spki", x509_spki},   {"matches", x509_matches},
      {"issued", x509_issued}, {"keyid", x509_keyid}, {"random", x509_random},
      {"oid", x509_oid},       {NULL, NULL}};
  nl_loadlibraries(L);
  if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) != 1) {
    return luaL_error(L, "OpenSSL cannot be used");
  }
  luaL_newlib(L, functions);
  setreasons(L);
  lua_setfield(L, -2, "reasons");
  return 1;
}
