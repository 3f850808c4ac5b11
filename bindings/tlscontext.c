/*
 * tlscontext.c: what TLS sessions have in common: whom to trust, who we are, which versions and ciphers.
 * lualib/net/tls.lua reads files and checks options; here they become an SSL_CTX. A setter of OpenSSL that
 * fails makes the whole context fail.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "netlua.h"

#define SECURITYLEVEL 2 /* 112 bits: no RSA below 2048, no SHA-1, see SSL_CTX_set_security_level(3) */
#define LONGESTKEY PSK_MAX_PSK_LEN
#define LARGESTFIELD 4096 /* bits of finite fields that keys are exchanged in: 20 ms for each end */

typedef struct sharedkey { /* with a peer that has it too */
  struct sharedkey *next;
  size_t len;
  unsigned char key[LONGESTKEY];
  char identity[]; /* NUL-terminated */
} sharedkey;

typedef struct settings { /* what the callbacks need; belongs to the context */
  unsigned char *alpn;    /* each with its length before it, RFC 7301 */
  unsigned alpnlen;
  unsigned char *staple;
  int staplelen;
  sharedkey *keys; /* of a client: one */
  int keylog;      /* descriptor, or -1 */
} settings;

typedef int callback (const SSL *, const SSL_CTX *, int, int, int, void *, void *);

static settings *settingsof (const SSL *ssl) {
  SSL_CTX *context = SSL_get_SSL_CTX(ssl);
  return context != NULL ? SSL_CTX_get_app_data(context) : NULL;
}

static void freekeys (sharedkey *k) {
  for (sharedkey *next; k != NULL; k = next) {
    next = k->next;
    OPENSSL_cleanse(k->key, sizeof k->key);
    free(k);
  }
}

/* Sessions may still refer to the context, but to nothing of ours. */
static void drop_context (void *ptr) {
  SSL_CTX *context = ptr;
  settings *s = SSL_CTX_get_app_data(context);
  (void)SSL_CTX_set_app_data(context, NULL);
  if (s != NULL) {
    free(s->alpn);
    free(s->staple);
    freekeys(s->keys);
    if (s->keylog >= 0) (void)close(s->keylog);
    free(s);
  }
  SSL_CTX_free(context);
}

/* ---- callbacks */

