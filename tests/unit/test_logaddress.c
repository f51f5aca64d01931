/* SPDX-License-Identifier: Apache-2.0 */
#include "log/address.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"

static void good(void **state)
{
	struct log_address address;

	(void)state;
	assert_null(logaddress_parse("unix:/dev/log", &address));
	assert_int_equal(address.type, LOG_ADDRESS_UNIX);
	assert_string_equal(address.socket.un.sun_path, "/dev/log");
	assert_null(logaddress_parse("file:/var/log/portsyncd.log", &address));
	assert_int_equal(address.type, LOG_ADDRESS_FILE);
	assert_string_equal(address.path, "/var/log/portsyncd.log");
	assert_null(logaddress_parse("tcp:127.3.2.1:6514", &address));
	assert_int_equal(address.type, LOG_ADDRESS_TCP);
	assert_int_equal(address.socket.in.sin_family, AF_INET);
	assert_int_equal(ntohs(address.socket.in.sin_port), 6514);
	assert_int_equal(ntohl(address.socket.in.sin_addr.s_addr), 0x7f030201);
	assert_null(logaddress_parse("tcp:[::1]:65535", &address));
	assert_int_equal(address.socket.in6.sin6_family, AF_INET6);
	assert_int_equal(ntohs(address.socket.in6.sin6_port), 65535);
}

static void bad(void **state)
{
	static const char *const none[] = {
		"",
		"/dev/log",
		"udp:127.0.0.1:514",
		"tcp:127.0.0.1",
		"tcp:127.0.0.1:0",
		"tcp:::1:6",
		"tcp:[127.0.0.1]:6",
		"tcp:[::1:6",
		"tcp:localhost:514",
		"tcp:127.0.0.1:65536",
		"tcp:[]:6",
		"tcp::6",
		"tcp:127.0.0.1: 6",
		"tcp:127.0.0.1:+6",
		"tcp:127.0.0.1:6x",
	};
	static const char *const elsewhere[] = {"tcp:192.0.2.1:6514", "tcp:0.0.0.0:6514", "tcp:[::]:6514",
						"tcp:[2001:db8::1]:6514", "tcp:[::ffff:127.0.0.1]:6514"};
	char text[400] = "unix:/";
	struct log_address address;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		assert_string_equal(logaddress_parse(none[i], &address), "is not an address");
	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++)
		assert_string_equal(logaddress_parse(elsewhere[i], &address),
				    "is not on this machine: lines go out unencrypted");
	assert_non_null(strstr(logaddress_parse("file:", &address), "absolute path"));
	assert_non_null(strstr(logaddress_parse("file:log", &address), "absolute path"));
	assert_non_null(strstr(logaddress_parse("file:/var/log/", &address), "absolute path"));
	assert_non_null(strstr(logaddress_parse("unix:log", &address), "absolute path"));
	memset(text + 6, 'x', 107);
	assert_non_null(strstr(logaddress_parse(text, &address), "at most 107 bytes"));
	memset(text + 6, 'x', 300);
	assert_string_equal(logaddress_parse(text, &address), "is too long");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
