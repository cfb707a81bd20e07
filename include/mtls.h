/*
 * mtls.h - the public API of libmtls: ask mtlsd to issue, sign, verify, revoke and export certificates.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A handle (struct mtls) is one connection to the agent's Unix socket, opened by the first call and opened
 * again after it was lost. The agent learns from the kernel who asks; there is nothing to log in with.
 *
 * Two layers. Blocking: one function an operation (mtls_issue, mtls_verify, ...). Non-blocking:
 * mtls_call_begin, then mtls_process whenever mtls_fd shows one of mtls_events, until a result is there.
 * Both have the same types, and both may be used on one handle, one call at a time.
 *
 * Requests: zero-initialise them (`struct mtls_issue_request r = {.name = "alice"}`); a member left NULL or 0
 * is not sent and the agent's default holds. Texts are UTF-8 and are only borrowed for the call.
 *
 * Results: owned by the caller, who frees each with mtls_result_free, which wipes it. What a result points to
 * lives as long as the result. Members that may be absent are marked (may be NULL).
 *
 * Formats: serials are hex, lower case in results, with or without colons in requests; instants are RFC 3339
 * in UTC ("2026-11-23T20:12:57Z"); terms are a number with s, m, h or d ("90d"); SANs are "DNS:x", "email:y",
 * "URI:z" or "IP:a"; certificates, CSRs and keys are PEM.
 *
 * Errors: functions return 0, or -1 (NULL) with the error in the handle (mtls_error_code and the others). The
 * library never prints, never exits and never raises SIGPIPE.
 *
 * Threads: a handle may be used by one thread at a time; different handles are independent. Results are plain
 * memory. The first mtls_new of a process makes jansson wipe what it frees (only where the program has not
 * installed an allocator of its own): call it before other threads use jansson.
 */
#ifndef MTLS_H
#define MTLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __GNUC__
#define MTLS_MUST_USE __attribute__((warn_unused_result))
#define MTLS_NONNULL(...) __attribute__((nonnull(__VA_ARGS__)))
#else
#define MTLS_MUST_USE
#define MTLS_NONNULL(...)
#endif

#define MTLS_DEFAULT_SOCKET "/run/mtlsd/agent.sock"

enum {
    MTLS_DEFAULT_TIMEOUT = 30000,     /* milliseconds */
    MTLS_REQUEST_MAX = 256 * 1024,    /* bytes of one call; the agent's default limit */
    MTLS_REPLY_MAX = 4 * 1024 * 1024, /* bytes of one reply; longer ones end the connection */
};

/* What went wrong, for programs. 1 to 12 come from the agent (mtls_error_name has the varlink name), the
 * others are the library's. Values are part of the ABI; new ones may be added. */
enum mtls_code {
    MTLS_OK = 0,
    MTLS_NOT_PERMITTED = 1, /* the policy says no: reason, operation, service, line */
    MTLS_BAD_REQUEST = 2, /* a value cannot be used: field, reason. Also the library's own, for what cannot be sent */
    MTLS_NOT_FOUND = 3,
    MTLS_CONFLICT = 4, /* several certificates fit, or somebody was faster: serials */
    MTLS_BUSY = 5,     /* too much work or too many connections: try again later */
    MTLS_LOCKED = 6,   /* the CA key is locked, or the keeper is away: try again later */
    MTLS_PENDING = 7,  /* waits for an approval: ticket */
    MTLS_INTERNAL = 8,
    MTLS_METHOD_NOT_FOUND = 9,     /* the agent is older than the library */
    MTLS_INTERFACE_NOT_FOUND = 10, /* what listens there is no mtlsd */
    MTLS_METHOD_NOT_IMPLEMENTED = 11,
    MTLS_INVALID_PARAMETER = 12, /* field: a parameter that this agent does not know */
    MTLS_UNKNOWN_ERROR = 32,     /* an error that this library does not know; mtls_error_name names it */
    MTLS_UNREACHABLE = 33,       /* nobody listens at the socket, or we may not connect; nothing was sent */
    MTLS_DISCONNECTED = 34,      /* lost in the middle, the outcome is unknown: mtls_get by request_id tells */
    MTLS_TIMEOUT = 35,  /* no answer in time; the connection was closed, the outcome is unknown as above */
    MTLS_PROTOCOL = 36, /* what came is no reply of io.mtlsd.Agent; the connection was closed */
    MTLS_NO_MEMORY = 37,
    MTLS_MISUSE = 38,  /* wrong order of calls, or no such method; a bug in the program */
    MTLS_STOPPED = 39, /* a callback of the program's ended it; the connection was closed */
};

