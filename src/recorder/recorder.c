/* SPDX-License-Identifier: Apache-2.0 */
#include "recorder/recorder.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#define LINE 64 /* bytes of a cache line: an entry begins on one */
#define HEAD sizeof(struct stored)
#define HUGE_PAGE (2U << 20)
#define PAGE 4096U     /* the least of any kernel */
#define CHECKPOINTS 16 /* remembered; an eighth of the ring apart, more than there can be */
#define PARTS 8
#define IN_DUMP 1U /* a position is a multiple of LINE */
#define COPIES 4
#define STEPS 64 /* parts of the ring, which the writer reserves one by one */
#define NAMES 3
#define ROWS 2

/*
 * An entry of the ring. Decisions are packed: of a datagram the first one stands in front of its bytes, and the first
 * byte there is 0 if there is none; else up to NAMES or ROWS of the same act and time share a line.
 */
struct stored {
	uint64_t nsec;
	uint32_t len;          /* of the data */
	uint16_t kind, detail; /* enum recorder_kind or PACKED + enum recorder_act; of these detail counts */
	unsigned char data[];
};
#define PACKED (RECORDER_ENTRY_PAD + 1U)
#define OTHER RECORDER_ENTRY_PAD

/* The name's last byte, which is 0 in a name, has the fields. */
struct packed {
	char port[NAMES][IFNAMSIZ];
};
struct packed_rows {
	char port[ROWS][IFNAMSIZ];
	struct recorder_row row[ROWS];
};

_Static_assert(HEAD == 16 && IFNAMSIZ == HEAD && sizeof(struct recorder_row) == 8, "each is one store, or a half");
_Static_assert(HEAD + sizeof(struct packed) == LINE && HEAD + sizeof(struct packed_rows) == LINE, "each is a line");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "positions are written and read without a lock");

/* What one instruction stores. */
#ifdef __x86_64__
typedef __m128i chunk;
#else
typedef struct {
	_Alignas(HEAD) uint64_t words[2];
} chunk;
#endif

/*
 * Positions count bytes since the start and only grow; a byte's place is its position modulo the size. Bytes between
 * reserved - size and committed are good.
 */
static struct {
	/*
	 * The loop's: what each entry needs, in one line. head and offset apart, else gcc changes both by one
	 * instruction here and by two there, and the load of what was stored in halves waits for both.
	 */
	_Alignas(LINE) unsigned char *bytes; /* NULL: off */
	uint64_t head;                       /* position of the next entry */
	size_t size;
	size_t offset;                   /* of the next entry */
	uint64_t published, reserved_to; /* as committed and reserved */
	uint64_t datagrams;
	uint64_t nsec;

	/* The first line of the last entry, which decisions may be added to: it goes into the ring with what follows.
	 */
	_Alignas(LINE) chunk line[LINE / HEAD];
	unsigned char *line_to; /* NULL: it is there */
	unsigned takes;         /* of what kind it is; OTHER: it takes no decision */
	uint16_t taken;
	bool wide;    /* store_lines() */
	bool in_dump; /* the last checkpoint was made while a dump was being read */

	/* Everybody's: */
	_Atomic uint64_t reserved; /* the writer may be overwriting up to here, less the size */
	_Atomic uint64_t committed;
	_Atomic uint64_t received;                 /* datagrams of them */
	_Atomic uint64_t checkpoints[CHECKPOINTS]; /* positions or'ed with IN_DUMP, the newest at n_checkpoints - 1 */
	_Atomic uint64_t n_checkpoints;

	/* The loop's, too: */
	uint64_t checkpoint; /* position of the last one */
	uint64_t due;        /* where the next one should be */
	enum recorder_why why;
	bool triggered;
	char text[RECORDER_TEXT_MAX];
} ring;

/* --- memory --- */

static size_t rounded(size_t bytes, size_t to)
{
	return (bytes + to - 1) / to * to;
}

/* The length of an entry with so many bytes of data. */
static size_t whole_length(size_t len)
{
	return rounded(HEAD + len, LINE);
}

