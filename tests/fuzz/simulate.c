/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In place of libFuzzer: gives a target random inputs, each made from its number, until so many steps are done. Names
 * an input that breaks the target; the same number makes the same input, and so the same run.
 *
 *   sim_NAME STEPS [FIRST]    from this number on (default 1); STEPS 1: only that one
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"
#include "model_loop.h"

#define BYTES_MAX 600

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t seed;
static char last_words[64]; /* prepared for a signal handler, which may call hardly any function */
static size_t last_words_len;

/* splitmix64 */
static uint64_t next(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void run(void)
{
	uint64_t state = seed;
	size_t size = 1 + (size_t)(next(&state) % BYTES_MAX);
	uint8_t *data = malloc(size);

	last_words_len = (size_t)snprintf(last_words, sizeof(last_words), "seed %" PRIu64 " breaks it\n", seed);
	if (!data)
		abort();
	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)next(&state);
	(void)LLVMFuzzerTestOneInput(data, size);
	free(data);
}

/* The program ends here anyway. */
static void on_abort(int number)
{
	(void)number;
	if (write(STDERR_FILENO, last_words, last_words_len) < 0)
		_exit(1);
}

int main(int argc, char **argv)
{
	uint64_t steps = argc > 1 ? strtoull(argv[1], NULL, 10) : 0, first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

	if (steps == 0) {
		(void)fprintf(stderr, "%s STEPS [FIRST]\n", argv[0]);
		return 2;
	}
	(void)signal(SIGABRT, on_abort);
	for (seed = first; loop_steps() < steps; seed++)
		run();
	(void)printf("%" PRIu64 " steps, seeds %" PRIu64 " to %" PRIu64 ", no finding\n", loop_steps(), first,
		     seed - 1);
	return 0;
}
