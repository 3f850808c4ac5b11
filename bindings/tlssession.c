/*
 * tlssession.c: TLS sessions before and after their handshake: what OpenSSL has to be told of a peer, and
 * what is known of it then. The bytes in between are those of tls.c.
 */
#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "netlua.h"

#define LONGESTEXPORT 1024
#define LONGESTHOST 255

static SSL_CTX *checkcontext (lua_State *L, int arg) {
  nl_owned *o = nl_check(L, arg, &nl_tlscontext_class);
  return o->ptr;
}

/* The session on top of a stream, or NULL. */
static nl_session *checksession (lua_State *L, int arg) {
  nl_stream *s = nl_check(L, arg, &nl_stream_class);
  bool is = s->handle.base.open && strcmp(s->layer->class->name, NL_TLS) == 0;
  return is ? (nl_session *)s->layer : NULL;
}

/* ---- what OpenSSL asks for during the handshake */

/* The first certificate that OpenSSL refuses is kept, for the error. */
static int onverify (int good, X509_STORE_CTX *context) {
  SSL *ssl = X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx());
  nl_session *t = ssl != NULL ? SSL_get_app_data(ssl) : NULL;
  if (t == NULL) return 0;
  if (good || t->verdict != X509_V_OK) return good;
  X509 *refused = X509_STORE_CTX_get_current_cert(context);
  STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(context);
  t->verdict = X509_STORE_CTX_get_error(context);
  t->depth = X509_STORE_CTX_get_error_depth(context);
  if (refused != NULL && X509_up_ref(refused) == 1) t->refused = refused;
  if (sent != NULL) t->sent = X509_chain_up_ref(sent);
  return 0;
}

/* The name in a ClientHello, RFC 6066, section 3: a list of one, whose type is a host's; or NULL. */
static const char *servername (SSL *ssl, size_t *len) {
  const unsigned char *data;
  size_t size;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size) != 1 || size < 5) return NULL;
  size_t list = (size_t)(data[0] << 8 | data[1]);
  *len = (size_t)(data[3] << 8 | data[4]);
  if (list != size - 2 || data[2] != TLSEXT_NAMETYPE_host_name || *len != size - 5) return NULL;
  bool text = *len > 0 && *len <= LONGESTHOST && memchr(data + 5, '\0', *len) == NULL;
  return text ? (const char *)data + 5 : NULL;
}

/* Leaves OpenSSL, so that Lua can say which context fits the name; goes on the second time. This comes before
 * sessions are resumed, so that one of another name is none of this one. */
static int onhello (SSL *ssl, int *alert, void *arg) {
  nl_session *t = SSL_get_app_data(ssl);
  size_t len;
  (void)arg;
  *alert = SSL_AD_UNRECOGNIZED_NAME;
  if (t->asked) return t->refuses ? SSL_CLIENT_HELLO_ERROR : SSL_CLIENT_HELLO_SUCCESS;
  t->asked = true;
  const char *name = servername(ssl, &len);
  t->host = name != NULL ? strndup(name, len) : NULL;
  return SSL_CLIENT_HELLO_RETRY;
}

/* ---- before */