static bool has_wide_stores(void)
{
#ifdef __x86_64__
	return __builtin_cpu_supports("avx2");
#else
	return true;
#endif
}

/* Aligned to a huge page, so that the kernel may use one. */
static unsigned char *map(size_t size)
{
	unsigned char *all = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t before;

	if (all == MAP_FAILED)
		return NULL;
	before = rounded((uintptr_t)all, HUGE_PAGE) - (uintptr_t)all;
	if (before > 0)
		(void)munmap(all, before);
	if (HUGE_PAGE - before > 0)
		(void)munmap(all + before + size, HUGE_PAGE - before);
	return all + before;
}

/* The pages are zero already: writing a byte of each is enough. */
static void touch(volatile unsigned char *bytes, size_t size)
{
	for (size_t at = 0; at < size; at += PAGE)
		bytes[at] = 0;
}

/* Changes nothing that is there. Kernels before 5.14 cannot. */
static bool populate(unsigned char *bytes, size_t size)
{
	return madvise(bytes, size, MADV_POPULATE_WRITE) == 0;
}

int recorder_start(size_t bytes)
{
	unsigned char *mapped;
	size_t size;

	if (bytes == 0)
		return 0;
	size = rounded(MAX(bytes, (size_t)RECORDER_MIN_BYTES), RECORDER_MIN_BYTES);
	mapped = map(size);
	if (!mapped)
		return -ENOMEM;
	(void)madvise(mapped, size, MADV_HUGEPAGE);
	(void)madvise(mapped, size, MADV_DONTDUMP);
	if (!populate(mapped, MIN(size, HUGE_PAGE)))
		touch(mapped, size);
	memset(&ring, 0, sizeof(ring));
	ring.size = size;
	ring.takes = OTHER;
	ring.wide = has_wide_stores();
	ring.bytes = mapped;
	return 0;
}

/* In steps, since whoever maps or unmaps memory waits for the one that runs. */
void recorder_settle(void)
{
	for (size_t at = HUGE_PAGE; ring.bytes && at < ring.size; at += HUGE_PAGE)
		(void)populate(ring.bytes + at, MIN(ring.size - at, HUGE_PAGE));
}

void recorder_stop(void)
{
	if (ring.bytes)
		(void)munmap(ring.bytes, ring.size);
	memset(&ring, 0, sizeof(ring));
}

bool recorder_is_on(void)
{
	return ring.bytes != NULL;
}

/* --- writing --- */

/*
 * Lines of the ring are written whole, past the caches: to read them first, though nobody wants what is there, would
 * cost three times as much (docs/design/recorder.md).
 */
#ifdef __x86_64__
static chunk load(const void *from)
{
	return _mm_loadu_si128(from);
}

static void store(unsigned char *to, chunk value)
{
	_mm_stream_si128((__m128i *)(void *)to, value);
}

static chunk make(uint64_t first, uint64_t second)
{
	return _mm_set_epi64x((int64_t)second, (int64_t)first);
}

static chunk either(chunk a, chunk b)
{
	return _mm_or_si128(a, b);
}

/* The last len % 16 bytes of so many, and zeros; in registers, as head_of() says. */
static chunk load_end(const unsigned char *data, size_t len)
{
	__extension__ unsigned __int128 last = 0;

	if (len >= HEAD) {
		memcpy(&last, data + len - HEAD, HEAD);
		last >>= 8 * (HEAD - len % HEAD);
	} else {
		memcpy(&last, data, len);
	}
	return make((uint64_t)last, (uint64_t)(last >> 64));
}

/* Whole lines, with half as many stores. Returns where the data go on. */
__attribute__((target("avx2"))) static size_t store_lines(unsigned char *to, const unsigned char *data, size_t at,
							  size_t len)
{
	for (; at + LINE <= len; at += LINE, to += LINE) {
		__m256i first = _mm256_loadu_si256((const void *)(data + at));
		__m256i second = _mm256_loadu_si256((const void *)(data + at + LINE / 2));

		_mm256_stream_si256((void *)to, first);
		_mm256_stream_si256((void *)(to + LINE / 2), second);
	}
	return at;
}

