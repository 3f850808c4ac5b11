/*
 * certify.c: keys, requests, certificates and revocation lists being made. lualib/net/issue.lua says what is
 * in them; this file puts it together and signs it. No error has a key or a password in it, and nobody is
 * ever asked for a password: it is given or it is not.
 */
#define OPENSSL_API_COMPAT 30000
#define OPENSSL_NO_DEPRECATED

#include <string.h>
#include <time.h>

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "netlua.h"

enum { MAXINPUT = 1 << 20, SPEC = 1 };

#define NOTEXT "the subject has a value that is no valid text"

typedef struct secret { /* what is answered when a key asks for its password */
  const char *text;
  size_t len;
  bool asked;
} secret;

/* ---- what is dropped at the end of a call */

static void drop_keycontext (void *context) {
  EVP_PKEY_CTX_free(context);
}

static void drop_request (void *request) {
  X509_REQ_free(request);
}

static void drop_revoked (void *revoked) {
  X509_REVOKED_free(revoked);
}

static void drop_name (void *name) {
  X509_NAME_free(name);
}

static void drop_octets (void *octets) {
  ASN1_OCTET_STRING_free(octets);
}

static void drop_integer (void *integer) {
  ASN1_INTEGER_free(integer);
}

static void drop_number (void *number) {
  BN_free(number);
}

static void drop_time (void *t) {
  ASN1_TIME_free(t);
}

static void drop_extensions (void *extensions) {
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}

static void drop_extension (void *extension) {
  X509_EXTENSION_free(extension);
}

/* Something in a guard of its own, which stays on the stack. */
static void *hold (lua_State *L, nl_guard *g, void *ptr) {
  nl_need(L, ptr != NULL);
  return g->ptr = ptr;
}

static int unfit (lua_State *L, const char *op, const char *what) {
  nl_need(L, ERR_GET_REASON(ERR_peek_error()) != ERR_R_MALLOC_FAILURE);
  return nl_fail(L, op, "TLS_CONFIG", "%s", what);
}

/* ---- what stands in the table SPEC */

/* A field as bytes, or NULL; they live as long as the table. */
static const char *textfield (lua_State *L, const char *name, size_t *len) {
  *len = 0;
  const char *s = lua_getfield(L, SPEC, name) == LUA_TSTRING ? lua_tolstring(L, -1, len) : NULL;
  lua_pop(L, 1);
  return s;
}

static const char *needtext (lua_State *L, const char *name, size_t *len) {
  const char *s = textfield(L, name, len);
  if (s == NULL) luaL_argerror(L, SPEC, name);
  return s;
}

static lua_Integer needinteger (lua_State *L, const char *name) {
  lua_getfield(L, SPEC, name);
  lua_Integer n = luaL_checkinteger(L, -1);
  lua_pop(L, 1);
  return n;
}

static const EVP_MD *digestfield (lua_State *L) {
  static const char *const names[] = {"sha256", "sha384", "sha512", "sha1", "md5", NULL};
  const EVP_MD *digests[] = {EVP_sha256(), EVP_sha384(), EVP_sha512(), EVP_sha1(), EVP_md5()};
  lua_getfield(L, SPEC, "digest");
  return digests[luaL_checkoption(L, -1, "sha256", names)];
}

/* ---- keys */

static int onpassword (char *to, int size, int writing, void *context) {
  secret *s = context;
  (void)writing;
  s->asked = true;
  if (s->text == NULL || size < 0 || s->len > (size_t)size) return -1;
  memcpy(to, s->text, s->len);
  return (int)s->len;
}

/* The private key in a PEM text; or NULL, and `problem` says why. */
static EVP_PKEY *readkey (lua_State *L, const char *pem, size_t len, secret *password, const char **problem) {
  nl_guard *g = nl_newguard(L, nl_dropkey);
  nl_guard *input = nl_newguard(L, nl_dropbio);
  *problem = "there is no private key in PEM in it";
  if (len > MAXINPUT) return NULL;
  BIO *bio = hold(L, input, BIO_new_mem_buf(pem, (int)len));
  g->ptr = PEM_read_bio_PrivateKey(bio, NULL, onpassword, password);
  if (g->ptr == NULL && password->asked) {
    *problem = password->text != NULL ? "the password of the private key is wrong, or the key is damaged"
                                      : "the private key is encrypted and there is no password";
  }
  return g->ptr;
}

