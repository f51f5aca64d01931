/* SPDX-License-Identifier: Apache-2.0 */
#include "http/identity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

struct http_identity {
	struct list link; /* in all */
	gnutls_certificate_credentials_t credentials;
	unsigned clients;
};

static void free_identity(struct http_identity *identity)
{
	if (!identity)
		return;
	list_remove(&identity->link);
	gnutls_certificate_free_credentials(identity->credentials);
	free(identity);
}

static int load(struct http_identity **ret, struct http_tls_digest *digest, const struct http_options *opt, char *error,
		size_t size)
{
	struct http_identity *identity = calloc(1, sizeof(*identity));
	int r;

	if (!identity) {
		(void)snprintf(error, size, "out of memory");
		return -ENOMEM;
	}
	r = http_tls_load(&identity->credentials, digest, opt, error, size);
	if (r < 0) {
		free(identity);
		return r;
	}
	list_init(&identity->link);
	*ret = identity;
	return 0;
}

int http_identities_init(struct http_identities *ids, const struct http_options *opt, char *error, size_t size)
{
	list_init(&ids->all);
	ids->current = NULL;
	ids->brought = NULL;
	return opt->cert ? load(&ids->current, &ids->digest, opt, error, size) : 0;
}

int http_identities_renew(struct http_identities *ids, const struct http_options *opt, char *error, size_t size)
{
	struct http_identity *fresh;
	struct http_tls_digest digest;
	int r = load(&fresh, &digest, opt, error, size);

	if (r < 0)
		return r;
	if (memcmp(&digest, &ids->digest, sizeof(digest)) == 0) {
		free_identity(fresh);
		return 0;
	}
	ids->digest = digest;
	/* A former delivery that was never taken is freed. */
	free_identity(atomic_exchange(&ids->brought, fresh));
	return 1;
}

struct http_identity *http_identity_enter(struct http_identities *ids, gnutls_session_t session)
{
	struct http_identity *brought = atomic_exchange(&ids->brought, NULL);

	if (brought) {
		list_append(&ids->all, &ids->current->link);
		ids->current = brought;
	}
	if (gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, ids->current->credentials) < 0)
		return NULL;
	ids->current->clients++;
	return ids->current;
}

void http_identity_leave(struct http_identity *identity)
{
	identity->clients--;
}

void http_identities_sweep(struct http_identities *ids)
{
	for (struct list *at = ids->all.next, *next; at != &ids->all; at = next) {
		struct http_identity *identity = container_of(at, struct http_identity, link);

		next = at->next;
		if (identity->clients == 0)
			free_identity(identity);
	}
}

void http_identities_done(struct http_identities *ids)
{
	free_identity(ids->current);
	free_identity(ids->brought);
	while (!list_empty(&ids->all))
		free_identity(container_of(ids->all.next, struct http_identity, link));
}
