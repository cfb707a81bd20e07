/*
 * unlock.h - the protocol of unlock.sock, on which a person (through mtlsctl) opens and closes the CA key.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A Unix SOCK_SEQPACKET socket of the keeper's own, so that no passphrase ever passes through the agent. One packet
 * asks, one packet answers; a connection may ask several times. Only root and the uid that owns the keeper's state
 * directory are heard: anybody else is disconnected without an answer.
 *
 * Request: one byte, the verb; after UNLOCK_OPEN the passphrase follows, 0 to UNLOCK_PASSPHRASE_MAX bytes, no
 * terminator (empty where the key is sealed by a secret file or not at all: then the keeper has what it needs).
 * Answer: one byte, UNLOCK_OK or UNLOCK_NO, and one sentence in UTF-8, no newline, no terminator, at most
 * UNLOCK_SENTENCE_MAX bytes.
 *
 * UNLOCK_OPEN of a key that is open already, and UNLOCK_CLOSE of one that is closed, are answered UNLOCK_OK. A
 * wrong passphrase always gets the same answer; after three in a row the next attempts are refused unheard for a
 * while, which the sentence names. UNLOCK_STATUS is always answered UNLOCK_OK, with a sentence whose first word is
 * "open" or "locked".
 */
#ifndef MTLSD_PROTO_UNLOCK_H
#define MTLSD_PROTO_UNLOCK_H

enum unlock_verb {
    UNLOCK_OPEN = 'u',   /* followed by the passphrase */
    UNLOCK_CLOSE = 'l',  /* lock: the key leaves memory */
    UNLOCK_STATUS = 's',
};

enum unlock_answer {
    UNLOCK_OK = 'o',
    UNLOCK_NO = 'n',
};

enum {
    UNLOCK_PASSPHRASE_MAX = 1024,
    UNLOCK_REQUEST_MAX = 1 + UNLOCK_PASSPHRASE_MAX,
    UNLOCK_SENTENCE_MAX = 640,
    UNLOCK_ANSWER_MAX = 1 + UNLOCK_SENTENCE_MAX,
    UNLOCK_ANSWER_SECONDS = 30, /* how long a client should wait: Argon2 takes its time */
};

#endif