struct mtls;

/* ---- handle ---- */

/* A handle for the agent at `socket` (NULL: MTLS_DEFAULT_SOCKET); copied. Connects nowhere yet and reads no
 * environment. NULL when memory ran out. */
MTLS_MUST_USE struct mtls *mtls_new(const char *socket);

/* A handle on a connected stream socket, which it takes over and makes non-blocking. It cannot reconnect. */
MTLS_MUST_USE struct mtls *mtls_new_from_fd(int fd);

/* Close and wipe. NULL is allowed. */
void mtls_free(struct mtls *mtls);

/* How long a blocking call may wait for each reply, in milliseconds; negative: for ever. */
void mtls_set_timeout(struct mtls *mtls, int milliseconds) MTLS_NONNULL(1);

/* Version of the library, "0.1.0". Static. */
const char *mtls_version(void);

/* ---- errors: of the last call on the handle that failed. Texts live until the next call on it ---- */

enum mtls_code mtls_error_code(const struct mtls *mtls) MTLS_NONNULL(1);
/* One sentence for people, no newline: what was refused, where, what would help. */
const char *mtls_error_message(const struct mtls *mtls) MTLS_NONNULL(1);
/* "io.mtlsd.Agent.NotPermitted"; "" where the error is the library's own. */
const char *mtls_error_name(const struct mtls *mtls) MTLS_NONNULL(1);
/* The error's parameters as the agent sent them, a JSON object; "{}" where the error is our own. */
const char *mtls_error_parameters(const struct mtls *mtls) MTLS_NONNULL(1);
/* The parameter at fault (BAD_REQUEST, INVALID_PARAMETER), else "". */
const char *mtls_error_field(const struct mtls *mtls) MTLS_NONNULL(1);
/* NOT_PERMITTED: "issue", the service asked for, "policy.d/default:3 name"; else "". */
const char *mtls_error_operation(const struct mtls *mtls) MTLS_NONNULL(1);
const char *mtls_error_service(const struct mtls *mtls) MTLS_NONNULL(1);
const char *mtls_error_line(const struct mtls *mtls) MTLS_NONNULL(1);
/* PENDING: what to redeem later, else "". */
const char *mtls_error_ticket(const struct mtls *mtls) MTLS_NONNULL(1);
/* CONFLICT: the certificates that fit; at most 20 are told. NULL past the end. */
size_t mtls_error_serial_count(const struct mtls *mtls) MTLS_NONNULL(1);
const char *mtls_error_serial(const struct mtls *mtls, size_t index) MTLS_NONNULL(1);

/* ---- types: member for member io.mtlsd.Agent.varlink ---- */

struct mtls_text_list {
    const char *const *items;
    size_t count;
};

struct mtls_certificate {
    const char *serial, *authority, *subject, *name;
    struct mtls_text_list sans;
    const char *profile, *service;
    const char *label;      /* may be NULL */
    const char *status;     /* live, revoked, held, expired, notYetValid */
    const char *reason;     /* of the revocation (RFC 5280 section 5.3.1 names); may be NULL */
    const char *revoked_at; /* may be NULL */
    const char *not_before, *not_after, *issued_at;
    const char *fingerprint; /* SHA-256 of the DER, hex */
    int64_t requester_uid;
    const char *last_seen, *last_service, *last_address; /* may be NULL */
};

struct mtls_certificate_list {
    const struct mtls_certificate *items;
    size_t count;
};

struct mtls_identity {
    const char *authority;
    bool ours; /* issued by this agent's CA; else `authority` names the foreign anchor */
    const char *subject;
    const char *name; /* may be NULL */
    struct mtls_text_list sans;
    const char *serial;
    const char *profile; /* may be NULL */
    const char *not_before, *not_after, *fingerprint;
};