/* Ours come first; a client that has none of them is told so, RFC 7301, section 3.2. */
static int onalpn (SSL *ssl, const unsigned char **chosen, unsigned char *len, const unsigned char *offered,
                   unsigned offeredlen, void *arg) {
  const settings *s = settingsof(ssl);
  unsigned char *found = NULL;
  (void)arg;
  if (s == NULL || s->alpn == NULL) return SSL_TLSEXT_ERR_NOACK;
  if (SSL_select_next_proto(&found, len, s->alpn, s->alpnlen, offered, offeredlen) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

static int onstatus (SSL *ssl, void *arg) {
  const settings *s = settingsof(ssl);
  (void)arg;
  if (!SSL_is_server(ssl)) return 1; /* looked at after the handshake */
  if (s == NULL || s->staple == NULL) return SSL_TLSEXT_ERR_NOACK;
  unsigned char *copy = OPENSSL_memdup(s->staple, (size_t)s->staplelen);
  if (copy == NULL) return SSL_TLSEXT_ERR_NOACK;
  if (SSL_set_tlsext_status_ocsp_resp(ssl, copy, s->staplelen) == 1) return SSL_TLSEXT_ERR_OK;
  OPENSSL_free(copy);
  return SSL_TLSEXT_ERR_NOACK;
}

static unsigned copykey (const sharedkey *k, unsigned char *to, unsigned room) {
  if (k == NULL || k->len > room) return 0;
  memcpy(to, k->key, k->len);
  return (unsigned)k->len;
}

static unsigned onclientkey (SSL *ssl, const char *hint, char *identity, unsigned room, unsigned char *to,
                             unsigned keyroom) {
  const settings *s = settingsof(ssl);
  (void)hint;
  if (s == NULL || s->keys == NULL || strlen(s->keys->identity) >= room) return 0;
  memcpy(identity, s->keys->identity, strlen(s->keys->identity) + 1);
  return copykey(s->keys, to, keyroom);
}

static unsigned onserverkey (SSL *ssl, const char *identity, unsigned char *to, unsigned room) {
  const settings *s = settingsof(ssl);
  const sharedkey *k = s != NULL ? s->keys : NULL;
  while (k != NULL && strcmp(k->identity, identity) != 0) k = k->next;
  return copykey(k, to, room);
}

/* One call, so that lines of several processes do not mix. What cannot be written is no reason to fail. */
static void onkeylog (const SSL *ssl, const char *line) {
  const settings *s = settingsof(ssl);
  struct iovec v[] = {{(void *)(uintptr_t)line, strlen(line)}, {(char[]){'\n'}, 1}};
  if (s != NULL && s->keylog >= 0 && writev(s->keylog, v, 2) < 0) return;
}

/* Working out keys in a large field takes as long as hundreds of handshakes, no other task runs meanwhile,
 * and each client can ask for it. `usual` is what OpenSSL has to say otherwise. */
static int onsecurity (const SSL *ssl, const SSL_CTX *context, int what, int bits, int nid, void *about,
                       void *usual) {
  bool group = nid == NID_ffdhe6144 || nid == NID_ffdhe8192;
  bool large = what == SSL_SECOP_TMP_DH && about != NULL && EVP_PKEY_get_bits(about) > LARGESTFIELD;
  return !group && !large && ((callback *)(uintptr_t)usual)(ssl, context, what, bits, nid, about, NULL);
}

/* ---- making one: each step is 0, or 2 with nil, err pushed */

typedef struct maker {
  lua_State *L;
  SSL_CTX *context;
  settings *settings;
} maker;

/* What OpenSSL said of an option; `what` where it is said better. */
static int unusable (lua_State *L, const char *option, const char *what) {
  const char *reason = ERR_reason_error_string(ERR_peek_last_error());
  if (what == NULL) what = reason != NULL ? reason : "cannot be used";
  return nl_fail(L, "tls", "TLS_CONFIG", "option \"%s\": %s", option, what);
}

static int done (lua_State *L, const char *option, int result) {
  return result == 1 ? 0 : unusable(L, option, NULL);
}

/* The text of an option, or NULL; bytes may be anything. */
static const char *textof (lua_State *L, const char *option, size_t *len) {
  if (lua_getfield(L, 1, option) == LUA_TNIL) return lua_pop(L, 1), NULL;
  const char *text = luaL_checklstring(L, -1, len);
  lua_pop(L, 1);
  return text;
}

/* A BIO over the option's text, which a guard on the stack frees; NULL where the option is absent. */
static BIO *openoption (lua_State *L, const char *option) {
  size_t len;
  const char *text = textof(L, option, &len);
  if (text == NULL) return NULL;
  nl_guard *g = nl_newguard(L, nl_dropbio);
  g->ptr = BIO_new_mem_buf(text, len > INT32_MAX ? INT32_MAX : (int)len);
  nl_need(L, g->ptr != NULL);
  return g->ptr;
}

static int nopassword (char *to, int room, int writing, void *password) {
  size_t len = password != NULL ? strlen(password) : 0;
  (void)writing;
  if (len == 0 || len > (size_t)room) return -1;
  memcpy(to, password, len);
  return (int)len;
}

/* OpenSSL says only which rule it has, and not that security_level sets it. */
static const char *certificateproblem (void) {
  int reason = ERR_GET_REASON(ERR_peek_last_error());
  bool key = reason == SSL_R_EE_KEY_TOO_SMALL || reason == SSL_R_CA_KEY_TOO_SMALL;
  if (key) return "its key is too weak for the security_level";
  return reason == SSL_R_CA_MD_TOO_WEAK ? "its signature is too weak for the security_level" : NULL;
}

/* The end of the text is no error. */
static bool atend (void) {
  unsigned long error = ERR_peek_last_error();
  bool end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (end) ERR_clear_error();
  return end;
}

/* Calls add for each certificate of an option, which must have one. */
static int eachcertificate (const maker *m, const char *option, int (*add)(const maker *m, X509 *x, int n)) {
  lua_State *L = m->L;
  int n = 0, result = 1;
  BIO *bio = openoption(L, option);
  if (bio == NULL) return 0;
  nl_guard *g = nl_newguard(L, nl_dropx509);
  while ((g->ptr = PEM_read_bio_X509(bio, NULL, nopassword, NULL)) != NULL) {
    result = add(m, g->ptr, n++);
    X509_free(g->ptr);
    g->ptr = NULL;
    if (result != 1) return unusable(L, option, certificateproblem());
  }
  if (!atend()) return unusable(L, option, lua_pushfstring(L, "certificate %d in it is damaged", n + 1));
  return n > 0 ? 0 : unusable(L, option, "there is no certificate in it");
}

static int addtrusted (const maker *m, X509 *x, int n) {
  (void)n;
  return X509_STORE_add_cert(SSL_CTX_get_cert_store(m->context), x);
}

static int addclientca (const maker *m, X509 *x, int n) {
  return addtrusted(m, x, n) == 1 && SSL_CTX_add_client_CA(m->context, x) == 1;
}

/* Our own comes first, what leads from it to the root behind. */
static int addown (const maker *m, X509 *x, int n) {
  if (n == 0) return SSL_CTX_use_certificate(m->context, x);
  return SSL_CTX_add1_chain_cert(m->context, x) == 1 ? 1 : 0;
}

/* What is wrong with a key that cannot be read; OpenSSL calls most of it "unsupported". */
static const char *keyproblem (lua_State *L, bool password) {
  size_t len;
  const char *text = textof(L, "key", &len);
  if (strstr(text, "PRIVATE KEY-----") == NULL) return "there is no private key in it";
  if (strstr(text, "ENCRYPTED") == NULL) return "the private key in it is broken";
  return password ? "it cannot be read with that password"
                  : "it is encrypted, and the option \"password\" is missing";
}

static int setkey (const maker *m) {
  lua_State *L = m->L;
  const char *password = nl_fieldtext(L, 1, "password");
  BIO *bio = openoption(L, "key");
  if (bio == NULL) return 0;
  nl_guard *g = nl_newguard(L, nl_dropkey);
  g->ptr = PEM_read_bio_PrivateKey(bio, NULL, nopassword, (void *)(uintptr_t)password);
  if (g->ptr == NULL) return unusable(L, "key", keyproblem(L, password != NULL));
  if (SSL_CTX_use_PrivateKey(m->context, g->ptr) != 1 || SSL_CTX_check_private_key(m->context) != 1) {
    return unusable(L, "key", "it does not belong to the certificate");
  }
  return 0;
}

static int setcrls (const maker *m) {
  lua_State *L = m->L;
  X509_STORE *store = SSL_CTX_get_cert_store(m->context);
  unsigned long all = nl_fieldbool(L, 1, "crl_all", false) ? X509_V_FLAG_CRL_CHECK_ALL : 0;
  BIO *bio = openoption(L, "crl");
  int n = 0;
  if (bio == NULL) return 0;
  nl_guard *g = nl_newguard(L, nl_dropcrl);
  while ((g->ptr = PEM_read_bio_X509_CRL(bio, NULL, nopassword, NULL)) != NULL) {
    if (nl_isdelta(g->ptr)) return unusable(L, "crl", "it is a delta: the whole list is needed");
    int result = X509_STORE_add_crl(store, g->ptr);
    X509_CRL_free(g->ptr);
    g->ptr = NULL;
    if (result != 1) return unusable(L, "crl", NULL);
    n++;
  }
  if (!atend()) return unusable(L, "crl", NULL);
  if (n == 0) return unusable(L, "crl", "there is no list of revoked certificates in it");
  return done(L, "crl", X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | all));
}

/* ---- whom to trust */

static bool hashed (const char *name) {
  for (int i = 0; i < 8; i++) {
    if (!isxdigit((unsigned char)name[i])) return false;
  }
  return name[8] == '.' && isdigit((unsigned char)name[9]);
}

/* Whether certificates are found there by the hash of their names: one at a time, when it is needed. */
static bool hasindex (const char *path) {
  DIR *dir = opendir(path);
  bool found = false;
  if (dir == NULL) return false;
  for (const struct dirent *e; !found && (e = readdir(dir)) != NULL;) found = hashed(e->d_name);
  (void)closedir(dir);
  return found;
}

static const char *environment (lua_State *L, const char *name) {
  bool ignored = lua_getfield(L, LUA_REGISTRYINDEX, "LUA_NOENV") != LUA_TNIL && lua_toboolean(L, -1);
  lua_pop(L, 1);
  const char *value = ignored ? NULL : secure_getenv(name);
  return value != NULL && value[0] != '\0' ? value : NULL;
}

/* As OpenSSL has it: the variables replace the file and the folder of the system. The system's file is read
 * only where its folder has no index: that takes as long as a hundred handshakes. NULL: there is none. */
static const char *systemfile (lua_State *L, const char *dir) {
  const char *file = environment(L, X509_get_default_cert_file_env());
  if (file != NULL) return file;
  return hasindex(dir) ? NULL : X509_get_default_cert_file();
}

static const char *systemdir (lua_State *L) {
  const char *dir = environment(L, X509_get_default_cert_dir_env());
  return dir != NULL ? dir : X509_get_default_cert_dir();
}

static int trustsystem (const maker *m) {
  X509_STORE *store = SSL_CTX_get_cert_store(m->context);
  const char *dir = systemdir(m->L), *file = systemfile(m->L, dir);
  bool own = environment(m->L, X509_get_default_cert_file_env()) != NULL;
  if (X509_STORE_load_path(store, dir) != 1) return unusable(m->L, "capath", NULL);
  if (file != NULL && X509_STORE_load_file(store, file) != 1 && own) {
    return nl_fail(m->L, "tls", "TLS_CONFIG", "SSL_CERT_FILE: no certificates in %s", file);
  }
  ERR_clear_error(); /* a system without a file trusts nobody, and says so when it matters */
  return 0;
}

static int settrust (const maker *m) {
  lua_State *L = m->L;
  X509_STORE *store = SSL_CTX_get_cert_store(m->context);
  const char *file = nl_fieldtext(L, 1, "cafile"), *dir = nl_fieldtext(L, 1, "capath");
  if (nl_fieldbool(L, 1, "system", false)) return trustsystem(m);
  if (file != NULL && X509_STORE_load_file(store, file) != 1) {
    const char *why = access(file, R_OK) < 0 ? strerror(errno) : "no certificates in it";
    return nl_fail(L, "tls", "TLS_CONFIG", "option \"cafile\": %s: %s", file, why);
  }
  if (dir != NULL && strchr(dir, ':') == NULL && access(dir, R_OK | X_OK) < 0) {
    return nl_fail(L, "tls", "TLS_CONFIG", "option \"capath\": %s: %s", dir, strerror(errno));
  }
  if (dir != NULL && X509_STORE_load_path(store, dir) != 1) return unusable(L, "capath", NULL);
  return eachcertificate(m, "ca", addtrusted);
}

static int setverification (const maker *m) {
  lua_State *L = m->L;
  X509_VERIFY_PARAM *param = SSL_CTX_get0_param(m->context);
  lua_Integer time = nl_fieldint(L, 1, "verify_time", 0, INT64_MAX, -1);
  lua_Integer depth = nl_fieldint(L, 1, "depth", 0, 100, -1);
  if (time >= 0) X509_VERIFY_PARAM_set_time(param, (time_t)time);
  if (depth >= 0) X509_VERIFY_PARAM_set_depth(param, (int)depth);
  if (nl_fieldbool(L, 1, "partial_chain", false) &&
      X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN) != 1) {
    return unusable(L, "partial_chain", NULL);
  }
  return 0;
}

