/*
 * tls.c: TLS as a layer of streams. OpenSSL reads and writes through the layer below, whatever that is, and
 * never waits: what it writes and the layer below does not take is kept and sent before anything else. Who
 * the peer is gets decided in one function, judge. Contexts are made in tlscontext.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "netlua.h"

#define RECORD ((size_t)16384)        /* most bytes of one record, RFC 8446, section 5.1 */
#define LARGEST_OUT ((size_t)1 << 20) /* bytes kept for a peer that makes us write and does not read */
#define GREED ((size_t)4096)          /* bytes taken below for one call beyond what it asked for */
#define BEGINNING 32                  /* bytes kept of what the peer said first */
#define NAMEFLAGS (X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT)

/* ---- the layer */

enum failure { FINE, TRUNCATED, BROKEN, UNTRUSTED };

typedef struct tls {
  nl_session base; /* first */
  BIO_METHOD *method;
  nl_stream *stream;
  lua_State *main;           /* for the runtime's buffers */
  nl_buffer out;             /* written by OpenSSL, not taken below yet */
  unsigned char address[16]; /* of the host, where it is one */
  size_t addresslen;         /* 0, 4 or 16 */
  nl_cache *cache;           /* where sessions of this peer go to, or NULL */
  char *key;                 /* under this key */
  SSL_SESSION *fresh;        /* came before the peer was trusted */
  int number;                /* an errno of the layer below that ended it */
  int lost;                  /* one of writing during the handshake: what the peer said before comes first */
  unsigned long reason;      /* of OpenSSL, where it is BROKEN; before that, what it said last in this call */
  size_t budget;             /* bytes that this call may still take below */
  unsigned char beginning[BEGINNING];
  unsigned char nbeginning;
  unsigned char failure; /* enum failure */
  bool psk;              /* a key that both know may stand for a certificate */
  bool dry;              /* the layer below has no more, for this call */
  bool more;             /* read took more than it gave */
  bool belowended;       /* the end of the layer below */
  bool ended;            /* the peer said that it sends no more */
  bool parted;           /* and so did we */
} tls;

/* ---- what OpenSSL reads from and writes to */

static bool keep (tls *t, const char *data, size_t len) {
  if (len == 0) return true;
  errno = t->out.tail - t->out.head + len > LARGEST_OUT ? ENOBUFS : ENOMEM;
  if (errno == ENOBUFS || !nl_reserve(t->main, &t->out, len)) return false;
  memcpy(t->out.data + t->out.tail, data, len);
  t->out.tail += len;
  return true;
}

static ssize_t passon (tls *t, const char *data, size_t len) {
  nl_layer *below = t->base.layer.below;
  struct iovec v = {(void *)(uintptr_t)data, len};
  ssize_t n = below->class->write(below, t->stream, &v, 1);
  return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : n;
}

/* What was kept goes first. 0: all of it has left; -1 with errno. */
static int tls_flush (nl_layer *l, nl_stream *s) {
  tls *t = (tls *)l;
  nl_layer *below = l->below;
  while (t->out.head < t->out.tail) {
    ssize_t n = passon(t, t->out.data + t->out.head, t->out.tail - t->out.head);
    if (n < 0) return -1;
    nl_consume(t->main, &t->out, (size_t)n);
    if (n > 0) continue;
    errno = EAGAIN;
    return -1;
  }
  return below->class->flush != NULL ? below->class->flush(below, s) : 0;
}

/* OpenSSL's queue of errors is that of all layers: one below clears what this one has to say. */
static void note (tls *t) {
  unsigned long error = ERR_peek_last_error();
  if (error != 0 && t->failure == FINE) t->reason = error;
}

static int bio_write (BIO *b, const char *data, int len) {
  tls *t = BIO_get_data(b);
  ssize_t n = 0;
  note(t);
  BIO_clear_retry_flags(b);
  if (t->out.head == t->out.tail) n = passon(t, data, (size_t)len);
  if (n >= 0 && keep(t, data + n, (size_t)(len - n))) return len;
  if (!t->base.established && (errno == EPIPE || errno == ECONNRESET)) {
    t->lost = errno;
    return len;
  }
  t->number = errno;
  return -1;
}

static void remember (tls *t, const char *data, size_t len) {
  size_t room = BEGINNING - t->nbeginning;
  if (t->base.established || room == 0) return;
  if (len > room) len = room;
  memcpy(t->beginning + t->nbeginning, data, len);
  t->nbeginning = (unsigned char)(t->nbeginning + len);
}

