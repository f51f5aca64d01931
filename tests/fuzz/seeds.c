/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In place of libFuzzer, on architectures without it: gives a target each of the named files once.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
__attribute__((weak)) int LLVMFuzzerInitialize(const int *argc, char ***argv);

/* In memory of exactly its size, so that a read past its end is noticed. */
static int give(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data;
	long size;

	if (!file || fseek(file, 0, SEEK_END) < 0 || (size = ftell(file)) < 0)
		return -1;
	rewind(file);
	data = malloc((size_t)size);
	if ((!data && size > 0) || fread(data, 1, (size_t)size, file) != (size_t)size)
		return -1;
	(void)fclose(file);
	(void)LLVMFuzzerTestOneInput(data, (size_t)size);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		(void)fprintf(stderr, "no seeds\n");
		return 1;
	}
	if (LLVMFuzzerInitialize)
		(void)LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++) {
		if (give(argv[i]) < 0) {
			perror(argv[i]);
			return 1;
		}
	}
	(void)printf("%d seeds\n", argc - 1);
	return 0;
}