static EVP_PKEY *signerof (lua_State *L, const char **problem) {
  size_t len;
  secret password = {NULL, 0, false};
  const char *pem = needtext(L, "signer", &len);
  password.text = textfield(L, "password", &password.len);
  return readkey(L, pem, len, &password, problem);
}

/* Ed25519 and Ed448 bring their own digest. */
static const EVP_MD *digestfor (const EVP_PKEY *key, const EVP_MD *wanted) {
  return EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448") ? NULL : wanted;
}

static EVP_PKEY *publickey (lua_State *L, const char *spki, size_t len) {
  const unsigned char *p = (const unsigned char *)spki;
  nl_guard *g = nl_newguard(L, nl_dropkey);
  return g->ptr = d2i_PUBKEY(NULL, &p, (long)len);
}

/* A new key in a guard; NULL: OpenSSL has no such type, curve or size. */
static EVP_PKEY *makekey (lua_State *L, const char *type, const char *curve, int bits) {
  EVP_PKEY *key = NULL;
  nl_guard *g = nl_newguard(L, nl_dropkey);
  nl_guard *c = nl_newguard(L, drop_keycontext);
  EVP_PKEY_CTX *context = c->ptr = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
  if (context == NULL || EVP_PKEY_keygen_init(context) != 1) return NULL;
  if (curve != NULL && EVP_PKEY_CTX_set_group_name(context, curve) != 1) return NULL;
  if (bits > 0 && EVP_PKEY_CTX_set_rsa_keygen_bits(context, bits) != 1) return NULL;
  if (EVP_PKEY_generate(context, &key) != 1) return NULL;
  return g->ptr = key;
}

/* generate(type, [curve], [bits], [password]) -> PEM of PKCS #8 | nil, err */
static int certify_generate (lua_State *L) {
  size_t len;
  char *pem = NULL;
  const char *type = luaL_checkstring(L, 1);
  const char *curve = luaL_optstring(L, 2, NULL);
  int bits = lua_isnoneornil(L, 3) ? 0 : (int)nl_checkrange(L, 3, 512, 16384);
  const char *password = luaL_optlstring(L, 4, NULL, &len);
  lua_settop(L, 4);
  nl_beginopenssl(L);
  EVP_PKEY *key = makekey(L, type, curve, bits);
  if (key == NULL) return unfit(L, "x509.generate_key", "OpenSSL makes no key of that type, curve or size");
  BIO *bio = nl_newbio(L);
  const EVP_CIPHER *cipher = password != NULL ? EVP_aes_256_cbc() : NULL;
  int fine = PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, password, password != NULL ? (int)len : 0, NULL,
                                           NULL);
  if (fine != 1) return unfit(L, "x509.generate_key", "the key cannot be written");
  long n = BIO_get_mem_data(bio, &pem);
  lua_pushlstring(L, pem, n > 0 ? (size_t)n : 0);
  return 1;
}

static int pushspki (lua_State *L, EVP_PKEY *key) {
  unsigned char *der = NULL;
  nl_guard *g = nl_newguard(L, nl_dropbytes);
  int n = i2d_PUBKEY(key, &der);
  g->ptr = der;
  nl_need(L, n > 0);
  lua_pushlstring(L, (const char *)der, (size_t)n);
  return 1;
}

/* public(pem, [password]) -> SubjectPublicKeyInfo of a private key | nil, err */
static int certify_public (lua_State *L) {
  size_t len;
  const char *problem, *pem = luaL_checklstring(L, 1, &len);
  secret password = {NULL, 0, false};
  password.text = luaL_optlstring(L, 2, NULL, &password.len);
  lua_settop(L, 2);
  nl_beginopenssl(L);
  EVP_PKEY *key = readkey(L, pem, len, &password, &problem);
  return key != NULL ? pushspki(L, key) : unfit(L, "x509.key", problem);
}

/* ---- pieces */

/* Into the guard: a name that OpenSSL knows, or numbers. NULL: it is neither. */
static ASN1_OBJECT *object (nl_guard *g, const char *text) {
  ASN1_OBJECT_free(g->ptr);
  return g->ptr = OBJ_txt2obj(text, 0);
}

