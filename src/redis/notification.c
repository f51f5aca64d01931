/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/notification.h"

void notification_take(const struct resp_value *v, const struct conn_ops *ops, void *user)
{
	if (v->type != RESP_ARRAY || v->n != 4 || !resp_is_string(v->elem[0], "pmessage"))
		return;
	if (v->elem[2]->type == RESP_STRING && v->elem[3]->type == RESP_STRING && ops->message)
		ops->message(v->elem[2], v->elem[3], user);
}
