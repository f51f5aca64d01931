/* SPDX-License-Identifier: Apache-2.0 */
#include "paces.h"

static enum worker_pace last;

void __real_worker_give(struct worker *w, enum worker_pace pace);
void __wrap_worker_give(struct worker *w, enum worker_pace pace);

void __wrap_worker_give(struct worker *w, enum worker_pace pace)
{
	last = pace;
	__real_worker_give(w, pace);
}

enum worker_pace last_pace(void)
{
	return last;
}