/* Values go in as they are, valid or not, in the type that the attribute has by custom. */
static bool addentry (lua_State *L, X509_NAME *name, nl_guard *o) {
  size_t len;
  lua_rawgeti(L, -1, 1);
  lua_rawgeti(L, -2, 2);
  const char *attribute = luaL_checkstring(L, -2);
  const char *value = luaL_checklstring(L, -1, &len);
  int type = V_ASN1_UTF8STRING;
  if (strcmp(attribute, "C") == 0) type = V_ASN1_PRINTABLESTRING;
  if (strcmp(attribute, "emailAddress") == 0 || strcmp(attribute, "DC") == 0) type = V_ASN1_IA5STRING;
  bool fine = object(o, attribute) != NULL && len <= MAXINPUT &&
              X509_NAME_add_entry_by_OBJ(name, o->ptr, type, (const unsigned char *)value, (int)len, -1, 0) ==
                  1;
  lua_pop(L, 2);
  return fine;
}

/* The name in the field "subject": DER, or a list of {attribute, value}. NULL: that is no name. */
static X509_NAME *subjectof (lua_State *L) {
  size_t len;
  const char *der = textfield(L, "subject", &len);
  const unsigned char *p = (const unsigned char *)der;
  nl_guard *g = nl_newguard(L, drop_name);
  if (der != NULL) return g->ptr = d2i_X509_NAME(NULL, &p, (long)len);
  X509_NAME *name = hold(L, g, X509_NAME_new());
  nl_guard *o = nl_newguard(L, nl_dropobject);
  lua_getfield(L, SPEC, "subject");
  luaL_checktype(L, -1, LUA_TTABLE);
  lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, -1, i);
    if (!addentry(L, name, o)) return NULL;
    lua_pop(L, 1);
  }
  return name;
}

/* The {oid, critical, value} on top as an extension in the guard; NULL: that is no OID. */
static X509_EXTENSION *extension (lua_State *L, nl_guard *g, nl_guard *o, ASN1_OCTET_STRING *octets) {
  size_t len;
  lua_rawgeti(L, -1, 1);
  lua_rawgeti(L, -2, 2);
  lua_rawgeti(L, -3, 3);
  const char *value = luaL_checklstring(L, -1, &len);
  bool critical = lua_toboolean(L, -2);
  if (len > MAXINPUT || object(o, luaL_checkstring(L, -3)) == NULL) return NULL;
  nl_need(L, ASN1_OCTET_STRING_set(octets, (const unsigned char *)value, (int)len) == 1);
  X509_EXTENSION *made = X509_EXTENSION_create_by_OBJ(NULL, o->ptr, critical, octets);
  lua_pop(L, 3);
  return hold(L, g, made);
}

/* Those of the field "extensions", in a guard. NULL: one has no OID. */
static STACK_OF(X509_EXTENSION) * extensionsof(lua_State *L) {
  nl_guard *g = nl_newguard(L, drop_extensions);
  nl_guard *one = nl_newguard(L, drop_extension);
  nl_guard *o = nl_newguard(L, nl_dropobject);
  nl_guard *go = nl_newguard(L, drop_octets);
  ASN1_OCTET_STRING *octets = hold(L, go, ASN1_OCTET_STRING_new());
  STACK_OF(X509_EXTENSION) *list = hold(L, g, sk_X509_EXTENSION_new_null());
  lua_getfield(L, SPEC, "extensions");
  luaL_checktype(L, -1, LUA_TTABLE);
  lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, -1, i);
    X509_EXTENSION *e = extension(L, one, o, octets);
    if (e == NULL) return NULL;
    nl_need(L, sk_X509_EXTENSION_push(list, e) > 0);
    one->ptr = NULL;
    lua_pop(L, 1);
  }
  return list;
}

/* A number of any length, most significant byte first, in a guard. */
static ASN1_INTEGER *integer (lua_State *L, const char *bytes, size_t len) {
  nl_guard *g = nl_newguard(L, drop_integer);
  nl_guard *b = nl_newguard(L, drop_number);
  BIGNUM *number = hold(L, b, BN_bin2bn((const unsigned char *)bytes, (int)len, NULL));
  return hold(L, g, BN_to_ASN1_INTEGER(number, NULL));
}

