/* SPDX-License-Identifier: Apache-2.0 */
#include "log/kinds.h"

#define LOG_INFO_OF(symbol, name, id, lines) [KIND_##symbol] = {name, id, lines, false},
#define AUDIT_INFO_OF(symbol, name, id, lines) [AUDIT_##symbol] = {name, id, lines, true},

const struct log_kind_info log_kinds[KINDS] = {LOG_KINDS(LOG_INFO_OF) AUDIT_KINDS(AUDIT_INFO_OF)};