struct mtls_policy_line {
    const char *file;
    int64_t line;
    const char *control, *module, *arguments, *result;
    const char *detail; /* may be NULL */
    bool decided;
};

struct mtls_policy_line_list {
    const struct mtls_policy_line *items;
    size_t count;
};

struct mtls_keeper {
    const char *state; /* open, locked, away */
    int64_t pid, uid;
    struct mtls_text_list walls;
    int64_t signatures;
};

/* Issue: the agent makes the key pair. request_id is of the caller's choosing (unique): mtls_get finds by it
 * what became of a call whose answer was lost. dry_run tells what would happen and does nothing. */
struct mtls_issue_request {
    const char *name; /* required; becomes the CN */
    struct mtls_text_list sans;
    const char *profile, *service, *label, *life;
    const char *key_type; /* ec:P-256, ec:P-384, ed25519, rsa:2048 .. rsa:4096 */
    const char *request_id;
    bool dry_run;
};

/* The result of Issue, Sign and Renew. */
struct mtls_issue_result {
    bool changed;
    const struct mtls_certificate *certificate;
    const char *pem;               /* the certificate; NULL after a dry run */
    struct mtls_text_list chain;   /* PEM: intermediates, leaf side first, without the root */
    const char *private_key;       /* PKCS#8 PEM, told this once; NULL after Sign, a dry run, or Renew with a CSR.
                                      Wiped when freed */
    bool clamped;                  /* notAfter is the CA's own end and earlier than asked */
    struct mtls_text_list ignored; /* what a CSR asked for and did not get */
};

struct mtls_sign_request {
    const char *csr;  /* required; PEM, or base64 of DER */
    const char *name; /* instead of the CSR's CN */
    struct mtls_text_list sans;
    const char *profile, *service, *label, *life, *request_id;
    bool dry_run;
};

/* One of serial and name; label decides between certificates of one name. */
struct mtls_renew_request {
    const char *serial, *name, *label, *service;
    const char *csr; /* the new key; NULL: the agent makes one */
    const char *life, *key_type, *request_id;
    bool dry_run;
};

struct mtls_verify_request {
    const char *certificate; /* required */
    struct mtls_text_list intermediates;
    const char *service;
    const char *purpose;                       /* client (the default), server, any */
    const char *at;                            /* NULL: now */
    const char *method, *uri, *host, *address; /* facts that the policy may look at */
};

/* That a certificate is bad is no error but the answer. */
struct mtls_verify_result {
    bool valid;
    const char *reason;                   /* why not; NULL where valid */
    const char *detail;                   /* may be NULL */
    const struct mtls_identity *identity; /* may be NULL */
    const char *cacheable_until;          /* NULL: not at all */
    struct mtls_text_list vary;           /* facts that the answer depends on */
    const char *page;                     /* id of the epoch page */
};

struct mtls_export_request {
    const char *serial, *name, *label, *service;
    const char *format;      /* required; pem or p12 */
    const char *private_key; /* PEM; NULL: one that was kept */
    const char *passphrase;  /* for p12 */
};

struct mtls_export_result {
    const struct mtls_certificate *certificate;
    const char *format;
    const char *data; /* PEM text, or base64 of PKCS#12 (mtls_base64_decode). Wiped when freed */
};

/* A serial, or every live certificate that fits all filters given. */
struct mtls_revoke_request {
    const char *serial, *name, *label, *profile;
    const uint32_t *requester_uid; /* NULL: of anybody */
    const char *issued_before, *issued_after, *service;
    const char *reason; /* RFC 5280 section 5.3.1; certificateHold suspends */
    bool several;       /* without it more than one hit is MTLS_CONFLICT */
    int64_t expected;   /* number of hits, else MTLS_CONFLICT; 0: not checked */
    bool dry_run;
};

struct mtls_revoke_result {
    bool changed;
    int64_t count;
    struct mtls_text_list serials;
};

struct mtls_resume_request {
    const char *serial, *name, *label, *service;
};

struct mtls_resume_result {
    bool changed;
    const struct mtls_certificate *certificate;
};

