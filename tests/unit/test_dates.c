/* SPDX-License-Identifier: Apache-2.0 */
/* Times after January 2038, when the seconds since the epoch need more than 31 bits. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/util.h"
#include "http/tls.h"
#include "log/format.h"
#include "metrics/changejson.h"
#include "metrics/page.h"
#include "recorder/folder.h"
#include "scratch.h"
#include "test.h"

#define LATE_SEC UINT64_C(2380435750) /* date -ud '2045-06-07 08:09:10' +%s */
#define YEAR_2030 UINT64_C(1893456000)
#define YEARS_END_9999 UINT64_C(253402300799)
/* What gnutls says of any later time where its own has 32 bits: 2037-12-31. */
#define GNUTLS_LAST UINT64_C(2145914603)

static const char key[] = "-----BEGIN PRIVATE KEY-----\n"
			  "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDAcumf3rhkAkbRveLYg\n"
			  "ZReMLEc5gyPg/yQ8qvyMxrxPyfIlysxw9m0+vM8MLltwM0yhZANiAARaQoSo2nA5\n"
			  "/rGywDvjHCm5OiDYYSgiDIISEHxdgZWJ4pilDbcYYj4zW82gwdhvPbJbW8NCdV/W\n"
			  "ZKMDlrI1XtsT6h6yUlJW+w8rlDBAYcY/qro9pO6SlaxebyIpFez0yRs=\n"
			  "-----END PRIVATE KEY-----\n";

static const char until_2030[] = "-----BEGIN CERTIFICATE-----\n"
				 "MIIBSDCBzqADAgECAgEBMAoGCCqGSM49BAMDMA8xDTALBgNVBAMMBGxhdGUwHhcN\n"
				 "MjAwMTAxMDAwMDAwWhcNMzAwMTAxMDAwMDAwWjAPMQ0wCwYDVQQDDARsYXRlMHYw\n"
				 "EAYHKoZIzj0CAQYFK4EEACIDYgAEWkKEqNpwOf6xssA74xwpuTog2GEoIgyCEhB8\n"
				 "XYGVieKYpQ23GGI+M1vNoMHYbz2yW1vDQnVf1mSjA5ayNV7bE+oeslJSVvsPK5Qw\n"
				 "QGHGP6q6PaTukpWsXm8iKRXs9MkbMAoGCCqGSM49BAMDA2kAMGYCMQCyCiiQ0JGF\n"
				 "GEe7GCVPctUzpb3xNjWLbqOJoXDhxJmUrz35dQGe9iYCUHfmeq0X/OACMQC/wKMq\n"
				 "7rJTd/+5J0FEoWTUUFa3Pz6nbmoqydqKjkv8PKAvhyCYN2mGpInkfQsg3O4=\n"
				 "-----END CERTIFICATE-----\n";

static const char until_2045[] = "-----BEGIN CERTIFICATE-----\n"
				 "MIIBSDCBzqADAgECAgEBMAoGCCqGSM49BAMDMA8xDTALBgNVBAMMBGxhdGUwHhcN\n"
				 "MjAwMTAxMDAwMDAwWhcNNDUwNjA3MDgwOTEwWjAPMQ0wCwYDVQQDDARsYXRlMHYw\n"
				 "EAYHKoZIzj0CAQYFK4EEACIDYgAEWkKEqNpwOf6xssA74xwpuTog2GEoIgyCEhB8\n"
				 "XYGVieKYpQ23GGI+M1vNoMHYbz2yW1vDQnVf1mSjA5ayNV7bE+oeslJSVvsPK5Qw\n"
				 "QGHGP6q6PaTukpWsXm8iKRXs9MkbMAoGCCqGSM49BAMDA2kAMGYCMQCGHyu+NkX/\n"
				 "44N9TdKyoNnmggnI6SobJABh8AYQmjBut16LUvg38UK/MDoPhKsW5BcCMQDBeP3I\n"
				 "GMU23Myo/ruytWRvQR98s+5KI2FMeqGeWcmmqVlkx8Byv2GqHV92mf2GNPc=\n"
				 "-----END CERTIFICATE-----\n";

static const char until_9999[] = "-----BEGIN CERTIFICATE-----\n"
				 "MIIBSjCB0KADAgECAgEBMAoGCCqGSM49BAMDMA8xDTALBgNVBAMMBGxhdGUwIBcN\n"
				 "MjAwMTAxMDAwMDAwWhgPOTk5OTEyMzEyMzU5NTlaMA8xDTALBgNVBAMMBGxhdGUw\n"
				 "djAQBgcqhkjOPQIBBgUrgQQAIgNiAARaQoSo2nA5/rGywDvjHCm5OiDYYSgiDIIS\n"
				 "EHxdgZWJ4pilDbcYYj4zW82gwdhvPbJbW8NCdV/WZKMDlrI1XtsT6h6yUlJW+w8r\n"
				 "lDBAYcY/qro9pO6SlaxebyIpFez0yRswCgYIKoZIzj0EAwMDaQAwZgIxAIpzv6yV\n"
				 "691y3DzaLtBk1BjUwtR+GIyGAh9caL5pO1WWq2LWLvUZq32yexND8988YgIxAPGQ\n"
				 "0602BwZrEhkRrG3Mdo7n2+y7MTL4Q76edxMbDHkLlwLkI8pEYStJI4eBPEu0eQ==\n"
				 "-----END CERTIFICATE-----\n";