/* A peer may send without end what OpenSSL answers without us: other tasks get their turn in between, and the
 * descriptor is still readable then. */
static void spend (tls *t, size_t n) {
  if (t->base.layer.below->class->holds != NULL) return;
  t->budget -= n < t->budget ? n : t->budget;
  if (t->budget == 0) t->dry = true;
}

static int bio_read (BIO *b, char *to, int room) {
  tls *t = BIO_get_data(b);
  nl_layer *below = t->base.layer.below;
  note(t);
  BIO_clear_retry_flags(b);
  ssize_t n = -1;
  errno = EAGAIN;
  if (!t->dry) n = below->class->read(below, t->stream, to, (size_t)room);
  int number = errno;
  bool held = below->class->holds != NULL && below->class->holds(below);
  if (n < room && !held) t->dry = true;
  if (n > 0) {
    remember(t, to, (size_t)n);
    spend(t, (size_t)n);
  }
  if (n == 0) t->belowended = true;
  if (n >= 0) return (int)n;
  if (number == EAGAIN || number == EINTR) BIO_set_retry_read(b);
  else t->number = number == EPIPE ? ECONNRESET : number;
  return -1;
}

static long bio_ctrl (BIO *b, int command, long number, void *ptr) {
  const tls *t = BIO_get_data(b);
  (void)number;
  (void)ptr;
  if (command == BIO_CTRL_EOF) return t->belowended;
  return command == BIO_CTRL_FLUSH;
}

/* ---- how OpenSSL answers */

static int give (int number) {
  errno = number;
  return -1;
}

/* Whether another task is about the handshake: nothing can be read or written yet. */
static bool shaking (const tls *t) {
  return t->failure == FINE && t->number == 0 && !t->base.established;
}

static void begincall (tls *t, size_t room) {
  ERR_clear_error();
  t->reason = 0;
  t->dry = false;
  t->budget = room + GREED;
}

/* Keeps why a call failed, for ever. -1 with errno; EAGAIN: it has not failed. */
static int failed (tls *t, int result) {
  int how = SSL_get_error(t->base.ssl, result); /* ZERO_RETURN: something failed after the peer's last word */
  if (how == SSL_ERROR_WANT_READ || how == SSL_ERROR_WANT_WRITE) return give(EAGAIN);
  if (how != SSL_ERROR_SSL && t->number != 0) return give(t->number);
  unsigned long said = nl_sslreason();
  if (said != 0) t->reason = said;
  bool cut = t->reason == 0 || ERR_GET_REASON(t->reason) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  bool refused = t->base.verify && !t->base.established && t->base.verdict != X509_V_OK;
  bool over = t->belowended || how == SSL_ERROR_ZERO_RETURN;
  t->failure = refused ? UNTRUSTED : cut && over ? TRUNCATED : BROKEN;
  return give(NL_ELAYER);
}

static ssize_t readsome (tls *t, char *to, size_t room) {
  size_t n = 0;
  ERR_clear_error();
  int result = SSL_read_ex(t->base.ssl, to, room, &n);
  if (result == 1) return (ssize_t)n;
  if (SSL_get_error(t->base.ssl, result) == SSL_ERROR_ZERO_RETURN) {
    t->ended = true;
    return 0;
  }
  return failed(t, result);
}

static ssize_t tls_read (nl_layer *l, nl_stream *s, void *to, size_t room) {
  tls *t = (tls *)l;
  size_t total = 0;
  t->more = false;
  if (t->ended) return 0;
  if (t->failure != FINE || shaking(t)) return give(NL_ELAYER);
  if (t->number != 0) return give(t->number);
  (void)tls_flush(l, s); /* where the peer made us write */
  begincall(t, room);
  while (total < room) {
    ssize_t n = readsome(t, (char *)to + total, room - total);
    if (n <= 0 && total == 0) return n;
    if (n <= 0) { /* the next call says it */
      t->more = n == 0 || errno != EAGAIN;
      return (ssize_t)total;
    }
    total += (size_t)n;
  }
  t->more = SSL_has_pending(t->base.ssl) == 1;
  return (ssize_t)total;
}

static bool tls_holds (nl_layer *l) {
  const tls *t = (tls *)l;
  bool ready = t->more || t->ended || t->failure != FINE; /* the answer of a read is known */
  return ready || (l->below->class->holds != NULL && l->below->class->holds(l->below));
}

