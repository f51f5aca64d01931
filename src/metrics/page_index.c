/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/page.h"

#define HTML_TYPE "text/html; charset=utf-8"

void page_index(const struct visit *visit)
{
	static const char html[] =
		"<!doctype html>\n<html lang=\"en\"><head><title>portsyncd</title></head><body>\n"
		"<h1>portsyncd " PORTSYNCD_VERSION "</h1>\n<ul>\n"
		"<li><a href=\"/metrics\">/metrics</a> figures for Prometheus</li>\n"
		"<li><a href=\"/status\">/status</a> what is wrong, since when, why, and the remedy</li>\n"
		"<li><a href=\"/healthz\">/healthz</a> each check, its value and limit</li>\n"
		"<li><a href=\"/livez\">/livez</a> the event loop turns</li>\n"
		"<li><a href=\"/readyz\">/readyz</a> in sync, connected, PortInitDone sent</li>\n"
		"<li><a href=\"/ports\">/ports</a> every port; /ports/&lt;name&gt; one of them</li>\n"
		"<li><a href=\"/history\">/history</a> the last changes; ?port=&lt;name&gt;&amp;last=&lt;n&gt; some of "
		"them</li>\n"
		"<li><a href=\"/config\">/config</a> every setting, and where it comes from</li>\n"
		"</ul>\n</body></html>\n";
	struct text text = {0};

	text_put(&text, html);
	answer_text(visit->out, HTML_TYPE, &text);
}