struct mtls_list_request {
    const char *name, *status, *profile, *expiring_within, *service;
    const char *after; /* `next` of the page before */
    int64_t limit;     /* certificates in a page; 0: the agent's choice */
};

/* One page. */
struct mtls_list_result {
    struct mtls_certificate_list certificates;
    const char *next; /* where to go on; NULL: that was all */
};

struct mtls_get_request {
    const char *serial, *name, *label, *request_id, *service;
};

struct mtls_get_result {
    const struct mtls_certificate *certificate;
    const char *pem;
    struct mtls_text_list chain;
};

struct mtls_get_authority_result {
    const char *name, *pem;
    struct mtls_text_list chain;
    const char *fingerprint, *serial, *key_type, *not_before, *not_after;
};

/* One piece, as it comes from mtls_call_take; mtls_get_crl decodes it. */
struct mtls_get_crl_result {
    int64_t number;
    const char *this_update, *next_update;
    int64_t size;     /* of the whole CRL in DER, bytes */
    const char *data; /* base64 */
};

struct mtls_status_result {
    const char *version;
    int64_t pid, uid;
    const char *state; /* ready, locked, keeperAway */
    const char *authority;
    const struct mtls_keeper *keeper;
    const char *sandbox;
    struct mtls_text_list warnings;
    const char *page, *epoch;
    int64_t policy_generation;
    const char *policy_error; /* may be NULL */
    int64_t live, revoked, expired, alarms, connections, requests, commits, committed, syncs, overlapped;
    int64_t crl_number;
    const char *crl_at; /* may be NULL */
    const char *started_at;
};

struct mtls_explain_request {
    const char *operation; /* required: issue, verify, export, revoke, read, admin, use */
    const char *service, *name;
    struct mtls_text_list sans;
    const char *profile, *life, *key_type, *serial;
    const uint32_t *as_uid; /* NULL: ourselves; another needs admin */
    const char *method, *uri, *host, *address;
};

struct mtls_explain_result {
    bool allowed;
    const char *reason;
    struct mtls_policy_line_list lines;
    const char *line; /* the one that decided; may be NULL */
};

struct mtls_reload_result {
    int64_t generation;
};

/* Free any result of this header, wiping it. NULL is allowed. */
void mtls_result_free(const void *result);

/* The same reply as a JSON object with varlink's field names, private keys and exported data left out. Lives
 * as long as the result; NULL when memory ran out. */
const char *mtls_result_json(const void *result) MTLS_NONNULL(1);

/* RFC 4648 section 4 with padding, line ends allowed. NULL where it is no base64 or memory ran out. Free with
 * mtls_bytes_free. */
MTLS_MUST_USE unsigned char *mtls_base64_decode(const char *text, size_t *length) MTLS_NONNULL(1, 2);
/* Wipe and free. NULL is allowed. */
void mtls_bytes_free(unsigned char *bytes, size_t length);

/* ---- blocking layer: *out is set only on success ---- */

MTLS_MUST_USE int mtls_issue(struct mtls *, const struct mtls_issue_request *, struct mtls_issue_result **out)
    MTLS_NONNULL(1, 2, 3);
MTLS_MUST_USE int mtls_sign(struct mtls *, const struct mtls_sign_request *, struct mtls_issue_result **out)
    MTLS_NONNULL(1, 2, 3);
MTLS_MUST_USE int mtls_renew(struct mtls *, const struct mtls_renew_request *, struct mtls_issue_result **out)
    MTLS_NONNULL(1, 2, 3);
MTLS_MUST_USE int mtls_verify(struct mtls *, const struct mtls_verify_request *, struct mtls_verify_result **out)
    MTLS_NONNULL(1, 2, 3);
MTLS_MUST_USE int mtls_export(struct mtls *, const struct mtls_export_request *, struct mtls_export_result **out)
    MTLS_NONNULL(1, 2, 3);
MTLS_MUST_USE int mtls_revoke(struct mtls *, const struct mtls_revoke_request *, struct mtls_revoke_result **out)
    MTLS_NONNULL(1, 2, 3);
MTLS_MUST_USE int mtls_resume(struct mtls *, const struct mtls_resume_request *, struct mtls_resume_result **out)
    MTLS_NONNULL(1, 2, 3);
