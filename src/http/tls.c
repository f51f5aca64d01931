/* SPDX-License-Identifier: Apache-2.0 */
#include "http/tls.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/util.h"
#include "log/log.h"

#define FILE_MAX_BYTES 262144

static int refuse_file(const char *name, const char *path, int r, char *error, size_t size)
{
	if (r == -EPERM)
		(void)snprintf(error, size, "%s: %s: %s; allowed: chmod 0600 %s", name, path, file_error(r), path);
	else if (r < 0)
		(void)snprintf(error, size, "%s: %s: %s; allowed: a readable PEM file of at most %d bytes", name, path,
			       file_error(r), FILE_MAX_BYTES);
	return r;
}

static int read_file(const char *name, const char *path, char **ret, char *error, size_t size)
{
	return refuse_file(name, path, file_read_text(path, FILE_MAX_BYTES, ret), error, size);
}

/* PEM texts; ca is NULL when clients need no certificate. */
struct texts {
	char *cert, *ca;
	struct secret key;
};

static gnutls_datum_t datum(char *text)
{
	return (gnutls_datum_t){(unsigned char *)text, (unsigned)strlen(text)};
}

static bool has_p384_key(gnutls_x509_crt_t certificate)
{
	gnutls_ecc_curve_t curve;

	return gnutls_x509_crt_get_pk_ecc_raw(certificate, &curve, NULL, NULL) == 0 &&
	       curve == GNUTLS_ECC_CURVE_SECP384R1;
}

/*
 * A date from the library. If it was built with 32-bit times and we were not (Debian 12 on armhf), it returns half of
 * what its header declares to us, and a day in 2037 for any later one.
 */
static time_t date_of(time_t (*call)(gnutls_x509_crt_t), gnutls_x509_crt_t certificate)
{
#ifdef PORTSYNCD_LIBRARIES_TIME32
	return ((int32_t(*)(gnutls_x509_crt_t))(void (*)(void))call)(certificate);
#else
	return call(certificate);
#endif
}

static void warn_of_dates(gnutls_x509_crt_t certificate, const char *path)
{
	time_t now = time(NULL);

	if (now > date_of(gnutls_x509_crt_get_expiration_time, certificate))
		log_warning(KIND_HTTP_CERTIFICATE, "http.cert: %s: the certificate has expired, clients will refuse it",
			    path);
	else if (now < date_of(gnutls_x509_crt_get_activation_time, certificate))
		log_warning(KIND_HTTP_CERTIFICATE,
			    "http.cert: %s: the certificate is not valid yet, clients will refuse it", path);
}

static int check_leaf(gnutls_certificate_credentials_t credentials, const char *path, uint64_t *expires, char *error,
		      size_t size)
{
	gnutls_x509_crt_t *chain = NULL;
	unsigned n = 0;
	int r = 0;

	if (gnutls_certificate_get_x509_crt(credentials, 0, &chain, &n) < 0 || n == 0 || !has_p384_key(chain[0])) {
		(void)snprintf(error, size, "http.cert: %s: has no P-384 key; allowed: an EC certificate on secp384r1",
			       path);
		r = -EINVAL;
	} else {
		*expires = (uint64_t)MAX(date_of(gnutls_x509_crt_get_expiration_time, chain[0]), 0);
		warn_of_dates(chain[0], path);
	}
	for (unsigned i = 0; i < n; i++)
		gnutls_x509_crt_deinit(chain[i]);
	gnutls_free(chain);
	return r;
}

static int take_pair(const struct texts *texts, gnutls_certificate_credentials_t credentials, const char *path,
		     uint64_t *expires, char *error, size_t size)
{
	gnutls_datum_t cert = datum(texts->cert), key = datum(texts->key.text);
	int r = gnutls_certificate_set_x509_key_mem2(credentials, &cert, &key, GNUTLS_X509_FMT_PEM, NULL, 0);

	if (r >= 0)
		return check_leaf(credentials, path, expires, error, size);
	(void)snprintf(error, size,
		       "http.cert, http.key: %s: %s; allowed: a certificate in PEM and its key without a password",
		       path, gnutls_strerror(r));
	return -EINVAL;
}

