/* SPDX-License-Identifier: Apache-2.0 */
/* Which of a worker's threads got the last piece. Linked into a program, worker_give() is wrapped (meson.build). */
#ifndef PORTSYNCD_PACES_H
#define PORTSYNCD_PACES_H

#include "base/worker.h"

enum worker_pace last_pace(void);

#endif
