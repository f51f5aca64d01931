/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PORTSYNCD_UTF8_H
#define PORTSYNCD_UTF8_H

#include <stddef.h>

/* Length in bytes of the UTF-8 character at s, of which left > 0 bytes are there; 0: cut short, overlong, a surrogate
 * or past U+10FFFF (RFC 3629). */
size_t utf8_length(const unsigned char *s, size_t left);

#endif