static int take_ca(const struct texts *texts, gnutls_certificate_credentials_t credentials, const char *path,
		   char *error, size_t size)
{
	gnutls_datum_t ca = datum(texts->ca);
	int n = gnutls_certificate_set_x509_trust_mem(credentials, &ca, GNUTLS_X509_FMT_PEM);

	if (n > 0)
		return 0;
	(void)snprintf(error, size, "http.ca: %s: %s; allowed: certificates in PEM", path,
		       n < 0 ? gnutls_strerror(n) : "holds no certificate");
	return -EINVAL;
}

static int take(gnutls_certificate_credentials_t *ret, const struct texts *texts, const struct http_options *opt,
		uint64_t *expires, char *error, size_t size)
{
	int r;

	if (gnutls_certificate_allocate_credentials(ret) < 0) {
		(void)snprintf(error, size, "out of memory");
		return -ENOMEM;
	}
	r = take_pair(texts, *ret, opt->cert, expires, error, size);
	if (r == 0 && opt->ca)
		r = take_ca(texts, *ret, opt->ca, error, size);
	if (r < 0)
		gnutls_certificate_free_credentials(*ret);
	return r;
}

/* The key is left out: a new key comes with a new certificate. */
static int digest_of(const struct texts *texts, struct http_tls_digest *ret, char *error, size_t size)
{
	gnutls_hash_hd_t hash;

	if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0) {
		(void)snprintf(error, size, "out of memory");
		return -ENOMEM;
	}
	(void)gnutls_hash(hash, texts->cert, strlen(texts->cert) + 1);
	if (texts->ca)
		(void)gnutls_hash(hash, texts->ca, strlen(texts->ca));
	gnutls_hash_deinit(hash, ret->bytes);
	return 0;
}

static void wipe(struct texts *texts)
{
	secret_wipe(&texts->key);
	free(texts->cert);
	free(texts->ca);
}

int http_tls_load(gnutls_certificate_credentials_t *ret, struct http_tls_digest *digest, const struct http_options *opt,
		  char *error, size_t size)
{
	struct texts texts cleanup(wipe) = {0};
	int r = read_file("http.cert", opt->cert, &texts.cert, error, size);

	if (r == 0)
		r = refuse_file("http.key", opt->key, file_read_secret(opt->key, FILE_MAX_BYTES, &texts.key), error,
				size);
	if (r == 0 && opt->ca)
		r = read_file("http.ca", opt->ca, &texts.ca, error, size);
	if (r == 0)
		r = digest_of(&texts, digest, error, size);
	return r == 0 ? take(ret, &texts, opt, &digest->expires, error, size) : r;
}

void http_tls_require_client(gnutls_session_t session, gnutls_certificate_verify_function *verify)
{
	gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
	gnutls_session_set_verify_function(session, verify);
}

static void describe(unsigned status, char *text, size_t size)
{
	gnutls_datum_t said = {0};

	if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &said, 0) < 0) {
		(void)snprintf(text, size, "status 0x%x", status);
		return;
	}
	(void)snprintf(text, size, "%s", (const char *)said.data);
	gnutls_free(said.data);
}

int http_tls_verify_client(gnutls_session_t session, char *text, size_t size)
{
	static char for_clients[] = GNUTLS_KP_TLS_WWW_CLIENT;
	gnutls_typed_vdata_st purpose = {GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *)for_clients, 0};
	unsigned status = 0;
	int r = gnutls_certificate_verify_peers(session, &purpose, 1, &status);

	if (r == 0 && status == 0)
		return 0;
	if (r < 0)
		(void)snprintf(text, size, "%s", gnutls_strerror(r));
	else
		describe(status, text, size);
	(void)gnutls_alert_send(session, GNUTLS_AL_FATAL, GNUTLS_A_BAD_CERTIFICATE);
	return GNUTLS_E_CERTIFICATE_ERROR;
}

int http_tls_no_certificate(gnutls_session_t session, const gnutls_datum_t *names, int n_names,
			    const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **certificates,
			    unsigned *n_certificates, gnutls_privkey_t *key)
{
	(void)session;
	(void)names;
	(void)n_names;
	(void)algorithms;
	(void)n_algorithms;
	(void)certificates;
	(void)n_certificates;
	(void)key;
	return -1;
}
