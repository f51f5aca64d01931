/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

int secret_new(struct secret *s, size_t capacity)
{
	void *pages = mmap(NULL, capacity + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*s = (struct secret){0};
	if (pages == MAP_FAILED)
		return -ENOMEM;
	if (madvise(pages, capacity + 1, MADV_DONTDUMP) < 0 || madvise(pages, capacity + 1, MADV_WIPEONFORK) < 0) {
		(void)munmap(pages, capacity + 1);
		return -ENOMEM;
	}
	(void)mlock(pages, capacity + 1);
	*s = (struct secret){.text = pages, .capacity = capacity};
	return 0;
}

void secret_wipe(struct secret *s)
{
	if (s->text) {
		explicit_bzero(s->text, s->capacity + 1);
		(void)munmap(s->text, s->capacity + 1);
	}
	*s = (struct secret){0};
}
