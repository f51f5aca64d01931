/* SPDX-License-Identifier: Apache-2.0 */
/* In the place of pthread_create() in a test that is not run under ThreadSanitizer. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*run)(void *), void *arg);

int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*run)(void *), void *arg)
{
	(void)ret;
	(void)attributes;
	(void)run;
	(void)arg;
	(void)fprintf(stderr, "this test starts a thread: name it in `threaded` of tests/unit/meson.build\n");
	abort();
}