static ssize_t writesome (tls *t, const void *data, size_t len) {
  size_t n = 0;
  ERR_clear_error();
  t->reason = 0;
  int result = SSL_write_ex(t->base.ssl, data, len, &n);
  return result == 1 ? (ssize_t)n : failed(t, result);
}

/* All of it, in as many records as it takes: the peer may have asked for small ones, RFC 6066, section 4. */
static bool writeall (tls *t, const char *data, size_t len) {
  ssize_t n = 0;
  for (size_t done = 0; done < len && n >= 0; done += n > 0 ? (size_t)n : 0) {
    n = writesome(t, data + done, len - done);
  }
  return n >= 0;
}

/* The next bytes for a record: from where they are, if one string has enough of them. */
static size_t gather (struct iovec *v, int n, int *at, size_t *offset, char *record, const char **data) {
  size_t len = 0;
  *data = (char *)v[*at].iov_base + *offset;
  if (v[*at].iov_len - *offset >= RECORD || *at == n - 1) {
    size_t left = v[*at].iov_len - *offset;
    len = left < RECORD ? left : RECORD;
    *offset = len < left ? *offset + len : 0;
    *at += len == left;
    return len;
  }
  *data = record;
  while (*at < n && len < RECORD) {
    size_t left = v[*at].iov_len - *offset, take = left < RECORD - len ? left : RECORD - len;
    memcpy(record + len, (char *)v[*at].iov_base + *offset, take);
    len += take;
    *offset += take;
    if (take == left) *offset = 0, (*at)++;
  }
  return len;
}

static ssize_t tls_write (nl_layer *l, nl_stream *s, struct iovec *v, int n) {
  tls *t = (tls *)l;
  char record[RECORD];
  const char *data;
  size_t total = 0, offset = 0;
  if (t->parted) return give(EPIPE);
  if (t->failure != FINE || shaking(t)) return give(NL_ELAYER);
  if (t->number != 0) return give(t->number);
  if (tls_flush(l, s) < 0) return -1;
  for (int at = 0; at < n && t->out.head == t->out.tail;) {
    size_t len = gather(v, n, &at, &offset, record, &data);
    if (!writeall(t, data, len)) return total > 0 ? (ssize_t)total : -1; /* the next call says it */
    total += len;
  }
  return (ssize_t)total;
}

/* Says that no more will be sent. The descriptor is left alone unless both directions end: the peer answers
 * through it. */
static int tls_shutdown (nl_layer *l, nl_stream *s, int how) {
  tls *t = (tls *)l;
  nl_layer *below = l->below;
  if (shaking(t)) return give(NL_ELAYER);
  if (how == SHUT_RD) return 0;
  if (t->failure != FINE || t->number != 0) return give(ENOTCONN);
  if (!t->parted) {
    ERR_clear_error();
    (void)SSL_shutdown(t->base.ssl); /* a failure is the layer's below, kept in number */
    t->parted = true;
  }
  if (t->number != 0) return give(t->number);
  if (how == SHUT_WR || tls_flush(l, s) < 0) return 0;
  return below->class->shutdown(below, s, how);
}

static void tls_free (void *self) {
  tls *t = self;
  SSL_free(t->base.ssl);
  BIO_meth_free(t->method);
  SSL_SESSION_free(t->fresh);
  X509_free(t->base.refused);
  sk_X509_pop_free(t->base.sent, X509_free);
  nl_cachedrop(t->cache);
  nl_discard(&t->out);
  free(t->base.host);
  free(t->key);
  free(t);
}

static void tls_release (nl_layer *l, nl_stream *s) {
  (void)s;
  tls_free(l);
}

/* ---- errors */

/* Which certificate it is about is known until the stream is closed, see tlssession.c. */
static int untrusted (lua_State *L, const tls *t, const char *op) {
  (void)nl_fail(L, op, "TLS_VERIFY", "%s", X509_verify_cert_error_string(t->base.verdict));
  lua_pushinteger(L, t->base.verdict);
  lua_setfield(L, -2, "number");
  return 2;
}

