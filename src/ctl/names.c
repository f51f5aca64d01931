/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/names.h"

#include <fnmatch.h>
#include <string.h>

#include "base/util.h"

#define DIGITS "0123456789"
#define PATTERN_MAX 256 /* a longer one fits no name */

/* Digits of any length, without leading zeros, as strcmp(). */
static int compare_numbers(const char *a, size_t a_len, const char *b, size_t b_len)
{
	if (a_len != b_len)
		return a_len < b_len ? -1 : 1;
	return strncmp(a, b, a_len);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Skips zeros, and returns how many digits follow. */
static size_t number(const char **text)
{
	size_t n = 0;

	while ((*text)[0] == '0' && is_digit((*text)[1]))
		(*text)++;
	while (is_digit((*text)[n]))
		n++;
	return n;
}

int names_compare(const char *a, const char *b)
{
	const char *left = a, *right = b;

	while (*left != '\0' && *right != '\0') {
		size_t n = number(&left), m = number(&right);
		int order = n && m ? compare_numbers(left, n, right, m) : (unsigned char)*left - (unsigned char)*right;

		if (order != 0)
			return order;
		left += n ? n : 1;
		right += m ? m : 1;
	}
	if (*left != *right)
		return (unsigned char)*left - (unsigned char)*right;
	return strcmp(a, b);
}

/* "Ethernet168-180", or "Ethernet168-Ethernet180". */
static bool in_range(const char *name, const char *pattern)
{
	size_t prefix = strcspn(pattern, DIGITS), len, from_len, to_len;
	const char *from = pattern + prefix, *to, *end;

	from_len = number(&from);
	if (from_len == 0 || from[from_len] != '-')
		return false;
	to = from + from_len + 1;
	if (prefix > 0 && strncmp(to, pattern, prefix) == 0)
		to += prefix;
	to_len = number(&to);
	end = to + to_len;
	if (to_len == 0 || *end != '\0' || strncmp(name, pattern, prefix) != 0)
		return false;
	name += prefix;
	len = number(&name);
	return len > 0 && name[len] == '\0' && compare_numbers(from, from_len, name, len) <= 0 &&
	       compare_numbers(name, len, to, to_len) <= 0;
}

static bool match_one(const char *name, const char *pattern)
{
	return strcmp(name, pattern) == 0 || fnmatch(pattern, name, 0) == 0 || in_range(name, pattern);
}

/* One argument: patterns between commas. */
static bool match_list(const char *name, const char *list)
{
	for (;;) {
		size_t len = strcspn(list, ",");
		char pattern[PATTERN_MAX];

		if (len < sizeof(pattern)) {
			memcpy(pattern, list, len);
			pattern[len] = '\0';
			if (match_one(name, pattern))
				return true;
		}
		if (list[len] == '\0')
			return false;
		list += len + 1;
	}
}

bool names_match(const char *name, int n, char *const *patterns)
{
	for (int i = 0; i < n; i++)
		if (match_list(name, patterns[i]))
			return true;
	return n == 0;
}