/* A point in time in a guard; NULL: beyond the year 9999. */
static ASN1_TIME *timefield (lua_State *L, const char *name) {
  lua_Integer seconds = needinteger(L, name);
  nl_guard *g = nl_newguard(L, drop_time);
  ASN1_TIME *t = hold(L, g, ASN1_TIME_new());
  return ASN1_TIME_set(t, (time_t)seconds);
}

/* The field "issuer", a certificate, in a guard; `absent` where there is none. NULL: it is no certificate. */
static X509 *issuerof (lua_State *L, X509 *absent) {
  size_t len;
  const char *der = textfield(L, "issuer", &len);
  const unsigned char *p = (const unsigned char *)der;
  nl_guard *g = nl_newguard(L, nl_dropx509);
  if (der == NULL) return absent;
  return g->ptr = d2i_X509(NULL, &p, (long)len);
}

/* What an i2d function wrote, which is the guard's from now on. */
static int pushder (lua_State *L, nl_guard *g, unsigned char *der, int n) {
  g->ptr = der;
  nl_need(L, n > 0);
  lua_pushlstring(L, (const char *)der, (size_t)n);
  return 1;
}

/* ---- certificates */

/* Number, times, subject and public key: what is wrong with them, or NULL. */
static const char *fill (lua_State *L, X509 *x) {
  size_t len, size;
  const char *serial = needtext(L, "serial", &len);
  const char *spki = needtext(L, "spki", &size);
  EVP_PKEY *key = publickey(L, spki, size);
  if (key == NULL) return "the public key cannot be used";
  const X509_NAME *subject = subjectof(L);
  if (subject == NULL) return "the subject has an attribute that OpenSSL does not know";
  const ASN1_TIME *from = timefield(L, "not_before");
  const ASN1_TIME *to = timefield(L, "not_after");
  if (from == NULL || to == NULL) return "a time is outside of the years 0 to 9999";
  nl_need(L, X509_set_version(x, X509_VERSION_3) == 1);
  nl_need(L, X509_set_serialNumber(x, integer(L, serial, len)) == 1);
  nl_need(L, X509_set1_notBefore(x, from) == 1 && X509_set1_notAfter(x, to) == 1);
  if (X509_set_subject_name(x, subject) != 1) return NOTEXT;
  nl_need(L, X509_set_pubkey(x, key) == 1);
  const STACK_OF(X509_EXTENSION) *extensions = extensionsof(L);
  if (extensions == NULL) return "an extension has no valid object identifier";
  for (int i = 0; i < sk_X509_EXTENSION_num(extensions); i++) {
    nl_need(L, X509_add_ext(x, sk_X509_EXTENSION_value(extensions, i), -1) == 1);
  }
  return NULL;
}

/* certificate(spec) -> DER | nil, err. The fields: serial (bytes), not_before and not_after (epoch), subject,
 * spki, extensions, digest, issuer (DER of its certificate, or nil), signer (PEM), password. */
static int certify_certificate (lua_State *L) {
  static const char *const op = "x509.make";
  unsigned char *der = NULL;
  luaL_checktype(L, SPEC, LUA_TTABLE);
  lua_settop(L, SPEC);
  nl_beginopenssl(L);
  const EVP_MD *digest = digestfield(L);
  nl_guard *gx = nl_newguard(L, nl_dropx509);
  X509 *x = hold(L, gx, X509_new());
  const char *problem = fill(L, x);
  if (problem != NULL) return unfit(L, op, problem);
  EVP_PKEY *signer = signerof(L, &problem);
  if (signer == NULL) return unfit(L, op, problem);
  X509 *issuer = issuerof(L, x);
  if (issuer == NULL) return unfit(L, op, "the issuer is no certificate");
  if (X509_check_private_key(issuer, signer) != 1) {
    return unfit(L, op, "the private key does not fit the certificate of the issuer");
  }
  nl_need(L, X509_set_issuer_name(x, X509_get_subject_name(issuer)) == 1);
  if (X509_sign(x, signer, digestfor(signer, digest)) <= 0) {
    return unfit(L, op, "that key cannot sign with that digest");
  }
  nl_guard *bytes = nl_newguard(L, nl_dropbytes);
  int n = i2d_X509(x, &der);
  return pushder(L, bytes, der, n);
}