/* ---- what is spoken */

static int setversions (const maker *m) {
  static const nl_word versions[] = {{"TLSv1", TLS1_VERSION},
                                     {"TLSv1.1", TLS1_1_VERSION},
                                     {"TLSv1.2", TLS1_2_VERSION},
                                     {"TLSv1.3", TLS1_3_VERSION},
                                     {NULL, 0}};
  lua_State *L = m->L;
  int min = nl_fieldword(L, 1, "min", versions, TLS1_2_VERSION);
  int max = nl_fieldword(L, 1, "max", versions, TLS1_3_VERSION);
  if (min > max) return unusable(L, "max", "it is older than \"min\"");
  SSL_CTX_set_security_level(m->context, (int)nl_fieldint(L, 1, "security_level", 0, 5, SECURITYLEVEL));
  if (SSL_CTX_set_min_proto_version(m->context, min) != 1) return unusable(L, "min", NULL);
  return done(L, "max", SSL_CTX_set_max_proto_version(m->context, max) == 1);
}

static int setciphers (const maker *m) {
  lua_State *L = m->L;
  const char *ciphers = nl_fieldtext(L, 1, "ciphers"), *suites = nl_fieldtext(L, 1, "ciphersuites");
  const char *groups = nl_fieldtext(L, 1, "groups");
  if (ciphers != NULL && SSL_CTX_set_cipher_list(m->context, ciphers) != 1)
    return unusable(L, "ciphers", NULL);
  if (suites != NULL && SSL_CTX_set_ciphersuites(m->context, suites) != 1) {
    return unusable(L, "ciphersuites", "there is none of TLS 1.3 in it");
  }
  if (groups != NULL && SSL_CTX_set1_groups_list(m->context, groups) != 1) {
    return unusable(L, "groups", "one is unknown, or there twice");
  }
  if (groups != NULL && (strstr(groups, "ffdhe6144") != NULL || strstr(groups, "ffdhe8192") != NULL))
    return 0;
  callback *usual = SSL_CTX_get_security_callback(m->context);
  SSL_CTX_set0_security_ex_data(m->context, (void *)(uintptr_t)usual);
  SSL_CTX_set_security_callback(m->context, onsecurity);
  return 0;
}

