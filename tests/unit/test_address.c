/* SPDX-License-Identifier: Apache-2.0 */
#include "base/address.h"

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
	struct destination address;

	(void)state;
	assert_null(address_parse_destination("unix:/dev/log", &address));
	assert_int_equal(address.type, DESTINATION_UNIX);
	assert_string_equal(address.socket.sa.un.sun_path, "/dev/log");
	assert_null(address_parse_destination("file:/var/log/portsyncd.log", &address));
	assert_int_equal(address.type, DESTINATION_FILE);
	assert_string_equal(address.path, "/var/log/portsyncd.log");
	assert_null(address_parse_destination("tcp:127.3.2.1:6514", &address));
	assert_int_equal(address.type, DESTINATION_TCP);
	assert_int_equal(address.socket.sa.in.sin_family, AF_INET);
	assert_int_equal(ntohs(address.socket.sa.in.sin_port), 6514);
	assert_int_equal(ntohl(address.socket.sa.in.sin_addr.s_addr), 0x7f030201);
	assert_null(address_parse_destination("tcp:[::1]:65535", &address));
	assert_int_equal(address.socket.sa.in6.sin6_family, AF_INET6);
	assert_int_equal(ntohs(address.socket.sa.in6.sin6_port), 65535);
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
		"tcp:[::ffff:127.0.0.1]:6514",
	};
	static const char *const elsewhere[] = {"tcp:192.0.2.1:6514",     "tcp:0.0.0.0:6514",    "tcp:[::]:6514",
						"tcp:[2001:db8::1]:6514", "tcp:[0:0:1::1]:6514", "tcp:[::1:0:0:1]:6514",
						"tcp:[::2]:6514"};
	char text[400] = "unix:/";
	struct destination address;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		assert_string_equal(address_parse_destination(none[i], &address), "is not an address");
	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++)
		assert_string_equal(address_parse_destination(elsewhere[i], &address),
				    "is not on this machine: lines go out unencrypted");
	assert_non_null(strstr(address_parse_destination("file:", &address), "absolute path"));
	assert_non_null(strstr(address_parse_destination("file:log", &address), "absolute path"));
	assert_non_null(strstr(address_parse_destination("file:/var/log/", &address), "absolute path"));
	assert_non_null(strstr(address_parse_destination("unix:log", &address), "absolute path"));
	memset(text + 6, 'x', 107);
	assert_non_null(strstr(address_parse_destination(text, &address), "at most 107 bytes"));
	memset(text + 6, 'x', 300);
	assert_string_equal(address_parse_destination(text, &address), "is too long");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