struct fixture {
	char folder[SCRATCH_BYTES], cert[96], key[96];
};

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	scratch_make(fx->folder);
	(void)snprintf(fx->cert, sizeof(fx->cert), "%s/cert", fx->folder);
	(void)snprintf(fx->key, sizeof(fx->key), "%s/key", fx->folder);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	scratch_remove(fx->folder);
	free(fx);
	return 0;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fchmod(fileno(file), 0600), 0);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void a_name_of_a_recording(void **state)
{
	const struct fixture *fx = *state;
	char name[FOLDER_NAME_BYTES], path[160];
	struct stat st;

	assert_int_equal(folder_write(fx->folder, (time_t)LATE_SEC, "x", 1, name), 0);
	assert_string_equal(name, "swss.portsyncd.20450607T080910.0Z.pcapng");
	(void)snprintf(path, sizeof(path), "%s/%s", fx->folder, name);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(unlink(path), 0);
}

/* A file that is that young; ext4 and tmpfs can tell. */
static void a_file_of_that_time(void **state)
{
	const struct fixture *fx = *state;
	const struct timespec times[2] = {{.tv_sec = (time_t)LATE_SEC}, {.tv_sec = (time_t)LATE_SEC}};
	char *text cleanup(free_ptr) = NULL;
	struct stat st;

	write_file(fx->cert, "text");
	assert_int_equal(utimensat(AT_FDCWD, fx->cert, times, 0), 0);
	assert_int_equal(stat(fx->cert, &st), 0);
	assert_int_equal(st.st_mtim.tv_sec, (time_t)LATE_SEC);
	assert_int_equal(file_read_text(fx->cert, 100, &text), 0);
	assert_string_equal(text, "text");
}

static void a_line_of_the_log(void **state)
{
	static const struct log_origin origin = {.pid = 42};
	struct log_record record = {
		.realtime_usec = LATE_SEC * USEC_PER_SEC + 11, .kind = KIND_STARTED, .function = "f", .file = "x.c"};
	char line[LOG_LINE_BYTES + 1];

	(void)state;
	line[logformat_rfc5424(&record, &origin, line, LOG_LINE_BYTES)] = '\0';
	assert_non_null(strstr(line, " 2045-06-07T08:09:10.000011Z "));
}

static void a_change_of_a_port(void **state)
{
	static const char expected[] = "\"2045-06-07T08:09:10.000011Z\"";
	const struct change change = {.at_usec = LATE_SEC * USEC_PER_SEC + 11, .port = "Ethernet0"};
	struct text out = {0};

	(void)state;
	changejson_write(&out, &change);
	assert_non_null(memmem(out.data, out.len, expected, strlen(expected)));
	free(out.data);
}

static void a_moment_on_a_page(void **state)
{
	static const char expected[] = "\"2045-06-07T08:09:10.011Z\"";
	struct text out = {0};

	(void)state;
	put_stamp(&out, LATE_SEC * MSEC_PER_SEC + 11);
	assert_non_null(memmem(out.data, out.len, expected, strlen(expected)));
	free(out.data);
}

static uint64_t expiry_of(const struct fixture *fx, const char *cert)
{
	const struct http_options opt = {.cert = fx->cert, .key = fx->key};
	gnutls_certificate_credentials_t credentials;
	struct http_tls_digest digest;
	char error[256] = "";

	write_file(fx->cert, cert);
	write_file(fx->key, key);
	assert_int_equal(http_tls_load(&credentials, &digest, &opt, error, sizeof(error)), 0);
	gnutls_certificate_free_credentials(credentials);
	return digest.expires;
}

static void the_end_of_a_certificate(void **state)
{
	const struct fixture *fx = *state;

	assert_int_equal(expiry_of(fx, until_2030), YEAR_2030);
#ifdef PORTSYNCD_LIBRARIES_TIME32
	assert_int_equal(expiry_of(fx, until_2045), GNUTLS_LAST);
	assert_int_equal(expiry_of(fx, until_9999), GNUTLS_LAST);
#else
	assert_int_equal(expiry_of(fx, until_2045), LATE_SEC);
	assert_int_equal(expiry_of(fx, until_9999), YEARS_END_9999);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_name_of_a_recording), TEST(a_file_of_that_time), TEST(a_line_of_the_log),
		TEST(a_change_of_a_port),    TEST(a_moment_on_a_page),  TEST(the_end_of_a_certificate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