static unsigned char *copyof (const char *bytes, size_t len) {
  unsigned char *copy = malloc(len > 0 ? len : 1);
  if (copy != NULL) memcpy(copy, bytes, len);
  return copy;
}

static int setalpn (const maker *m) {
  size_t len;
  const char *list = textof(m->L, "alpn", &len);
  if (list == NULL) return 0;
  m->settings->alpn = copyof(list, len);
  if (m->settings->alpn == NULL) return nl_errno(m->L, "tls", ENOMEM);
  m->settings->alpnlen = (unsigned)len;
  SSL_CTX_set_alpn_select_cb(m->context, onalpn, NULL);
  return SSL_CTX_set_alpn_protos(m->context, m->settings->alpn, m->settings->alpnlen) == 0
             ? 0
             : unusable(m->L, "alpn", NULL);
}

static int setstaple (const maker *m) {
  size_t len;
  const char *staple = textof(m->L, "staple", &len);
  (void)SSL_CTX_set_tlsext_status_cb(m->context, onstatus);
  if (staple == NULL) return 0;
  m->settings->staple = copyof(staple, len);
  m->settings->staplelen = (int)len;
  return m->settings->staple != NULL ? 0 : nl_errno(m->L, "tls", ENOMEM);
}

/* psk: a list of {identity, key} */
static int setkeys (const maker *m) {
  lua_State *L = m->L;
  if (lua_getfield(L, 1, "psk") != LUA_TTABLE) return lua_pop(L, 1), 0;
  for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TTABLE; i++) {
    size_t len, keylen;
    (void)lua_rawgeti(L, -1, 1);
    (void)lua_rawgeti(L, -2, 2);
    const char *identity = luaL_checklstring(L, -2, &len), *key = luaL_checklstring(L, -1, &keylen);
    sharedkey *k = keylen <= LONGESTKEY ? malloc(sizeof *k + len + 1) : NULL;
    if (k == NULL) return nl_errno(L, "tls", ENOMEM);
    memcpy(k->identity, identity, len + 1);
    memcpy(k->key, key, keylen);
    k->len = keylen;
    k->next = m->settings->keys;
    m->settings->keys = k;
    lua_pop(L, 3);
  }
  lua_pop(L, 2);
  SSL_CTX_set_psk_client_callback(m->context, onclientkey);
  SSL_CTX_set_psk_server_callback(m->context, onserverkey);
  return 0;
}