static void fence(void)
{
	_mm_sfence();
}
#else
static chunk load(const void *from)
{
	chunk value;

	memcpy(&value, from, sizeof(value));
	return value;
}

static void store(unsigned char *to, chunk value)
{
	memcpy(to, &value, sizeof(value));
}

static chunk make(uint64_t first, uint64_t second)
{
	return (chunk){{first, second}};
}

static chunk either(chunk a, chunk b)
{
	return make(a.words[0] | b.words[0], a.words[1] | b.words[1]);
}

/* The last len % 16 bytes of so many, and zeros. */
static chunk load_end(const unsigned char *data, size_t len)
{
	chunk value = {{0}};

	memcpy(&value, data + len / HEAD * HEAD, len % HEAD);
	return value;
}

static size_t store_lines(unsigned char *to, const unsigned char *data, size_t at, size_t len)
{
	const size_t whole = (len - at) / LINE * LINE;

	memcpy(to, data + at, whole);
	return at + whole;
}

static void fence(void)
{
	atomic_thread_fence(memory_order_release);
}
#endif

/*
 * struct stored, made in registers: a load of what was just stored in smaller pieces would wait for all of
 * them.
 */
static chunk head_of(unsigned kind, unsigned detail, size_t len)
{
	const bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
	const unsigned at_len = little ? 0 : 32, at_kind = little ? 32 : 16, at_detail = little ? 48 : 0;

	return make(ring.nsec, (uint64_t)(uint32_t)len << at_len | (uint64_t)(uint16_t)kind << at_kind |
				       (uint64_t)(uint16_t)detail << at_detail);
}

/* Readers see that the bytes are no longer what they were, before one of them changes. In steps: a fence is dear. */
static void reserve(size_t len)
{
	if (ring.head + len <= ring.reserved_to)
		return;
	ring.reserved_to = ring.head + len + ring.size / STEPS;
	atomic_store_explicit(&ring.reserved, ring.reserved_to, memory_order_relaxed);
	fence();
}

/* Where the next entry begins. */
static unsigned char *here(void)
{
	return ring.bytes + ring.offset;
}

static void advance(size_t whole)
{
	ring.head += whole;
	ring.offset += whole;
	if (ring.offset == ring.size)
		ring.offset = 0;
}

static inline void store_line(unsigned char *to, chunk a, chunk b, chunk c, chunk d)
{
	store(to, a);
	store(to + HEAD, b);
	store(to + 2 * HEAD, c);
	store(to + 3 * HEAD, d);
}

static inline void close_line(void)
{
	if (ring.line_to)
		store_line(ring.line_to, ring.line[0], ring.line[1], ring.line[2], ring.line[3]);
	ring.line_to = NULL;
	ring.takes = OTHER;
}

void recorder_turn_ends(void)
{
	close_line();
}

void recorder_publish(void)
{
	if (ring.head == ring.published)
		return;
	close_line();
	/* So that it is rarely due amid a turn. */
	if (ring.reserved_to - ring.head < ring.size / STEPS / 2) {
		ring.reserved_to = ring.head + ring.size / STEPS;
		atomic_store_explicit(&ring.reserved, ring.reserved_to, memory_order_relaxed);
	}
	fence();
	ring.published = ring.head;
	atomic_store_explicit(&ring.received, ring.datagrams, memory_order_relaxed);
	atomic_store_explicit(&ring.committed, ring.head, memory_order_release);
}

/* The rest of a round, which is too short for what comes, is passed over; its bytes stay as they are. */
static void pass_over(size_t rest)
{
	reserve(rest);
	store(here(), head_of(RECORDER_ENTRY_PAD, 0, rest - HEAD));
	advance(rest);
}

