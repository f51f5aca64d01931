/* SPDX-License-Identifier: Apache-2.0 */
/* The way from the kernel's links to the rows, under a Redis without faults. */
#include "world.pml"
#include "links.pml"
#include "instant.pml"
#include "kernel.pml"
#include "watch.pml"

#define AT_REST (watch == SYNCED && empty(events) && !overrun)
#ifdef REREAD
#define RECONCILE reread_all()
#else
#define RECONCILE skip
#endif
#include "judge.pml"