/* ---- requests */

/* request(spec) -> DER | nil, err. The fields: subject, extensions, digest, signer, password. */
static int certify_request (lua_State *L) {
  static const char *const op = "x509.request";
  unsigned char *der = NULL;
  const char *problem;
  luaL_checktype(L, SPEC, LUA_TTABLE);
  lua_settop(L, SPEC);
  nl_beginopenssl(L);
  const EVP_MD *digest = digestfield(L);
  nl_guard *gr = nl_newguard(L, drop_request);
  X509_REQ *request = hold(L, gr, X509_REQ_new());
  EVP_PKEY *signer = signerof(L, &problem);
  if (signer == NULL) return unfit(L, op, problem);
  const X509_NAME *subject = subjectof(L);
  if (subject == NULL) return unfit(L, op, "the subject has an attribute that OpenSSL does not know");
  const STACK_OF(X509_EXTENSION) *extensions = extensionsof(L);
  if (extensions == NULL) return unfit(L, op, "an extension has no valid object identifier");
  nl_need(L, X509_REQ_set_version(request, X509_REQ_VERSION_1) == 1);
  if (X509_REQ_set_subject_name(request, subject) != 1) return unfit(L, op, NOTEXT);
  nl_need(L, X509_REQ_set_pubkey(request, signer) == 1);
  if (sk_X509_EXTENSION_num(extensions) > 0) nl_need(L, X509_REQ_add_extensions(request, extensions) == 1);
  if (X509_REQ_sign(request, signer, digestfor(signer, digest)) <= 0) {
    return unfit(L, op, "that key cannot sign with that digest");
  }
  nl_guard *bytes = nl_newguard(L, nl_dropbytes);
  int n = i2d_X509_REQ(request, &der);
  return pushder(L, bytes, der, n);
}