/* An alert of the peer is what it has to say; otherwise it is what OpenSSL made of its bytes. */
static int broken (lua_State *L, const tls *t, const char *op) {
  int number = ERR_GET_REASON(t->reason) - SSL_AD_REASON_OFFSET; /* of an alert; no other reason is near */
  bool alert = ERR_GET_LIB(t->reason) == ERR_LIB_SSL && number > 0 && number <= UINT8_MAX;
  const char *text = alert ? nl_pushalert(L, number) : ERR_reason_error_string(t->reason);
  const char *code = !t->base.established ? "TLS_HANDSHAKE" : alert ? "TLS_ALERT" : "TLS_PROTOCOL";
  if (text == NULL) text = "failure inside of OpenSSL";
  (void)nl_fail(L, op, code, alert ? "the peer refused: %s" : "%s", text);
  if (alert) lua_pushstring(L, text);
  else lua_pushlstring(L, (const char *)t->beginning, t->nbeginning);
  if (alert || !t->base.established) lua_setfield(L, -2, alert ? "alert" : "received");
  else lua_pop(L, 1);
  return 2;
}

static int tls_fail (lua_State *L, nl_layer *l, const char *op) {
  const tls *t = (const tls *)l;
  nl_layer *below = l->below;
  if (t->failure == UNTRUSTED) return untrusted(L, t, op);
  if (t->failure == BROKEN) return broken(L, t, op);
  if (shaking(t)) return nl_fail(L, op, "BUSY", "the handshake is not done");
  if (t->failure == FINE) return below->class->fail(L, below, op);
  if (t->base.established) return nl_fail(L, op, "TLS_TRUNCATED", NULL);
  return nl_fail(L, op, "TLS_HANDSHAKE", "the peer closed the connection during the handshake");
}

static const nl_layerclass tls_class = {NL_TLS,    tls_read,  tls_write, tls_shutdown,
                                        tls_flush, tls_holds, tls_fail,  tls_release};

/* The session on top of a stream, or NULL. */
static tls *tlsof (const nl_stream *s) {
  bool is = s->layer != NULL && s->layer->class == &tls_class;
  return is ? (tls *)s->layer : NULL;
}

/* ---- trust */

/* A usage of 3 names the key itself: the name in the certificate is of no account, RFC 7671, section 5.1. */
static bool pinned (const tls *t) {
  uint8_t usage = 0;
  if (SSL_get0_dane_authority(t->base.ssl, NULL, NULL) != 0) return false; /* the depth of what matched */
  return SSL_get0_dane_tlsa(t->base.ssl, &usage, NULL, NULL, NULL, NULL) == 0 && usage == 3;
}

/* Whether the certificate is for whom it has to be, asked anew: OpenSSL takes an empty list of names, which
 * it is left with when memory runs out, for no wish; and ".test" for a wish for any name below that. */
static long namefits (const tls *t, X509 *leaf) {
  if (t->addresslen > 0) {
    return X509_check_ip(leaf, t->address, t->addresslen, 0) == 1 ? X509_V_OK
                                                                  : X509_V_ERR_IP_ADDRESS_MISMATCH;
  }
  bool name = t->base.host[0] != '\0' && t->base.host[0] != '.';
  int fits = name ? X509_check_host(leaf, t->base.host, strlen(t->base.host), NAMEFLAGS, NULL) : 0;
  return fits == 1 ? X509_V_OK : X509_V_ERR_HOSTNAME_MISMATCH;
}

/* A session that is resumed was judged when it was made; its certificate may have ended since. */
static long notended (const tls *t, const X509 *leaf) {
  unsigned long flags = X509_VERIFY_PARAM_get_flags(SSL_get0_param(t->base.ssl));
  bool othertime = flags & X509_V_FLAG_USE_CHECK_TIME;
  if (othertime || pinned(t)) return X509_V_OK;
  return X509_cmp_current_time(X509_get0_notAfter(leaf)) > 0 ? X509_V_OK : X509_V_ERR_CERT_HAS_EXPIRED;
}

/* Without a certificate: both have the same key. With TLS 1.3 that looks like a session that is resumed,
 * which is why contexts with keys resume none. */
static bool keyshared (const tls *t) {
  const SSL_CIPHER *cipher = SSL_get_current_cipher(t->base.ssl);
  if (!t->psk || cipher == NULL || SSL_get0_peer_certificate(t->base.ssl) != NULL) return false;
  if (SSL_version(t->base.ssl) >= TLS1_3_VERSION) return SSL_session_reused(t->base.ssl) == 1;
  return SSL_CIPHER_get_auth_nid(cipher) == NID_auth_psk;
}

