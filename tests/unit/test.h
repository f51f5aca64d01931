/* SPDX-License-Identifier: Apache-2.0 */
/* A row of the list of tests, each with a set-up of its own. */
#ifndef PORTSYNCD_TEST_H
#define PORTSYNCD_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
