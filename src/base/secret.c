/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

int secret_new(struct secret *s, size_t room)
{
	void *pages = mmap(NULL, room + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*s = (struct secret){0};
	if (pages == MAP_FAILED)
		return -ENOMEM;
	if (madvise(pages, room + 1, MADV_DONTDUMP) < 0 || madvise(pages, room + 1, MADV_WIPEONFORK) < 0) {
		(void)munmap(pages, room + 1);
		return -ENOMEM;
	}
	(void)mlock(pages, room + 1);
	*s = (struct secret){.text = pages, .room = room};
	return 0;
}

void secret_wipe(struct secret *s)
{
	if (s->text) {
		explicit_bzero(s->text, s->room + 1);
		(void)munmap(s->text, s->room + 1);
	}
	*s = (struct secret){0};
}
