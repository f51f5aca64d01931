/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS of the HTTP server: 1.3 only, TLS_AES_256_GCM_SHA384, key exchange and signatures on P-384 (the algorithms of
 * CNSA 1.0, RFC 9151), chains of certificates as strong as that (192 bits). So every certificate has a P-384 key.
 */
#ifndef PORTSYNCD_HTTP_TLS_H
#define PORTSYNCD_HTTP_TLS_H

#include <gnutls/abstract.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/options.h"

#define HTTP_TLS_PRIORITIES                                                                                            \
	"NONE:+VERS-TLS1.3:+AES-256-GCM:+AEAD:+GROUP-SECP384R1:+SIGN-ECDSA-SECP384R1-SHA384:%PROFILE_ULTRA"

/* Tells certificates and CAs apart. expires: when the certificate does, in seconds since the epoch. */
struct http_tls_digest {
	uint8_t bytes[32];
	uint64_t expires;
};

/*
 * Reads cert, key and ca (NULL: clients need no certificate) and checks that they fit together. Others may neither read
 * nor write the key. A certificate that is not valid now is only a warning: the clock may be wrong, and the Unix socket
 * works without it. 0, with *ret for gnutls_certificate_free_credentials(), or a negative errno with a one-line text
 * in error.
 */
int http_tls_load(gnutls_certificate_credentials_t *ret, struct http_tls_digest *digest, const struct http_options *opt,
		  char *error, size_t size);

/* With a CA: the handshake fails unless the client has a certificate for which verify returns 0. */
void http_tls_require_client(gnutls_session_t session, gnutls_certificate_verify_function *verify);
/*
 * For use in verify: 0 if the client's certificate is valid, signed by our CA and meant for clients. Else alerts the
 * client and returns verify's result, with the reason in text.
 */
int http_tls_verify_client(gnutls_session_t session, char *text, size_t size);

/* MHD demands a certificate callback, but each session already has its own certificate when it begins. */
int http_tls_no_certificate(gnutls_session_t session, const gnutls_datum_t *names, int n_names,
			    const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **certificates,
			    unsigned *n_certificates, gnutls_privkey_t *key);

#endif