MTLS_MUST_USE int mtls_get(struct mtls *, const struct mtls_get_request *, struct mtls_get_result **out)
    MTLS_NONNULL(1, 2, 3);
MTLS_MUST_USE int mtls_get_authority(struct mtls *, struct mtls_get_authority_result **out) MTLS_NONNULL(1, 2);
MTLS_MUST_USE int mtls_status(struct mtls *, struct mtls_status_result **out) MTLS_NONNULL(1, 2);
MTLS_MUST_USE int mtls_explain(struct mtls *, const struct mtls_explain_request *, struct mtls_explain_result **out)
    MTLS_NONNULL(1, 2, 3);
MTLS_MUST_USE int mtls_reload(struct mtls *, struct mtls_reload_result **out) MTLS_NONNULL(1, 2);

/* Told of each page, which is freed after the call. Other than 0 ends the listing: MTLS_STOPPED. */
typedef int mtls_page_callback(const struct mtls_list_result *page, void *context);
MTLS_MUST_USE int mtls_list(struct mtls *, const struct mtls_list_request *, mtls_page_callback *page, void *context)
    MTLS_NONNULL(1, 2, 3);

struct mtls_crl_chunk {
    int64_t number; /* of the CRL (RFC 5280 section 5.2.3) */
    const char *this_update, *next_update;
    int64_t size;              /* bytes in all */
    const unsigned char *data; /* DER, the next `length` bytes */
    size_t length;
};

/* Told of each piece in order, to be copied. Success: exactly `size` bytes of one CRL were told. */
typedef int mtls_chunk_callback(const struct mtls_crl_chunk *chunk, void *context);
MTLS_MUST_USE int mtls_get_crl(struct mtls *, mtls_chunk_callback *chunk, void *context) MTLS_NONNULL(1, 2);

/* ---- non-blocking layer ---- */

enum mtls_call_flags {
    MTLS_MORE = 1, /* List and GetCRL: stream all pages or pieces */
};

/* Begin a call: connect where needed, queue it and send what goes at once. `method` is the bare name
 * ("Issue", "Sign", "Renew", "Verify", "Export", "Revoke", "Resume", "List", "Get", "GetAuthority", "GetCRL",
 * "Status", "Explain", "Reload"); `request` points to the method's request type above and is not needed
 * afterwards; NULL for methods without parameters. One call at a time: MTLS_MISUSE while one is under way.
 * MTLS_BUSY where the agent's queue of connections is full. 0 or -1. */
MTLS_MUST_USE int mtls_call_begin(struct mtls *mtls, const char *method, const void *request, unsigned flags)
    MTLS_NONNULL(1, 2);

/* The descriptor to poll, -1 where there is no connection. It may change with each begin. */
int mtls_fd(const struct mtls *mtls) MTLS_NONNULL(1);

/* POLLIN and POLLOUT of poll(2): what to wait for now; POLLIN between calls, to notice a closed connection. */
short mtls_events(const struct mtls *mtls) MTLS_NONNULL(1);

/* Go on as far as possible without waiting. 1: a result is there, take it. 0: nothing yet, poll again. -1:
 * the call has failed and is over. After a result with mtls_more, call it again at once: the next one may
 * have arrived already. Between calls: 0, or -1 with MTLS_DISCONNECTED when the peer has closed (the next
 * call connects again). */
MTLS_MUST_USE int mtls_process(struct mtls *mtls) MTLS_NONNULL(1);

/* The result that mtls_process announced, of the method's type, for mtls_result_free; NULL where there is none. */
MTLS_MUST_USE void *mtls_call_take(struct mtls *mtls) MTLS_NONNULL(1);

/* Are further results of this call to come? Valid from mtls_process's 1 until the next mtls_process. */
bool mtls_more(const struct mtls *mtls) MTLS_NONNULL(1);

/* Is a call under way, or its result untaken? */
bool mtls_call_pending(const struct mtls *mtls) MTLS_NONNULL(1);

/* Give up the call under way. The connection is closed; the agent may do what was asked all the same. */
void mtls_call_cancel(struct mtls *mtls) MTLS_NONNULL(1);

#ifdef __cplusplus
}
#endif

#endif