static inline void make_way(size_t whole)
{
	size_t rest = ring.size - ring.offset;

	if (rest < whole)
		pass_over(rest);
	reserve(whole);
}

/* Loads what there is from here on, padded with zeros. */
static inline chunk load_rest(const unsigned char *data, size_t at, size_t len)
{
	if (at + HEAD <= len)
		return load(data + at);
	return at < len ? load_end(data, len) : make(0, 0);
}

/* Stores everything from here on, and zeros up to the end of a line. */
static inline void store_rest(unsigned char *to, const unsigned char *data, size_t at, size_t len)
{
	for (; at + HEAD <= len; at += HEAD, to += HEAD)
		store(to, load(data + at));
	if (at < len) {
		store(to, load_end(data, len));
		to += HEAD;
	}
	for (; (uintptr_t)to % LINE != 0; to += HEAD)
		store(to, make(0, 0));
}

static void write_entry(enum recorder_kind kind, unsigned detail, const unsigned char *data, size_t len)
{
	const size_t whole = whole_length(len);

	close_line();
	make_way(whole);
	store(here(), head_of(kind, detail, len));
	store_rest(here() + HEAD, data, 0, len);
	advance(whole);
}

/* Writes a datagram, with a place for a decision. */
static void write_datagram(enum recorder_source source, const unsigned char *data, size_t len)
{
	const size_t whole = whole_length(IFNAMSIZ + len);
	size_t at = 2 * HEAD;
	unsigned char *to;

	close_line();
	make_way(whole);
	ring.line[0] = head_of(RECORDER_ENTRY_DATAGRAM, source, IFNAMSIZ + len);
	ring.line[1] = make(0, 0);
	ring.line[2] = load_rest(data, 0, len);
	ring.line[3] = load_rest(data, HEAD, len);
	ring.line_to = here();
	ring.takes = RECORDER_ENTRY_DATAGRAM;
	to = here() + LINE;
	if (ring.wide && at < len) {
		at = store_lines(to, data, at, len);
		to += at - 2 * HEAD;
	}
	store_rest(to, data, at, len);
	advance(whole);
}

static void put(enum recorder_kind kind, unsigned detail, const void *data, size_t len)
{
	if (ring.bytes)
		write_entry(kind, detail, data, len);
}

void recorder_time(uint64_t nsec)
{
	ring.nsec = nsec;
	ring.takes = OTHER;
}

void recorder_datagram(enum recorder_source source, const void *data, size_t len)
{
	if (!ring.bytes)
		return;
	if (len > ring.size / 4) {
		recorder_note("a datagram of %zu bytes is too long for the recorder", len);
		return;
	}
	ring.datagrams++;
	write_datagram(source, data, len);
}

void recorder_lost(enum recorder_loss loss)
{
	put(RECORDER_ENTRY_LOST, loss, "", 0);
}

void recorder_state(unsigned state, const char *name)
{
	put(RECORDER_ENTRY_STATE, state, name, strlen(name) + 1);
}

static chunk named(const char *port, unsigned fields)
{
	const bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;

	return either(load(port), make(0, (uint64_t)fields << (little ? 56 : 0)));
}

/* A line of its own, for which there is always a place. */
static void begin_line(unsigned kind)
{
	close_line();
	reserve(LINE);
	ring.line_to = here();
	ring.takes = kind;
	ring.taken = 0;
	advance(LINE);
}

/* Which of the decisions that share a line this one becomes. */
static inline unsigned add(unsigned kind, unsigned most, chunk name)
{
	if (ring.takes != kind || ring.taken == most)
		begin_line(kind);
	ring.line[1 + ring.taken] = name;
	ring.line[0] = head_of(kind, ring.taken + 1, LINE - HEAD);
	return ring.taken++;
}

void recorder_owed(const char *port, unsigned fields)
{
	if (!ring.bytes)
		return;
	if (ring.takes != RECORDER_ENTRY_DATAGRAM) {
		(void)add(PACKED + RECORDER_OWED, NAMES, named(port, fields));
		return;
	}
	ring.line[1] = named(port, fields);
	ring.takes = OTHER;
}