static long verdict (const tls *t, X509 *leaf) {
  long result = SSL_get_verify_result(t->base.ssl);
  if (result != X509_V_OK) return result;
  result = notended(t, leaf);
  if (result != X509_V_OK || t->base.server || pinned(t)) return result;
  return t->base.host != NULL ? namefits(t, leaf) : X509_V_ERR_HOSTNAME_MISMATCH;
}

/* The one place that says who the peer is, after every handshake and before the first byte. */
static bool judge (tls *t) {
  if (!t->base.verify) return true;
  X509 *leaf = SSL_get0_peer_certificate(t->base.ssl);
  bool optional = t->base.server && !(SSL_get_verify_mode(t->base.ssl) & SSL_VERIFY_FAIL_IF_NO_PEER_CERT);
  t->base.verified = keyshared(t);
  if (leaf == NULL && (optional || t->base.verified)) return true;
  long result = leaf != NULL ? verdict(t, leaf) : X509_V_ERR_UNSPECIFIED;
  if (result == X509_V_OK) return t->base.verified = true;
  STACK_OF(X509) *sent = SSL_get_peer_cert_chain(t->base.ssl);
  t->failure = UNTRUSTED;
  t->base.verdict = result;
  if (leaf != NULL && X509_up_ref(leaf) == 1) t->base.refused = leaf;
  if (sent != NULL) t->base.sent = X509_chain_up_ref(sent);
  return false;
}

/* ---- the handshake */

static int onsession (SSL *ssl, SSL_SESSION *session) {
  tls *t = SSL_get_app_data(ssl);
  if (t == NULL || t->cache == NULL || SSL_SESSION_is_resumable(session) != 1) return 0;
  if (t->base.established) {
    nl_cacheput(t->cache, t->key, session);
    return 1;
  }
  SSL_SESSION_free(t->fresh);
  t->fresh = session;
  return 1;
}

/* The handshake is done and all of it has left. */
static int establish (lua_State *L, nl_stream *s, tls *t) {
  if (t->lost != 0 && !t->base.server) return nl_errno(L, "handshake", t->lost);
  s->pending = t->lost; /* the client may have gone, perhaps after it said something */
  if (!judge(t)) return untrusted(L, t, "handshake");
  t->base.shared = keyshared(t);
  t->base.bound = SSL_version(t->base.ssl) >= TLS1_3_VERSION || SSL_get_extms_support(t->base.ssl) == 1;
  t->base.established = true;
  if (t->fresh != NULL) nl_cacheput(t->cache, t->key, t->fresh);
  t->fresh = NULL;
  t->more = SSL_has_pending(t->base.ssl) == 1;
  s->drained = s->ended = false;
  s->handle.greeting = false;
  nl_setpending(L, &s->handle, t->more);
  lua_pushboolean(L, 1);
  return 1;
}

/* What was written has to leave before the peer can answer. A peer that reads no more may have said why. */
static bool sent (nl_stream *s, tls *t, nl_wait *w) {
  w->side = NL_READ;
  if (tls_flush(&t->base.layer, s) == 0) return true;
  if (errno == EAGAIN) {
    w->side = NL_WRITE;
    return false;
  }
  t->lost = errno;
  nl_discard(&t->out);
  return true;
}

static bool waitedfor (const nl_stream *s) {
  return s->handle.side[NL_READ].owner != NULL || s->handle.side[NL_WRITE].owner != NULL;
}

/* s:handshake() -> true | false, the name that the client asks for or nil: say which context | nil, err */
static int stream_handshake_try (lua_State *L, nl_wait *w) {
  nl_stream *s = (nl_stream *)w->self;
  tls *t = tlsof(s);
  if (t == NULL) return nl_fail(L, "handshake", "ENOTCONN", "no TLS on this stream");
  if (t->base.established) {
    lua_pushboolean(L, 1);
    return 1;
  }
  if (waitedfor(s)) return nl_fail(L, "handshake", "BUSY", NULL);
  if (t->failure != FINE) return tls_fail(L, &t->base.layer, "handshake");
  begincall(t, 0);
  int result = SSL_do_handshake(t->base.ssl);
  if (!sent(s, t, w)) return NL_AGAIN;
  if (result == 1) return establish(L, s, t);
  if (SSL_get_error(t->base.ssl, result) == SSL_ERROR_WANT_CLIENT_HELLO_CB) {
    lua_pushboolean(L, 0);
    lua_pushstring(L, t->base.host);
    return 2;
  }
  (void)failed(t, result);
  return nl_notready(L, w, "handshake");
}
NL_WAITS(stream, handshake, &nl_stream_class, NL_NOSIDE, 2)