static int setkeylog (const maker *m) {
  const char *path = nl_fieldtext(m->L, 1, "keylog");
  if (path == NULL) return 0;
  int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK; /* it may be a pipe */
  m->settings->keylog = open(path, flags, 0600);
  if (m->settings->keylog < 0) return nl_errno(m->L, "keylog", errno);
  SSL_CTX_set_keylog_callback(m->context, onkeylog);
  return 0;
}

/* Tickets are those of this context; a session that another context made for another name is none of it.
 * With TLS 1.3 a session and a key that both know cannot be told apart once they were accepted: where there
 * are keys there are no sessions, or whoever came without one would have it the next time. */
static int setsessions (const maker *m) {
  unsigned char id[16];
  bool kept = nl_fieldbool(m->L, 1, "session", true) && m->settings->keys == NULL;
  (void)SSL_CTX_set_session_cache_mode(m->context, kept ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL
                                                        : SSL_SESS_CACHE_OFF);
  if (!kept) (void)SSL_CTX_set_options(m->context, SSL_OP_NO_TICKET);
  if (!kept && SSL_CTX_set_num_tickets(m->context, 0) != 1) return unusable(m->L, "session", NULL);
  if (RAND_bytes(id, sizeof id) != 1) return unusable(m->L, "session", NULL);
  return done(m->L, "session", SSL_CTX_set_session_id_context(m->context, id, sizeof id));
}