/* Who is asked for, and whom the certificate has to be for. */
static bool sethost (SSL *ssl, const char *host) {
  nl_address a;
  const char *problem;
  const void *bytes;
  X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
  if (nl_parseaddress(host, strlen(host), 0, &a, &problem) && problem == NULL) {
    size_t len = nl_addressbytes(&a, &bytes);
    return X509_VERIFY_PARAM_set1_ip(param, bytes, len) == 1;
  }
  X509_VERIFY_PARAM_set_hostflags(param,
                                  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  return X509_VERIFY_PARAM_set1_host(param, host, strlen(host)) == 1 &&
         SSL_set_tlsext_host_name(ssl, host) == 1;
}

/* The record on top, {usage, selector, matching type, data}: 1, 0 where it cannot be used, -1. Of one without
 * data OpenSSL says that memory has run out. */
static int addrecord (lua_State *L, SSL *ssl) {
  uint8_t field[3];
  size_t len;
  for (int i = 0; i < 3; i++) {
    (void)lua_rawgeti(L, -1, i + 1);
    field[i] = (uint8_t)lua_tointeger(L, -1);
    lua_pop(L, 1);
  }
  (void)lua_rawgeti(L, -1, 4);
  const char *data = luaL_checklstring(L, -1, &len);
  const unsigned char *bytes = (const unsigned char *)data;
  int added = len > 0 ? SSL_dane_tlsa_add(ssl, field[0], field[1], field[2], bytes, len) : 0;
  lua_pop(L, 1);
  return added;
}

/* The records of the list at arg: how many can be used; -1: OpenSSL failed. */
static int setdane (lua_State *L, SSL *ssl, const char *host, int arg) {
  int usable = 0;
  if (SSL_CTX_dane_enable(SSL_get_SSL_CTX(ssl)) != 1 || SSL_dane_enable(ssl, host) != 1) return -1;
  (void)SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
  for (lua_Integer i = 1; lua_rawgeti(L, arg, i) == LUA_TTABLE; i++) {
    int added = addrecord(L, ssl);
    lua_pop(L, 1);
    if (added < 0) return -1;
    usable += added;
  }
  lua_pop(L, 1);
  return usable;
}

/* One of TLS 1.3 is used once: who watches must not see that two connections are of one client. Without one,
 * or where the server does not want it, there is a full handshake. */
static bool resume (SSL *ssl, nl_cache *cache, const char *key) {
  SSL_SESSION *session = nl_cachetake(cache, key);
  if (session == NULL) return true;
  int result = SSL_set_session(ssl, session);
  bool again = SSL_SESSION_get_protocol_version(session) < TLS1_3_VERSION;
  if (again) nl_cacheput(cache, key, session);
  else SSL_SESSION_free(session);
  return result == 1;
}

static bool setsession (lua_State *L, SSL *ssl, int arg) {
  const char *key = nl_fieldtext(L, arg, "key");
  if (key == NULL) return true;
  (void)lua_getfield(L, arg, "cache");
  nl_owned *o = nl_check(L, -1, &nl_cache_class);
  lua_pop(L, 1);
  return resume(ssl, o->ptr, key);
}

static void drop_ssl (void *ssl) {
  SSL_free(ssl);
}

/* What the peer has to show; verify is a field of options, which must be there. */
static int modeof (lua_State *L, int arg) {
  static const nl_word modes[] = {{"none", SSL_VERIFY_NONE},
                                  {"optional", SSL_VERIFY_PEER},
                                  {"required", SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT},
                                  {NULL, 0}};
  return nl_fieldword(L, arg, "verify", modes, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT);
}

static bool setalpn (lua_State *L, SSL *ssl, int arg) {
  size_t len;
  if (lua_getfield(L, arg, "alpn") != LUA_TSTRING) return lua_pop(L, 1), true;
  const char *list = lua_tolstring(L, -1, &len);
  int result = SSL_set_alpn_protos(ssl, (const unsigned char *)list, (unsigned)len);
  lua_pop(L, 1);
  return result == 0;
}

/* All that is said of the session; false: OpenSSL failed. */
static bool configure (lua_State *L, SSL *ssl, int arg) {
  const char *host = nl_fieldtext(L, arg, "host");
  bool ocsp = nl_fieldbool(L, arg, "ocsp", false);
  if (nl_fieldbool(L, arg, "server", false)) {
    SSL_set_accept_state(ssl);
    SSL_CTX_set_client_hello_cb(SSL_get_SSL_CTX(ssl), onhello, NULL);
  } else {
    SSL_set_connect_state(ssl);
    if (SSL_set_session_id_context(ssl, NULL, 0) != 1) return false; /* it would have to be that of a psk */
  }
  SSL_set_verify(ssl, modeof(L, arg), onverify);
  return (host == NULL || sethost(ssl, host)) && setalpn(L, ssl, arg) && setsession(L, ssl, arg) &&
         (!ocsp || SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp) == 1);
}

