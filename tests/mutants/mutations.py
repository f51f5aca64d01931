# SPDX-License-Identifier: Apache-2.0
"""What `make mutants` breaks. A file of src; a text that stands in it once; what takes its place; the unit tests that
must notice. `survives` says why none does."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    survives: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.old.strip().splitlines()[0]!r} -> {self.new.strip()!r}"


def of(file: str, tests: str, *changes: tuple[str, ...]) -> list[Mutation]:
    return [Mutation(file, change[0], change[1], tuple(tests.split()), *change[2:]) for change in changes]


MUTATIONS = [
    *of(
        "base/backoff.c",
        "backoff",
        ("delay_ms > b->max_ms / 2", "delay_ms > b->max_ms"),
        ("delay_ms * 2;", "delay_ms + 2;"),
        ("b->next_ms ? b->next_ms : b->initial_ms", "b->initial_ms"),
        ("delay / 4 + 1", "1"),
    ),
    *of(
        "base/cpulist.c",
        "cpulist",
        ("if (first > last ||", "if (first >= last ||"),
        ("cpu <= last; cpu++", "cpu < last; cpu++"),
        ("at > 0 ? \",%u\"", "at > 1 ? \",%u\""),
    ),
    *of(
        "base/hash.c",
        "hash",
        ("while (node && node->key != key)", "while (node && node->key == key)"),
        ("*at = node->next;\n\th->count--;", "*at = node->next;"),
        ("h->count >= h->size", "h->count > 1000 * h->size"),
    ),
    *of(
        "base/hist.c",
        "hist",
        ("h->max = MAX(h->max, nsec)", "h->max = nsec"),
        ("at <= end; at++", "at < end; at++"),
        ("MIN(upper_end(i), h->max)", "upper_end(i)"),
    ),
    *of(
        "kernel/linkmsg.c",
        "linkmsg",
        ("len >= IFNAMSIZ)\n\t\treturn -EBADMSG", "len > IFNAMSIZ)\n\t\treturn -EBADMSG"),
        ("info->ifi_index <= 0", "info->ifi_index < 0"),
        ("attribute->nla_len <= left", "attribute->nla_len <= left + 4"),
        ("return left > 0 ? -EBADMSG : 0", "return 0"),
        (".flags = info->ifi_flags", ".flags = info->ifi_change"),
    ),
    *of(
        "kernel/pace.c",
        "pace",
        ("p->storm ? END_PER_MSEC : BEGIN_PER_MSEC", "BEGIN_PER_MSEC"),
        ("if (elapsed < WINDOW_USEC)", "if (elapsed > WINDOW_USEC)"),
        ("p->window_events = total;", ""),
    ),
    *of(
        "kernel/reply.c",
        "watch_dumps dump reread",
        ("if (nlh->nlmsg_seq != r->reply->seq)", "if (0)"),
        ("return error < 0 ? error : 1", "return 1"),
        ("if (!r->reply->takes_interrupted)", "if (0)"),
    ),
    *of(
        "kernel/reread.c",
        "reread",
        ("r->questions[i].overtaken = true", "r->questions[i].overtaken = false"),
        ("r->stats.void_answers++;\n\t\treread_link(r, answered[i].ifindex);", "r->stats.void_answers++;"),
        ("|| is_waiting(r, ifindex))", ")"),
        ("if (r->ops->differs(row, r->user))", "if (!r->ops->differs(row, r->user))"),
        ("if (r != -ENODEV)", "if (r != -EPERM)"),
    ),
    *of(
        "kernel/watch.c",
        "watch watch_dumps",
        ("w->losses = 0;\n\t\tbackoff_reset(&w->storm);", ""),
        ("w->losses++ ? backoff_next_usec(&w->storm) : 0", "0"),
        ("w->failures = 0;\n\tbackoff_reset(&w->retry);", "backoff_reset(&w->retry);"),
        ("w->stats.overruns++;", ""),
        ("tell_loss(w, \"overrun\", true);\n\t\t\trestart(w);", "tell_loss(w, \"overrun\", true);"),
        ("else if (empty && w->state == WATCH_SETTLING)", "else if (0)"),
        ("if (batch.n > 0)\n\t\t\tarm(w, w->opt.dump_timeout_usec);", ""),
        ("w->failures + 1 >= w->opt.retry_bound}", "false}"),
        ("w->stats.spoofed += batch->spoofed;\n\ttell_spoofed(batch->spoofed);\n\tfor", "for"),
        ("abort_dump(w);\n\twait_for_dump(w, delay);\n}\n\n/* A line", "wait_for_dump(w, delay);\n}\n\n/* A line"),
    ),
    *of(
        "ports/rules.c",
        "rules",
        ("(flags & IFF_RUNNING) != 0", "(flags & IFF_UP) != 0"),
        ("if (msg->family == AF_BRIDGE)", "if (0)"),
        (" && strcmp(msg->kind, \"team\") != 0", ""),
        ("[ROW_STATE] = 1", "[ROW_STATE] = 0"),
    ),
    *of(
        "ports/row.c",
        "row",
        ("(text[0] == '0' && len > 1)", "0"),
        ("return value <= UINT32_MAX ? value : ROW_OTHER", "return value"),
        ("return value ? \"up\" : \"down\"", "return value ? \"down\" : \"up\""),
        ("if (base->value[field] != want->value[field])", "if (base->value[field] < want->value[field])"),
    ),
    *of(
        "ports/links.c",
        "links dump",
        ("port->appl.kept = !port->link.ifindex && !l->keeping_ended", "port->appl.kept = !port->link.ifindex"),
        ("port->appl.kept = !port->link.ifindex && !l->keeping_ended", "port->appl.kept = !l->keeping_ended"),
        ("port->history.changed_nsec = received_nsec;", ""),
        ("port->history.flaps++;", ""),
        ("if (port->holds > 0 || is_known(port))", "if (is_known(port))"),
        ("if (!list_linked(&port->dirty))", "if (1)"),
        ("port->owed.deletion = port->owed.deletion || !port->link.old", "port->owed.deletion = true"),
        ("port->link.gone_ifindex = port->link.ifindex;", ""),
        ("if (complete)\n\t\tsweep(l);", ""),
        ("uint32_t mtu = msg->mtu ? msg->mtu : port->link.mtu;", "uint32_t mtu = msg->mtu;"),
        ("if (l->dumping)\n\t\tstage_add_event(&l->stage, msg->ifindex);", ""),
        ("(msg->master != port->link.master ? ROW_BIT(ROW_STATE) : 0)", "0"),
        ("port->owed.fields = OWED_DOUBT;\n\thash_add", "hash_add"),
        ("l->stats.present--;", ""),
    ),
    *of(
        "ports/stage.c",
        "links dump links_memory",
        ("chunk->items[i].has_row && !chunk->items[i].has_event", "chunk->items[i].has_row"),
        ("s->incomplete = false;", ""),
        ("item->has_event = item->has_row = false;", ""),
    ),
    *of(
        "redis/rtt.c",
        "rtt",
        ("if (r->command)\n\t\treturn;", ""),
        ("answered < r->command", "answered <= r->command"),
        ("hist_add(&r->hist, now_nsec() - r->sent_nsec);\n\tr->command = 0;", "hist_add(&r->hist, now_nsec() - r->sent_nsec);"),
    ),
    *of(
        "redis/conn.c",
        "conn",
        (">= c->backoff.next_ms * USEC_PER_MSEC)\n\t\tbackoff_reset(&c->backoff);", ">= c->backoff.next_ms * USEC_PER_MSEC)\n\t\treturn;"),
        ("c->address++;", ""),
        ("explicit_bzero(c->in, INPUT_BYTES);\n\tresp_reader_wipe(c->reader);", "resp_reader_wipe(c->reader);"),
        ("c->stats.losses++;", ""),
        ("if (c->pending.n == c->opt.max_in_flight)", "if (0)"),
        ("c->stats.errors[redis_error_kind(error)]++;", ""),
        ("answer_all_unknown(c);\n\tif (was_ready && c->ops.lost)", "if (was_ready && c->ops.lost)"),
        ("c->awaited = c->stats.commands;\n\tbe_patient(c, false);", "be_patient(c, false);"),
        ("drop(c, \"protocol error: an answer without a command\");", ""),
        ("c->stats.timeouts++;", ""),
    ),
    *of(
        "redis/handshake.c",
        "conn",
        ("h->secret_bytes = out->len;", ""),
        ("if (access->username)", "if (0)"),
        ("if (!opt->pattern)", "if (1)"),
        ("strcmp(answer->str, \"ERR invalid password\") == 0", "0"),
    ),
    *of(
        "redis/resp.c",
        "resp",
        ("if (size > b->max - b->len)", "if (size >= b->max - b->len)"),
        ("(v->len == len || v->str[len] == ' ')", "1"),
        ("if (b->len == 0)\n\t\tb->start = 0;", ""),
    ),
    *of(
        "sonic/producer.c",
        "producer",
        ("push->as_text = true;\n\t\tif (send_push(push) == 0)\n\t\t\treturn;", "push->as_text = true;\n\t\t(void)send_push(push);\n\t\treturn;"),
        ("push->as_text = !p->sha_known;", "push->as_text = true;"),
        ("p->sha_asked = false;", ""),
        ("if (n == 0)\n\t\treturn -EINVAL;", ""),
        ("\"if added > 0 then", "\"if added >= 0 then"),
    ),
    *of(
        "sonic/publish.c",
        "publish",
        ("port->row.generation++;\n\tport->row.rewrite", "port->row.rewrite"),
        ("if (sample || links_any_dirty(p->links))", "if (links_any_dirty(p->links))"),
        ("port->row.retry_ms = 0;\n\tif (!port->row.failing)", "if (!port->row.failing)"),
        ("backoff_reset(&p->readback_backoff);", "", "a later delay only, and that of the first is random"),
        ("port->row.mine = port->owed.deletion = true;", "port->row.mine = true;"),
        ("port->owed.fields |= port->row.announced;", ""),
        ("if (port->row.generation != generation)\n\t\treturn;", ""),
        ("port->row.rewrite = !row;", "port->row.rewrite = false;"),
        ("if (port->row.again && port->row.writing == 0)", "if (0)"),
        ("|| !p->live || !p->enabled || p->held)", "|| !p->live || !p->enabled)"),
        ("port->row.known = ROW_UNKNOWN;\n\t\tport->row.retry_ms = 0;", "port->row.retry_ms = 0;"),
    ),
    *of(
        "sonic/portcount.c",
        "portcount",
        ("p->refused = reply && reply->type == RESP_ERROR", "p->refused = false"),
        ("if (p->busy || (p->tried && p->rows == rows))", "if (p->busy)"),
        (
            "if (!ask(p, on_written, \"HSET\", wanted))\n\t\tanswered(p, NULL);",
            "(void)ask(p, on_written, \"HSET\", wanted);",
            "an answer has just made room: it takes a lack of memory",
        ),
    ),
    *of(
        "sonic/warm.c",
        "warm",
        ("if (value >= UINT32_MAX)", "if (value > UINT32_MAX)"),
        ("w->count = count + 1;", "w->count = count;"),
        ("w->owed = again || !reply;", "w->owed = again;"),
        ("if (w->refused) {", "if (0) {"),
    ),
    *of(
        "sonic/readback.c",
        "publish",
        ("if (++rb->round == 0)\n\t\trb->round = 1;", "++rb->round;", "takes 2^32 rounds"),
        ("if (!complete)\n\t\trb->failed = true;", ""),
        ("||\n\t    !rules_port_name(name))", ")"),
    ),
    *of(
        "sonic/appl_ports.c",
        "appl_ports",
        ("reply->integer > 0);\n\telse if", "reply->integer >= 0);\n\telse if"),
        ("if (port->lookup.again)\n\t\tlookup(a, port);", ""),
        ("if (a->marker_seen)\n\t\task_for_missing(a);", "if (a->marker_seen)\n\t\t(void)0;"),
        ("different += d->of[i] != d->of[i - 1]", "different++"),
    ),
]