static void setdefaults (SSL_CTX *context) {
  (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1); /* a record with one system call */
  (void)SSL_CTX_set_dh_auto(context, 1);
}

static int make (const maker *m) {
  static int (*const steps[])(const maker *m) = {setversions, setciphers, settrust,  setverification,
                                                 setcrls,     setalpn,    setstaple, setkeys,
                                                 setkeylog,   setsessions};
  setdefaults(m->context);
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    int bad = steps[i](m);
    if (bad != 0) return bad;
  }
  int bad = eachcertificate(m, "client_ca", addclientca);
  if (bad == 0) bad = eachcertificate(m, "cert", addown);
  return bad != 0 ? bad : setkey(m);
}

static const char *const options[] = {
    "ca",      "cafile", "capath", "system", "cert",    "key",          "password",      "client_ca",
    "ciphers", "min",    "max",    "groups", "alpn",    "ciphersuites", "verify_time",   "session",
    "keylog",  "psk",    "crl",    "depth",  "crl_all", "staple",       "partial_chain", "security_level",
    NULL};

/* context(options) -> context | nil, err */
static int tlscontext_context (lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  nl_checkoptions(L, 1, options);
  lua_settop(L, 1);
  ERR_clear_error();
  nl_owned *o = nl_new(L, &nl_tlscontext_class, sizeof *o);
  settings *s = calloc(1, sizeof *s);
  SSL_CTX *context = SSL_CTX_new(TLS_method());
  if (s == NULL || context == NULL || SSL_CTX_set_app_data(context, s) != 1) {
    free(s);
    SSL_CTX_free(context);
    return nl_errno(L, "tls", ENOMEM);
  }
  s->keylog = -1;
  o->ptr = context;
  o->drop = drop_context;
  o->base.open = true;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  int bad = make(&(maker){L, context, s});
  if (bad != 0) return bad;
  lua_pushvalue(L, 2);
  return 1;
}