void recorder_sent(const char *port, unsigned fields, struct recorder_row row)
{
	unsigned at;

	if (!ring.bytes)
		return;
	at = add(PACKED + RECORDER_SENT, ROWS, named(port, fields));
	memcpy((char *)&ring.line[1 + ROWS] + at * sizeof(row), &row, sizeof(row));
}

void recorder_acked(const char *port, unsigned fields)
{
	if (ring.bytes)
		(void)add(PACKED + RECORDER_ACKED, NAMES, named(port, fields));
}

void recorder_refused(const char *port, unsigned fields, const char *answer)
{
	struct {
		struct recorder_decision decision;
		char answer[RECORDER_TEXT_MAX];
	} refusal = {.decision = {.row = RECORDER_NO_ROW, .fields = fields}};

	memcpy(refusal.decision.port, port, sizeof(refusal.decision.port));
	(void)snprintf(refusal.answer, sizeof(refusal.answer), "%s", answer);
	put(RECORDER_ENTRY_REFUSED, 0, &refusal, sizeof(refusal.decision) + strlen(refusal.answer) + 1);
}

void recorder_connection(const char *label, bool up, const char *reason)
{
	char text[RECORDER_TEXT_MAX];

	if (!ring.bytes)
		return;
	(void)snprintf(text, sizeof(text), "%s%s%s", label, reason[0] ? ": " : "", reason);
	put(RECORDER_ENTRY_CONNECTION, up, text, strlen(text) + 1);
}

void recorder_note(const char *format, ...)
{
	char text[RECORDER_TEXT_MAX];
	va_list args;

	if (!ring.bytes)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	put(RECORDER_ENTRY_NOTE, 0, text, strlen(text) + 1);
}

/* --- checkpoints --- */

bool recorder_checkpoint_due(bool dumping)
{
	return ring.bytes && ring.head >= ring.due + (dumping ? ring.size / 2 : 0);
}

void recorder_checkpoint_begins(unsigned watch_state, const char *state_name, bool dumping)
{
	if (!ring.bytes)
		return;
	ring.in_dump = dumping;
	ring.checkpoint = ring.head;
	put(RECORDER_ENTRY_CHECKPOINT, watch_state, state_name, strlen(state_name) + 1);
}

void recorder_port(const struct recorder_port *port)
{
	put(RECORDER_ENTRY_PORT, 0, port, sizeof(*port));
}

/* A large checkpoint must leave space for the entries between two of them. */
void recorder_checkpoint_ends(void)
{
	uint64_t n;

	if (!ring.bytes)
		return;
	put(RECORDER_ENTRY_END, 0, "", 0);
	recorder_publish();
	ring.due = ring.head + MAX(ring.size / PARTS, 2 * (ring.head - ring.checkpoint));
	n = atomic_load_explicit(&ring.n_checkpoints, memory_order_relaxed);
	atomic_store_explicit(&ring.checkpoints[n % CHECKPOINTS], ring.checkpoint | (ring.in_dump ? IN_DUMP : 0),
			      memory_order_relaxed);
	atomic_store_explicit(&ring.n_checkpoints, n + 1, memory_order_release);
}

/* --- triggers --- */

const char *recorder_why_name(enum recorder_why why)
{
	static const char *const names[RECORDER_WHYS] = {
		[RECORDER_WHY_LOST] = "events_lost",      [RECORDER_WHY_DRIFT] = "drift",
		[RECORDER_WHY_REFUSED] = "write_refused", [RECORDER_WHY_INIT_LATE] = "init_late",
		[RECORDER_WHY_SILENT] = "silent_change",  [RECORDER_WHY_FATAL] = "fatal",
		[RECORDER_WHY_REQUEST] = "request",
	};

	return names[why];
}

