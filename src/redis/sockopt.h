/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel is asked for on a socket to Redis. For conn.c alone. */
#ifndef PORTSYNCD_SOCKOPT_H
#define PORTSYNCD_SOCKOPT_H

/*
 * Bytes asked for; the kernel caps it at net.core.wmem_max or rmem_max and doubles it for its own overhead (socket(7)).
 * Room for the largest batch in one send(), also when the batch before was not read yet: 1,000 rows are 166 KB. A Unix
 * socket with the usual 212,992 bytes takes 219 KB in one send(), but only 278 commands of 130 bytes one by one.
 */
#define SOCKOPT_BUFFER_BYTES (1 << 20)

/* An idle connection whose other end is silent is given up after 30 + 3 * 5 s (tcp(7)). */
#define SOCKOPT_KEEPIDLE_SECS 30
#define SOCKOPT_KEEPINTVL_SECS 5
#define SOCKOPT_KEEPCNT 3

/*
 * For a stream socket of this family (AF_UNIX, AF_INET, AF_INET6) that is not connected yet: TCP chooses its window
 * scale, by the receive buffer, when it connects. What the kernel refuses stays as it was. To close a TCP socket resets
 * the connection: what was written and not acknowledged is lost on purpose.
 */
void sockopt_apply(int fd, int family);

#endif