static const char *const options[] = {"server", "host",  "verify", "alpn", "ocsp",
                                      "dane",   "cache", "key",    NULL};

/* prepare(context, options) -> session, for tls.begin | nil, err */
static int tlssession_prepare (lua_State *L) {
  SSL_CTX *context = checkcontext(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  nl_checkoptions(L, 2, options);
  lua_settop(L, 2);
  bool dane = lua_getfield(L, 2, "dane") == LUA_TTABLE; /* at 3 */
  nl_owned *o = nl_new(L, &nl_tlssession_class, sizeof *o);
  ERR_clear_error();
  o->drop = drop_ssl;
  o->base.open = true;
  o->ptr = SSL_new(context);
  if (o->ptr == NULL || !configure(L, o->ptr, 2)) return nl_errno(L, "handshake", ENOMEM);
  int usable = dane ? setdane(L, o->ptr, nl_fieldtext(L, 2, "host"), 3) : 1;
  if (usable < 0) return nl_errno(L, "handshake", ENOMEM);
  return usable > 0 ? 1 : nl_fail(L, "handshake", "TLS_CONFIG", "none of the TLSA records can be used");
}

/* The rules of a context in the place of those that were: by itself OpenSSL would add them up. */
static bool setrules (SSL *ssl, SSL_CTX *context) {
  X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
  uint32_t usual = X509_VERIFY_PARAM_get_inh_flags(param);
  bool fine = X509_VERIFY_PARAM_set_inh_flags(param, X509_VP_FLAG_OVERWRITE | X509_VP_FLAG_RESET_FLAGS) ==
                  1 &&
              X509_VERIFY_PARAM_set1(param, SSL_CTX_get0_param(context)) == 1;
  return X509_VERIFY_PARAM_set_inh_flags(param, usual) == 1 && fine;
}

typedef int security (const SSL *, const SSL_CTX *, int, int, int, void *, void *);

/* The groups stay those of the context before, and so does what says how large they may be. */
static bool setcontext (SSL *ssl, SSL_CTX *context) {
  security *groups = SSL_get_security_callback(ssl);
  void *usual = SSL_get0_security_ex_data(ssl);
  if (SSL_set_SSL_CTX(ssl, context) == NULL) return false;
  SSL_set_security_callback(ssl, groups);
  SSL_set0_security_ex_data(ssl, usual);
  return true;
}

/* choose(s, context, options) -> true | nil, err: what a server is from now on, for the name it was asked
 * for */
static int tlssession_choose (lua_State *L) {
  nl_session *t = checksession(L, 1);
  SSL_CTX *context = checkcontext(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  nl_checkoptions(L, 3, options);
  int mode = modeof(L, 3);
  if (t == NULL) return nl_closed(L, "handshake");
  SSL *ssl = t->ssl;
  bool fine = setcontext(ssl, context) && setrules(ssl, context) &&
              SSL_set_min_proto_version(ssl, SSL_CTX_get_min_proto_version(context)) == 1 &&
              SSL_set_max_proto_version(ssl, SSL_CTX_get_max_proto_version(context)) == 1;
  if (!fine) return nl_errno(L, "handshake", ENOMEM);
  SSL_set_verify(ssl, mode, onverify);
  t->verify = mode != SSL_VERIFY_NONE;
  lua_pushboolean(L, 1);
  return 1;
}

/* refuse(s): the client asked for a name that is not served; the handshake goes on to say so, RFC 6066 */
static int tlssession_refuse (lua_State *L) {
  nl_session *t = checksession(L, 1);
  if (t != NULL) t->refuses = true;
  return 0;
}

static void drop_session (void *session) {
  SSL_SESSION_free(session);
}

/* cache() -> cache of sessions to resume */
static int tlssession_cache (lua_State *L) {
  nl_owned *o = nl_new(L, &nl_cache_class, sizeof *o);
  o->ptr = nl_newcache(drop_session);
  if (o->ptr == NULL) return luaL_error(L, "not enough memory");
  o->base.open = true;
  return 1;
}

/* ---- after */

static void settext (lua_State *L, const char *name, const char *text) {
  if (text == NULL) return;
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

static void setbytes (lua_State *L, const char *name, const unsigned char *data, size_t len) {
  if (data == NULL || len == 0) return;
  lua_pushlstring(L, (const char *)data, len);
  lua_setfield(L, -2, name);
}

static void setflag (lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

static void setnumber (lua_State *L, const char *name, lua_Integer value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

/* The certificate in DER; "" where memory is short. */
static void pushcertificate (lua_State *L, const X509 *x) {
  luaL_Buffer b;
  int len = i2d_X509(x, NULL);
  if (len < 0) len = 0;
  unsigned char *to = (unsigned char *)luaL_buffinitsize(L, &b, (size_t)len);
  if (len > 0 && i2d_X509(x, &to) != len) len = 0;
  luaL_pushresultsize(&b, (size_t)len);
}

static void setcertificate (lua_State *L, const char *name, const X509 *x) {
  if (x == NULL) return;
  pushcertificate(L, x);
  lua_setfield(L, -2, name);
}

/* A list of certificates, the leaf first: it may stand apart. */
static void setchain (lua_State *L, const char *name, const X509 *leaf, const STACK_OF(X509) * rest) {
  lua_Integer n = 0;
  if (leaf == NULL && rest == NULL) return;
  lua_newtable(L);
  if (leaf != NULL) {
    pushcertificate(L, leaf);
    lua_rawseti(L, -2, ++n);
  }
  for (int i = 0; i < sk_X509_num(rest); i++) {
    pushcertificate(L, sk_X509_value(rest, i));
    lua_rawseti(L, -2, ++n);
  }
  lua_setfield(L, -2, name);
}

/* refusal(s) -> {number, depth, chain, certificate} of a certificate that was not trusted | nil */
static int tlssession_refusal (lua_State *L) {
  const nl_session *t = checksession(L, 1);
  if (t == NULL || t->verdict == X509_V_OK) return nl_eof(L);
  luaL_checkstack(L, 8, NULL);
  lua_newtable(L);
  setnumber(L, "number", t->verdict);
  setnumber(L, "depth", t->depth);
  setchain(L, "chain", NULL, t->sent);
  setcertificate(L, "certificate", t->refused);
  return 1;
}

static void setdanefacts (lua_State *L, SSL *ssl) {
  uint8_t usage = 0, selector = 0, matching = 0;
  int depth = SSL_get0_dane_authority(ssl, NULL, NULL);
  if (depth < 0 || SSL_get0_dane_tlsa(ssl, &usage, &selector, &matching, NULL, NULL) < 0) return;
  lua_createtable(L, 0, 4);
  setnumber(L, "depth", depth);
  setnumber(L, "usage", usage);
  setnumber(L, "selector", selector);
  setnumber(L, "matching", matching);
  lua_setfield(L, -2, "dane");
}

/* The chain of a server's peer lacks the leaf, and a session of TLS 1.3 has no chain after its resumption. */
static void setpeer (lua_State *L, const nl_session *t) {
  SSL *ssl = t->ssl;
  STACK_OF(X509) *sent = SSL_get_peer_cert_chain(ssl);
  const unsigned char *staple = NULL;
  long len = t->server ? 0 : SSL_get_tlsext_status_ocsp_resp(ssl, &staple);
  setchain(L, "chain", t->server || sent == NULL ? SSL_get0_peer_certificate(ssl) : NULL, sent);
  if (t->verified) setchain(L, "trusted", NULL, SSL_get0_verified_chain(ssl));
  if (len > 0) setbytes(L, "staple", staple, (size_t)len);
}

/* facts(s) -> table | nil: there is no TLS, or no end of the handshake yet */
static int tlssession_facts (lua_State *L) {
  const nl_session *t = checksession(L, 1);
  const unsigned char *alpn = NULL;
  unsigned len = 0;
  if (t == NULL || !t->established) return nl_eof(L);
  SSL *ssl = t->ssl;
  const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
  luaL_checkstack(L, 8, NULL);
  lua_createtable(L, 0, 16);
  settext(L, "protocol", SSL_get_version(ssl));
  settext(L, "cipher", cipher != NULL ? SSL_CIPHER_standard_name(cipher) : NULL);
  settext(L, "group", SSL_group_to_name(ssl, (int)SSL_get_negotiated_group(ssl)));
  settext(L, "host", t->host);
  SSL_get0_alpn_selected(ssl, &alpn, &len);
  setbytes(L, "alpn", alpn, len);
  setflag(L, "resumed", SSL_session_reused(ssl) == 1 && !t->shared);
  setflag(L, "psk", t->shared);
  setflag(L, "verified", t->verified);
  setflag(L, "server", t->server);
  setnumber(L, "verdict", t->verdict);
  setpeer(L, t);
  setdanefacts(L, ssl);
  return 1;
}

/* export(s, label, length, [context]) -> bytes | nil, err: RFC 5705; RFC 8446, section 7.5 */
static int tlssession_export (lua_State *L) {
  size_t len, contextlen = 0;
  luaL_Buffer b;
  const nl_session *t = checksession(L, 1);
  const char *label = luaL_checklstring(L, 2, &len);
  size_t size = nl_checksize(L, 3, 1, LONGESTEXPORT);
  const char *context = lua_isnoneornil(L, 4) ? NULL : nl_checkbytes(L, 4, &contextlen);
  if (t == NULL || !t->established) return nl_fail(L, "export", "ENOTCONN", "no TLS on this stream");
  if (!t->bound) { /* RFC 9266, section 3 */
    return nl_fail(L, "export", "TLS_PROTOCOL",
                   "the session has no extended master secret: it could be shared");
  }
  unsigned char *to = (unsigned char *)luaL_buffinitsize(L, &b, size);
  int done = SSL_export_keying_material(t->ssl, to, size, label, len, (const unsigned char *)context,
                                        contextlen, context != NULL);
  luaL_pushresultsize(&b, size);
  return done == 1 ? 1 : nl_fail(L, "export", "TLS_PROTOCOL", "the session has no keying material to export");
}

/* endpoint(s) -> hash of the server's certificate | nil, err: RFC 5929, section 4 */
static int tlssession_endpoint (lua_State *L) {
  const nl_session *t = checksession(L, 1);
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned len = 0;
  int digest = NID_undef;
  X509 *x = NULL;
  if (t != NULL && t->established)
    x = t->server ? SSL_get_certificate(t->ssl) : SSL_get0_peer_certificate(t->ssl);
  if (x == NULL) return nl_fail(L, "export", "ENOTCONN", "no TLS on this stream, or no certificate");
  (void)X509_get_signature_info(x, &digest, NULL, NULL, NULL);
  if (digest == NID_md5 || digest == NID_sha1 || digest == NID_undef) digest = NID_sha256;
  const EVP_MD *md = EVP_get_digestbynid(digest);
  if (md == NULL || X509_digest(x, md, hash, &len) != 1) return nl_errno(L, "export", ENOMEM);
  lua_pushlstring(L, (const char *)hash, len);
  return 1;
}

/* asked(s) -> boolean: before TLS 1.3, whether the server wanted a certificate of ours */
static int tlssession_asked (lua_State *L) {
  const nl_session *t = checksession(L, 1);
  lua_pushboolean(L, t != NULL && !t->server && SSL_get0_peer_CA_list(t->ssl) != NULL);
  return 1;
}

int luaopen_net_tlssession (lua_State *L) {
  static const luaL_Reg functions[] = {{"prepare", tlssession_prepare},   {"choose", tlssession_choose},
                                       {"cache", tlssession_cache},       {"refusal", tlssession_refusal},
                                       {"facts", tlssession_facts},       {"export", tlssession_export},
                                       {"endpoint", tlssession_endpoint}, {"asked", tlssession_asked},
                                       {"refuse", tlssession_refuse},     {NULL, NULL}};
  nl_loadlibraries(L);
  if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) != 1) {
    return luaL_error(L, "OpenSSL does not start");
  }
  luaL_newlib(L, functions);
  return 1;
}