void recorder_trigger(enum recorder_why why, const char *format, ...)
{
	char text[RECORDER_TEXT_MAX];
	va_list args;

	if (!ring.bytes)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	recorder_note("%s: %s", recorder_why_name(why), text);
	if (ring.triggered && why != RECORDER_WHY_FATAL)
		return;
	ring.triggered = true;
	ring.why = why;
	memcpy(ring.text, text, sizeof(text));
}

bool recorder_is_triggered(void)
{
	return ring.triggered;
}

void recorder_take_trigger(enum recorder_why *why, char text[RECORDER_TEXT_MAX])
{
	*why = ring.why;
	memcpy(text, ring.text, sizeof(ring.text));
	ring.triggered = false;
}

/* --- requests --- */

static _Atomic int requested;

void recorder_request(enum recorder_request request)
{
	atomic_store(&requested, (int)request);
}

enum recorder_request recorder_take_request(void)
{
	return (enum recorder_request)atomic_exchange(&requested, RECORDER_WANTS_NOTHING);
}

/* --- reading, in any thread --- */

/*
 * Word by word: the writer may overwrite what is read, which is found out afterwards. ThreadSanitizer does not look at
 * these reads, since it would report this race, which does no harm.
 */
__attribute__((no_sanitize("thread"))) static void copy_words(unsigned char *to, const unsigned char *from, size_t len)
{
	uint64_t *out = (uint64_t *)(void *)to;
	const uint64_t *in = (const uint64_t *)(const void *)from;

	for (size_t i = 0; i < len / sizeof(*in); i++)
		out[i] = __atomic_load_n(&in[i], __ATOMIC_RELAXED);
}

static void copy_part(unsigned char *to, uint64_t from, uint64_t until)
{
	size_t offset = (size_t)(from % ring.size), len = (size_t)(until - from), first = MIN(len, ring.size - offset);

	copy_words(to, ring.bytes + offset, first);
	copy_words(to + first, ring.bytes, len - first);
}

static bool is_there(uint64_t position, uint64_t reserved)
{
	return position + ring.size >= reserved;
}

/* The oldest checkpoint from this position on that is there; those amid a dump only where there is no other. */
static bool find_checkpoint(uint64_t at_least, uint64_t reserved, uint64_t *ret)
{
	uint64_t n = atomic_load_explicit(&ring.n_checkpoints, memory_order_acquire);
	bool found = false;

	for (uint64_t i = n - MIN(n, (uint64_t)CHECKPOINTS); i < n; i++) {
		uint64_t noted = atomic_load_explicit(&ring.checkpoints[i % CHECKPOINTS], memory_order_relaxed);
		uint64_t position = noted & ~(uint64_t)IN_DUMP;

		if (position < at_least || !is_there(position, reserved) || (found && (noted & IN_DUMP)))
			continue;
		*ret = position;
		found = true;
		if (!(noted & IN_DUMP))
			return true;
	}
	return found;
}

/* Each round of the ring begins with an entry. */
static uint64_t find_start(uint64_t at_least, uint64_t committed, bool *whole)
{
	uint64_t reserved = atomic_load_explicit(&ring.reserved, memory_order_relaxed), start = 0;

	*whole = find_checkpoint(at_least, reserved + ring.size / STEPS, &start);
	return *whole ? start : committed - committed % ring.size;
}

/* The writer has overwritten what was copied first: what is left begins with a later checkpoint. */
static bool leave_out_overwritten(struct recorder_copy *copy, uint64_t start, uint64_t committed, uint64_t reserved)
{
	uint64_t later;

	if (!copy->whole || !find_checkpoint(start + 1, reserved, &later) || later >= committed)
		return false;
	copy->len = (size_t)(committed - later);
	memmove(copy->bytes, copy->bytes + (later - start), copy->len);
	return true;
}