static void drop_scratch (void *context) {
  SSL_CTX_free(context);
}

/* OpenSSL takes any cipher for one of TLS 1.3, and leaves those of other versions out later. */
static int onesuite (SSL_CTX *context, const char *word) {
  if (SSL_CTX_set_ciphersuites(context, word) != 1) return 0;
  const SSL_CIPHER *first = sk_SSL_CIPHER_value(SSL_CTX_get_ciphers(context), 0);
  return first != NULL && strcmp(SSL_CIPHER_standard_name(first), word) == 0 &&
         strcmp(SSL_CIPHER_get_version(first), "TLSv1.3") == 0;
}

static int onegroup (SSL_CTX *context, const char *word) {
  return SSL_CTX_set1_groups_list(context, word) == 1;
}

/* The rules of Suite B would stay for the words that follow. */
static int onecipher (SSL_CTX *context, const char *word) {
  (void)SSL_CTX_clear_cert_flags(context, SSL_CERT_FLAG_SUITEB_128_LOS);
  return SSL_CTX_set_cipher_list(context, word);
}

/* unknown(option, {word, ...}) -> the first that alone stands for nothing: in lists OpenSSL passes over it |
 * nil */
static int tlscontext_unknown (lua_State *L) {
  static const char *const names[] = {"ciphers", "ciphersuites", "groups", NULL};
  static int (*const ask[])(SSL_CTX * context, const char *word) = {onecipher, onesuite, onegroup};
  int option = luaL_checkoption(L, 1, NULL, names);
  luaL_checktype(L, 2, LUA_TTABLE);
  nl_beginopenssl(L);
  nl_guard *g = nl_newguard(L, drop_scratch);
  nl_need(L, (g->ptr = SSL_CTX_new(TLS_method())) != NULL);
  for (lua_Integer i = 1; lua_rawgeti(L, 2, i) == LUA_TSTRING; i++) {
    bool known = ask[option](g->ptr, lua_tostring(L, -1)) == 1;
    nl_need(L, known || ERR_GET_REASON(ERR_peek_error()) != ERR_R_MALLOC_FAILURE);
    if (!known) return 1;
    lua_pop(L, 1);
  }
  return nl_eof(L);
}

/* systemtrust() -> folder, file of the certificates that are trusted by default; nil: not needed, or none */
static int tlscontext_systemtrust (lua_State *L) {
  const char *dir = systemdir(L), *file = systemfile(L, dir);
  lua_pushstring(L, access(dir, R_OK | X_OK) == 0 ? dir : NULL);
  lua_pushstring(L, file != NULL && access(file, R_OK) == 0 ? file : NULL);
  return 2;
}

/* environment(name) -> its value, where variables are heeded | nil */
static int tlscontext_environment (lua_State *L) {
  lua_pushstring(L, environment(L, nl_checktext(L, 1)));
  return 1;
}

/* version() -> of OpenSSL, as it was loaded */
static int tlscontext_version (lua_State *L) {
  lua_pushstring(L, OpenSSL_version(OPENSSL_VERSION_STRING));
  return 1;
}

int luaopen_net_tlscontext (lua_State *L) {
  static const luaL_Reg functions[] = {
      {"context", tlscontext_context},         {"unknown", tlscontext_unknown},
      {"systemtrust", tlscontext_systemtrust}, {"environment", tlscontext_environment},
      {"version", tlscontext_version},         {NULL, NULL}};
  nl_loadlibraries(L);
  if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) != 1) {
    return luaL_error(L, "OpenSSL does not start");
  }
  luaL_newlib(L, functions);
  return 1;
}