/* ---- beginning */

static const char *const beginoptions[] = {"host", "cache", "key", "psk", NULL};

/* OpenSSL reads and writes through a BIO of our own. */
static bool join (tls *t) {
  SSL *ssl = t->base.ssl;
  t->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "netlua stream");
  if (t->method == NULL || BIO_meth_set_write(t->method, bio_write) != 1 ||
      BIO_meth_set_read(t->method, bio_read) != 1 || BIO_meth_set_ctrl(t->method, bio_ctrl) != 1) {
    return false;
  }
  BIO *bio = BIO_new(t->method);
  if (bio == NULL) return false;
  BIO_set_data(bio, t);
  SSL_set_bio(ssl, bio, bio);
  SSL_CTX_sess_set_new_cb(SSL_get_SSL_CTX(ssl), onsession);
  return SSL_set_app_data(ssl, t) == 1;
}

/* Whom the certificate has to be for. */
static bool sethost (tls *t, const char *host) {
  nl_address a;
  const char *problem;
  const void *bytes;
  if (host == NULL) return true;
  t->base.host = strdup(host);
  if (t->base.host == NULL) return false;
  if (nl_parseaddress(host, strlen(host), 0, &a, &problem) && problem == NULL) {
    t->addresslen = nl_addressbytes(&a, &bytes);
    memcpy(t->address, bytes, t->addresslen);
  }
  return true;
}

static bool setcache (lua_State *L, tls *t, int arg) {
  const char *key = nl_fieldtext(L, arg, "key");
  if (key == NULL) return true;
  (void)lua_getfield(L, arg, "cache");
  nl_owned *o = nl_check(L, -1, &nl_cache_class);
  lua_pop(L, 1);
  t->cache = nl_cachekeep(o->ptr);
  return (t->key = strdup(key)) != NULL;
}

static bool begin (lua_State *L, tls *t, int arg) {
  const char *host = nl_fieldtext(L, arg, "host");
  t->psk = nl_fieldbool(L, arg, "psk", false);
  return sethost(t, host) && setcache(L, t, arg) && join(t);
}

static int unready (lua_State *L, const nl_stream *s) {
  if (!s->handle.base.open) return nl_closed(L, "handshake");
  const tls *t = tlsof(s);
  if ((t != NULL && !t->base.established) || waitedfor(s)) return nl_fail(L, "handshake", "BUSY", NULL);
  if (s->in.tail == s->in.head) return 0;
  return nl_fail(L, "handshake", "TLS_PLAINTEXT", "%zu bytes came unprotected and were not read",
                 s->in.tail - s->in.head);
}

/* begin(s, session, settings) -> true | nil, err: TLS is on top of the stream from now on */
static int tls_begin (lua_State *L) {
  nl_stream *s = nl_check(L, 1, &nl_stream_class);
  nl_owned *session = nl_check(L, 2, &nl_tlssession_class);
  luaL_checktype(L, 3, LUA_TTABLE);
  nl_checkoptions(L, 3, beginoptions);
  luaL_argcheck(L, session->ptr != NULL, 2, "the session is in use");
  int bad = unready(L, s);
  if (bad != 0) return bad;
  (void)lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  nl_guard *g = nl_newguard(L, tls_free);
  tls *t = calloc(1, sizeof *t);
  if (t == NULL) return nl_errno(L, "handshake", ENOMEM);
  g->ptr = t;
  t->base.layer.class = &tls_class;
  t->base.ssl = session->ptr;
  session->ptr = NULL;
  t->stream = s;
  t->main = lua_tothread(L, -2);
  t->base.server = SSL_is_server(t->base.ssl) == 1;
  t->base.verify = SSL_get_verify_mode(t->base.ssl) != SSL_VERIFY_NONE;
  if (!begin(L, t, 3)) return nl_errno(L, "handshake", ENOMEM);
  g->ptr = NULL;
  nl_setlayer(L, s, &t->base.layer);
  lua_pushboolean(L, 1);
  return 1;
}

int luaopen_net_tls (lua_State *L) {
  static const luaL_Reg functions[] = {{"begin", tls_begin}, {"handshake", stream_handshake}, {NULL, NULL}};
  nl_loadlibraries(L);
  if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) != 1) {
    return luaL_error(L, "OpenSSL does not start");
  }
  luaL_newlib(L, functions);
  return 1;
}
