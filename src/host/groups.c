/* SPDX-License-Identifier: Apache-2.0 */
#include "host/groups.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "host/capabilities.h"

struct membership {
	gid_t member_of[NGROUPS_MAX];
	size_t n;
	gid_t *joined;
	size_t n_joined;
};

static bool is_member(const struct membership *m, gid_t group)
{
	bool found = group == getegid();

	for (size_t i = 0; i < m->n && !found; i++)
		found = m->member_of[i] == group;
	return found;
}

/* mode: what is needed of the file, as others have it. */
static void look_at(struct membership *m, const char *path, mode_t mode)
{
	struct stat st;

	if (stat(path, &st) < 0 || st.st_uid == geteuid() || (st.st_mode & mode) == mode || is_member(m, st.st_gid))
		return;
	if ((st.st_mode & (mode << 3)) != mode << 3 || m->n_joined == GROUPS_MAX || m->n == ARRAY_SIZE(m->member_of))
		return;
	m->member_of[m->n++] = st.st_gid;
	m->joined[m->n_joined++] = st.st_gid;
}

static void look_at_folder(struct membership *m, const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (!slash || slash == path || (size_t)(slash - path) >= sizeof(folder))
		return;
	(void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
	look_at(m, folder, S_IXOTH);
}

int groups_join(const char *const *sockets, size_t n, gid_t joined[GROUPS_MAX])
{
	struct membership *m cleanup(free_ptr) = NULL;
	int already;

	if (!capabilities_setgid())
		return 0;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	already = getgroups(NGROUPS_MAX, m->member_of);
	if (already < 0)
		return -errno;
	m->n = (size_t)already;
	m->joined = joined;
	for (size_t i = 0; i < n; i++) {
		look_at_folder(m, sockets[i]);
		look_at(m, sockets[i], S_IWOTH);
	}
	if (m->n_joined > 0 && setgroups(m->n, m->member_of) < 0)
		return -errno;
	return (int)m->n_joined;
}
