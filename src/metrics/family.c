/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/family.h"

#include <string.h>

#include "base/util.h"

/* A counter's samples end in _total. OpenMetrics calls its family by the name before that. */
static size_t family_length(const struct families *f, enum family_type type)
{
	return f->name_len - (type == FAMILY_COUNTER && f->open ? strlen("_total") : 0);
}

static bool ends_in(const char *name, size_t len, const char *unit)
{
	size_t unit_len = strlen(unit);

	return len > unit_len && memcmp(name + len - unit_len, unit, unit_len) == 0;
}

static void put_about(const struct families *f, const char *what, size_t name_len, const char *text)
{
	text_put(f->out, what);
	text_add(f->out, f->name, name_len);
	text_put(f->out, " ");
	text_put(f->out, text);
	text_put(f->out, "\n");
}

void family_begin(struct families *f, enum family_type type, const char *name, const char *help)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	size_t len;

	f->name = name;
	f->name_len = strlen(name);
	len = family_length(f, type);
	put_about(f, "# HELP ", len, help);
	put_about(f, "# TYPE ", len, types[type]);
	if (f->open && ends_in(name, len, "_seconds"))
		put_about(f, "# UNIT ", len, "seconds");
	if (f->open && ends_in(name, len, "_bytes"))
		put_about(f, "# UNIT ", len, "bytes");
}

static void put_labels(const struct families *f, const struct family_labels *labels)
{
	if (!labels->at[0].name)
		return;
	text_put(f->out, "{");
	for (size_t i = 0; i < ARRAY_SIZE(labels->at) && labels->at[i].name; i++) {
		if (i > 0)
			text_put(f->out, ",");
		text_put(f->out, labels->at[i].name);
		text_put(f->out, "=");
		text_label(f->out, labels->at[i].value);
	}
	text_put(f->out, "}");
}

static void put_figure(const struct families *f, enum family_form form, uint64_t figure)
{
	text_put(f->out, " ");
	if (form == FAMILY_SECONDS)
		text_seconds(f->out, figure);
	else
		text_number(f->out, figure);
	text_put(f->out, "\n");
}

static void put_sample(const struct families *f, const char *suffix, struct family_labels labels, enum family_form form,
		       uint64_t figure)
{
	text_add(f->out, f->name, f->name_len);
	text_put(f->out, suffix);
	put_labels(f, &labels);
	put_figure(f, form, figure);
}

const struct family_labels family_none;

struct family_labels family_one(const char *name, const char *text)
{
	return (struct family_labels){{{name, text}}};
}

struct family_labels family_two(struct family_label first, struct family_label second)
{
	return (struct family_labels){{first, second}};
}

void family_sample(const struct families *f, struct family_labels labels, uint64_t figure)
{
	put_sample(f, "", labels, FAMILY_NUMBER, figure);
}

void family_sample_seconds(const struct families *f, struct family_labels labels, uint64_t nsec)
{
	put_sample(f, "", labels, FAMILY_SECONDS, nsec);
}

void family_sample_histogram(const struct families *f, struct family_labels own, const struct snapshot_hist *h,
			     const struct snapshot_bounds *bounds, enum family_form form)
{
	for (size_t i = 0; i <= bounds->n; i++) {
		const struct family_label le = {"le", i < bounds->n ? bounds->labels[i] : "+Inf"};

		put_sample(f, "_bucket", own.at[0].name ? family_two(own.at[0], le) : family_two(le, own.at[0]),
			   FAMILY_NUMBER, i < bounds->n ? h->below[i] : h->count);
	}
	put_sample(f, "_sum", own, form, h->sum);
	put_sample(f, "_count", own, FAMILY_NUMBER, h->count);
}

void family_counter(struct families *f, const char *name, const char *help, uint64_t figure)
{
	family_begin(f, FAMILY_COUNTER, name, help);
	family_sample(f, family_none, figure);
}

void family_counter_seconds(struct families *f, const char *name, const char *help, uint64_t nsec)
{
	family_begin(f, FAMILY_COUNTER, name, help);
	family_sample_seconds(f, family_none, nsec);
}

void family_gauge(struct families *f, const char *name, const char *help, uint64_t figure)
{
	family_begin(f, FAMILY_GAUGE, name, help);
	family_sample(f, family_none, figure);
}

void family_gauge_seconds(struct families *f, const char *name, const char *help, uint64_t nsec)
{
	family_begin(f, FAMILY_GAUGE, name, help);
	family_sample_seconds(f, family_none, nsec);
}

void family_histogram(struct families *f, const char *name, const char *help, const struct snapshot_hist *h,
		      const struct snapshot_bounds *bounds, enum family_form form)
{
	family_begin(f, FAMILY_HISTOGRAM, name, help);
	family_sample_histogram(f, family_none, h, bounds, form);
}

void family_gauge_timestamp(struct families *f, const char *name, const char *help, uint64_t nsec)
{
	if (nsec)
		family_gauge_seconds(f, name, help, nsec + f->epoch_nsec);
}

void family_sample_text(const struct families *f, const char *labels, size_t len, const char *more,
			enum family_form form, uint64_t figure)
{
	text_add(f->out, f->name, f->name_len);
	text_add(f->out, labels, len);
	text_put(f->out, more);
	text_put(f->out, "}");
	put_figure(f, form, figure);
}