static bool try_copy(struct recorder_copy *ret, uint64_t *at_least)
{
	uint64_t committed = atomic_load_explicit(&ring.committed, memory_order_acquire);
	uint64_t start = find_start(*at_least, committed, &ret->whole), reserved;

	/* The checkpoint may have come after committed was read. */
	if (start > committed || committed - start > ring.size)
		return false;
	copy_part(ret->bytes, start, committed);
	ret->len = (size_t)(committed - start);
	ret->datagrams = atomic_load_explicit(&ring.received, memory_order_relaxed);
	*at_least = start + 1;
	/* A store is ordered after all loads before it. ThreadSanitizer, unlike a fence, understands it. */
	reserved = atomic_fetch_add_explicit(&ring.reserved, 0, memory_order_acq_rel);
	return is_there(start, reserved) || leave_out_overwritten(ret, start, committed, reserved);
}

int recorder_copy(struct recorder_copy *ret)
{
	uint64_t at_least = 0;

	*ret = (struct recorder_copy){0};
	if (!ring.bytes || atomic_load(&ring.committed) == 0)
		return -ENODATA;
	ret->bytes = malloc(ring.size);
	if (!ret->bytes)
		return -ENOMEM;
	for (unsigned i = 0; i < COPIES; i++)
		if (try_copy(ret, &at_least))
			return 0;
	recorder_copy_free(ret);
	return -EAGAIN;
}

void recorder_copy_free(struct recorder_copy *copy)
{
	free(copy->bytes);
	*copy = (struct recorder_copy){0};
}

/* How many entries it is shown as. */
static unsigned parts_of(const struct stored *stored)
{
	if (stored->kind >= PACKED)
		return stored->detail;
	if (stored->kind == RECORDER_ENTRY_DATAGRAM)
		return stored->data[0] ? 2 : 1;
	return stored->kind != RECORDER_ENTRY_PAD;
}

static const struct recorder_entry *show_decision(struct recorder_copy *copy, const struct stored *stored,
						  enum recorder_act act, unsigned at)
{
	const struct packed *names = (const void *)stored->data;
	const struct packed_rows *rows = (const void *)stored->data;
	struct recorder_decision *decision = &copy->decision;

	*decision = (struct recorder_decision){.row = act == RECORDER_SENT ? rows->row[at] : RECORDER_NO_ROW};
	memcpy(decision->port, names->port[at], sizeof(decision->port));
	decision->fields = (unsigned char)decision->port[IFNAMSIZ - 1];
	decision->port[IFNAMSIZ - 1] = '\0';
	copy->entry = (struct recorder_entry){.nsec = stored->nsec,
					      .len = sizeof(*decision),
					      .kind = RECORDER_ENTRY_DECISION,
					      .detail = act,
					      .data = (const void *)decision};
	return &copy->entry;
}

static const struct recorder_entry *show(struct recorder_copy *copy, const struct stored *stored, unsigned part)
{
	const size_t before = stored->kind == RECORDER_ENTRY_DATAGRAM ? IFNAMSIZ : 0;

	if (stored->kind >= PACKED)
		return show_decision(copy, stored, stored->kind - PACKED, part);
	if (part > 0)
		return show_decision(copy, stored, RECORDER_OWED, 0);
	copy->entry = (struct recorder_entry){.nsec = stored->nsec,
					      .len = stored->len - before,
					      .kind = stored->kind,
					      .detail = stored->detail,
					      .data = stored->data + before};
	return &copy->entry;
}

const struct recorder_entry *recorder_next(struct recorder_copy *copy)
{
	while (copy->at < copy->len) {
		const struct stored *stored = (const void *)(copy->bytes + copy->at);

		if (copy->part < parts_of(stored))
			return show(copy, stored, copy->part++);
		copy->at += whole_length(stored->len);
		copy->part = 0;
	}
	return NULL;
}

void recorder_rewind(struct recorder_copy *copy)
{
	copy->at = copy->part = 0;
}

struct recorder_figures recorder_figures(void)
{
	return (struct recorder_figures){
		.bytes = ring.size,
		.datagrams = atomic_load_explicit(&ring.received, memory_order_relaxed),
		.written = atomic_load_explicit(&ring.committed, memory_order_relaxed),
	};
}
