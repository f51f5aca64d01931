/* SPDX-License-Identifier: Apache-2.0 */
/* The address of target rfc5424: "unix:/dev/log", "tcp:127.0.0.1:6514", "tcp:[::1]:6514", "file:/var/log/x.log". */
#ifndef PORTSYNCD_LOG_ADDRESS_H
#define PORTSYNCD_LOG_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#define LOG_ADDRESS_MAX 255 /* bytes of the text */

enum log_address_type { LOG_ADDRESS_UNIX, LOG_ADDRESS_TCP, LOG_ADDRESS_FILE };

struct log_address {
	enum log_address_type type;
	const char *path; /* of unix and file; into the text */
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} socket; /* of unix and tcp */
	socklen_t len;
};

/* Parses text. Returns NULL, or what is wrong with it. Lines are not encrypted, so a TCP target must be on this
 * machine. */
const char *logaddress_parse(const char *text, struct log_address *address);

#endif