static void pushnames (lua_State *L, X509_REQ *request) {
  nl_guard *g = nl_newguard(L, drop_extensions);
  const STACK_OF(X509_EXTENSION) *extensions = g->ptr = X509_REQ_get_extensions(request);
  int i = extensions != NULL ? X509v3_get_ext_by_NID(extensions, NID_subject_alt_name, -1) : -1;
  if (i < 0) {
    lua_pushnil(L);
    return;
  }
  const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(sk_X509_EXTENSION_value(extensions, i));
  lua_pushlstring(L, (const char *)ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
}

/* openrequest(pem) -> {subject = DER, spki = DER, names = DER of the SAN or nil} | nil, err: one whose
 * signature shows that the sender has the key */
static int certify_openrequest (lua_State *L) {
  static const char *const op = "x509.make";
  size_t len, n;
  const unsigned char *name = NULL;
  const char *pem = luaL_checklstring(L, 1, &len);
  lua_settop(L, 1);
  nl_beginopenssl(L);
  nl_guard *g = nl_newguard(L, drop_request);
  if (len > MAXINPUT) return unfit(L, op, "the request is too long");
  nl_guard *gb = nl_newguard(L, nl_dropbio);
  BIO *bio = hold(L, gb, BIO_new_mem_buf(pem, (int)len));
  secret none = {NULL, 0, false}; /* without it OpenSSL would ask on the terminal */
  X509_REQ *request = g->ptr = PEM_read_bio_X509_REQ(bio, NULL, onpassword, &none);
  if (request == NULL) return unfit(L, op, "there is no certificate request in PEM in it");
  EVP_PKEY *key = X509_REQ_get0_pubkey(request);
  if (key == NULL || X509_REQ_verify(request, key) != 1) {
    return unfit(L, op, "the signature of the request is not that of its key");
  }
  nl_need(L, X509_NAME_get0_der(X509_REQ_get_subject_name(request), &name, &n) == 1);
  lua_newtable(L);
  int table = lua_gettop(L);
  lua_pushlstring(L, (const char *)name, n);
  lua_setfield(L, table, "subject");
  (void)pushspki(L, key);
  lua_setfield(L, table, "spki");
  pushnames(L, request);
  lua_setfield(L, table, "names");
  lua_pushvalue(L, table);
  return 1;
}

/* ---- revocation lists */

/* Adds the numbers of the field "revoked", a list of bytes. */
static void addrevoked (lua_State *L, X509_CRL *crl, ASN1_TIME *since) {
  nl_guard *g = nl_newguard(L, drop_revoked);
  lua_getfield(L, SPEC, "revoked");
  luaL_checktype(L, -1, LUA_TTABLE);
  int list = lua_gettop(L);
  lua_Integer n = (lua_Integer)lua_rawlen(L, list);
  for (lua_Integer i = 1; i <= n; i++) {
    size_t len;
    lua_rawgeti(L, list, i);
    const char *serial = luaL_checklstring(L, -1, &len);
    X509_REVOKED *one = hold(L, g, X509_REVOKED_new());
    nl_need(L, X509_REVOKED_set_serialNumber(one, integer(L, serial, len)) == 1);
    nl_need(L, X509_REVOKED_set_revocationDate(one, since) == 1 && X509_CRL_add0_revoked(crl, one) == 1);
    g->ptr = NULL;
    lua_closeslot(L, list + 3);
    lua_closeslot(L, list + 2);
    lua_settop(L, list);
  }
  nl_need(L, X509_CRL_sort(crl) == 1);
}

/* Times and extensions: what is wrong with them, or NULL. */
static const char *fillcrl (lua_State *L, X509_CRL *crl) {
  ASN1_TIME *from = timefield(L, "not_before");
  ASN1_TIME *to = timefield(L, "not_after");
  if (from == NULL || to == NULL) return "a time is outside of the years 0 to 9999";
  nl_need(L, X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1);
  nl_need(L, X509_CRL_set1_lastUpdate(crl, from) == 1 && X509_CRL_set1_nextUpdate(crl, to) == 1);
  addrevoked(L, crl, from);
  const STACK_OF(X509_EXTENSION) *extensions = extensionsof(L);
  for (int i = 0; i < sk_X509_EXTENSION_num(extensions); i++) {
    nl_need(L, X509_CRL_add_ext(crl, sk_X509_EXTENSION_value(extensions, i), -1) == 1);
  }
  return NULL;
}

/* crl(spec) -> DER | nil, err. The fields: issuer (DER), signer, password, not_before, not_after, revoked
 * (list of numbers as bytes), extensions, digest. */
static int certify_crl (lua_State *L) {
  static const char *const op = "x509.make_crl";
  unsigned char *der = NULL;
  luaL_checktype(L, SPEC, LUA_TTABLE);
  lua_settop(L, SPEC);
  nl_beginopenssl(L);
  const EVP_MD *digest = digestfield(L);
  nl_guard *gc = nl_newguard(L, nl_dropcrl);
  X509_CRL *crl = hold(L, gc, X509_CRL_new());
  const char *problem = fillcrl(L, crl);
  if (problem != NULL) return unfit(L, op, problem);
  EVP_PKEY *signer = signerof(L, &problem);
  if (signer == NULL) return unfit(L, op, problem);
  X509 *issuer = issuerof(L, NULL);
  if (issuer == NULL) return unfit(L, op, "the issuer is no certificate");
  if (X509_check_private_key(issuer, signer) != 1) {
    return unfit(L, op, "the private key does not fit the certificate of the issuer");
  }
  nl_need(L, X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer)) == 1);
  if (X509_CRL_sign(crl, signer, digestfor(signer, digest)) <= 0) {
    return unfit(L, op, "that key cannot sign with that digest");
  }
  nl_guard *bytes = nl_newguard(L, nl_dropbytes);
  int n = i2d_X509_CRL(crl, &der);
  return pushder(L, bytes, der, n);
}

int luaopen_net_certify (lua_State *L) {
  static const luaL_Reg functions[] = {{"generate", certify_generate},
                                       {"public", certify_public},
                                       {"certificate", certify_certificate},
                                       {"request", certify_request},
                                       {"openrequest", certify_openrequest},
                                       {"crl", certify_crl},
                                       {NULL, NULL}};
  nl_loadlibraries(L);
  if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) != 1) {
    return luaL_error(L, "OpenSSL cannot be used");
  }
  luaL_newlib(L, functions);
  return 1;
}
