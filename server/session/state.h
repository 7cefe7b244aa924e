/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * State: what a session is made of; the inside of this room.
 *
 * A file calls those below it in this list, and none above; only the farm's
 * answers come in at the top again (session_resume).  Beside each, the fields
 * that it owns:
 *
 *   session.c   life and turns: `link`, `watch`, `transport`, `now`,
 *               `reading`
 *   greeting.c  hands shaken before anything is said: `greeting_link`,
 *               `greeted_by`
 *   delivery.c  whether clients got to know of the locks that they took
 *   input.c     what was read and not yet understood: `input`,
 *               `drained_bytes`
 *   requests.c  batches, parsed and executed: `protocol`, `text`,
 *               `has_backlog`, `needed_bytes`, `swallow_bytes`
 *   authentication.c   who has to say who it is: `standing`, `failures`,
 *               `failure_timer`, `has_failed`, `asked_opcode`, `asked_opaque`
 *   login.c     a SASL exchange that is judged elsewhere: `login`
 *   filling.c   a value that arrives in pieces: `filling`
 *   listing.c   an answer that is too long for a turn: `listing`
 *   appeal.c    commands that homes decide: `appeal`, `possessions`, `told`
 *   inquiry.c   what is asked of the farm: `inquiry`, `waits`
 *   operator.c  what operators say
 *   steering.c  what they say of slabs and LRU lists
 *   dump.c      the keys of all items, for one client: `dump`
 *   watching.c  who is told what happens: `watching_link`, `streams`,
 *               `skipped_count`
 *   report.c    what happens, in lines for these
 *   holding.c   replies that wait for the farm, and what it is told of
 *               changes: `holding_link`, `last_number`
 *   replies.c   replies, written and sent: `output`, `sending`
 *
 * Whoever cannot go on sets `state` to SESSION_BROKEN and returns: the end of
 * the turn destroys the session.
 */
#ifndef SERVER_SESSION_STATE_H
#define SERVER_SESSION_STATE_H

#include <sys/uio.h>

#include "server/loop/transport.h"
#include "server/session/appeal.h"
#include "server/session/crew.h"
#include "server/session/doors.h"
#include "server/session/inquiry.h"
#include "server/session/listing.h"
#include "server/session/words.h"

enum session_state {
    SESSION_OPEN,
    SESSION_ENDING,   /* what was answered is sent, then it is closed */
    SESSION_DRAINING, /* the client was told; it has to stop sending */
    SESSION_BROKEN    /* to be destroyed at the end of the turn */
};

/* Whether what comes next is for the commands or for the credentials. */
enum standing {
    STANDING_KNOWN,
    STANDING_RENEWS,  /* is in, and says anew who it is */
    STANDING_STRANGER /* nothing but credentials is heard */
};

struct login;

/* Why a connection ended, for those who watch. */
enum session_departure {
    DEPARTURE_ERROR,
    DEPARTURE_NORMAL,
    DEPARTURE_IDLE,
    DEPARTURE_SHUTDOWN
};

struct session {
    struct crew *crew;
    struct session *next;
    struct session **link; /* what leads to this one in the crew's list */
    struct watch *watch;
    const struct door *door; /* that it came through */
    struct transport transport;
    enum session_state state;
    enum session_departure departure;
    enum protocol protocol;
    enum standing standing;
    bool has_backlog;  /* the input may hold whole commands */
    bool has_read_all; /* that had come, in this turn */
    bool is_ready;     /* and waits for its turn, as number `ready_at` */
    size_t ready_at;
    bool drains; /* after the last reply, rather than closing at once */
    struct text_parser text;
    uint8_t *input; /* what was read and not yet understood; or NULL */
    size_t input_bytes;
    size_t input_capacity_bytes;
    size_t needed_bytes; /* of input, before it is worth a look */
    size_t swallow_bytes;
    size_t drained_bytes;
    struct filling *filling;
    struct listing *listing; /* an answer that is not all written; or NULL */
    struct dump *dump;       /* under way, or NULL */
    struct output output;
    size_t output_counted_bytes; /* of its own, as the crew has counted */
    enum output_result sending;  /* what came of sending last */
    time_us now;                 /* of this turn */

    /* While it says who it is. */
    bool has_failed; /* and may be told so now */
    uint8_t asked_opcode;
    uint32_t asked_opaque;
    unsigned failures;
    struct timer *failure_timer; /* NULL: it has not failed yet */
    struct login *login;

    /* In a farm. */
    enum peers_reading reading;     /* of this turn */
    peers_term term;                /* of this turn */
    enum homing homing;             /* what homes decide in it */
    bool is_home;                   /* this server decides that, in it */
    struct inquiry *inquiry;        /* to others, under way or answered */
    struct appeal *appeal;          /* to homes, likewise */
    struct possessions possessions; /* locks that end with it */
    struct possessions told;        /* locks whose taking may not be heard of */
    bool waits; /* for these two, or for what comes of its credentials */
    uint64_t last_number; /* of what it changed last */
    struct session *next_holding;
    struct session **holding_link; /* NULL: no reply is held back */
    struct session *next_watching;
    struct session **watching_link; /* NULL: it does not watch */
    unsigned streams;               /* that it watches */
    uint64_t skipped_count;         /* lines, since it read too slowly */

    /* Before the first turn of an encrypted one. */
    struct session *next_greeting;
    struct session **greeting_link; /* NULL: hands were shaken */
    time_us greeted_by;
};

/* What was read for a session ahead of its turn. */
struct reading {
    uint8_t *bytes; /* NULL: nothing was tried */
    ssize_t got;    /* as of recv(), with errno */
    int error;
};

/* ---- turns.c ---- */

/* Its descriptor is ready: it has its turn beside others who are. */
void turns_await(void *session);

/* It goes, and has no turn. */
void turns_forget(struct session *session);

/* Memory to do so; false if there is none. */
MUST_USE bool turns_begin(struct crew *crew);

/* ---- session.c ---- */

/* Asks who decides, from now on. */
void session_ask_who_decides(struct session *session);

/* Its turn, now. */
void session_take_turn(struct session *session, const struct reading *reading);

/* Its first turn, now that hands were shaken. */
void session_begin(struct session *session);

/* ---- greeting.c ---- */

/* Shakes hands as far as that goes; to be called whenever its descriptor is
 * ready, until that calls session_begin(), or destroys the session. */
void greeting_go_on(struct session *session);

/* It has to be through in time. */
MUST_USE bool greeting_begin(struct session *session);
void greeting_end(struct session *session);

/* ---- input.c ---- */

/* Reads once, and answers what came. */
void input_receive(struct session *session);

/* The same with what was read ahead. */
void input_take(struct session *session, const struct reading *reading);

/* Answers what was kept. */
void input_resume(struct session *session);

/* Drops what was kept. */
void input_drop(struct session *session);

/* A client that still sends would lose the last reply to a reset: it is
 * read, unheard, until it stops. */
void input_drain(struct session *session);

/* The session may write into its output, outside of a turn. */
void session_borrow_output(struct session *session);

/* ---- authentication.c ---- */

/* A client is a stranger where there are users; it speaks their protocol. */
void authentication_begin(struct session *session);
void authentication_end(struct session *session);

/* Takes the next thing a stranger says from `input`; false where it is not
 * all there, or was the last. */
bool authentication_take(struct session *session, struct span *input);

/* The login is judged: tells the client, or lets it wait for that. */
void authentication_judged(struct session *session);

/* Tells what the client waited for. */
void authentication_resume(struct session *session);

/* ---- requests.c ---- */

/* Answers what `input` holds; what is left of it waits for more input, or,
 * with a backlog, for the session's next turn. */
struct span requests_process(struct session *session, struct span input);

/* ---- filling.c ---- */

/* Takes memory for the value of `command`, or refuses it. */
void filling_begin(struct session *session, const struct command *command);

/* Takes from `input` what belongs to the value, executes when it is whole, and
 * returns the rest.  (By value, so that nobody's input has to be in memory.) */
struct span filling_take(struct session *session, struct span input);

/* The places where the next bytes of a filling belong, and how many these are:
 * one while much is missing, of which a turn reads a part. */
int filling_place(struct filling *filling, struct iovec places[2]);

/* What a read of `bytes` brought beyond the value that is being filled. */
size_t filling_settle(struct session *session, size_t bytes);

/* Executes again, if it waited for the farm. */
void filling_resume(struct session *session);
void filling_drop(struct session *session);

/* ---- operator.c ---- */

/* Answers a COMMAND_OPERATOR. */
void operator_answer(struct session *session, const struct command *command);

/* ---- steering.c ---- */

/* The answers to `slabs`, `lru`, `lru_crawler sleep` and `tocrawl`, and
 * `extstore`. */
const char *steering_slabs(struct session *session, const struct words *words);
const char *steering_lru(struct session *session, const struct words *words);
const char *steering_crawler(struct session *session,
                             const struct words *words);
const char *steering_disk(struct session *session, const struct words *words);

/* ---- dump.c ---- */

enum dump_form { DUMP_METADATA, DUMP_REQUESTS };

/* Begins to tell of all items of these classes, a bit for each; returns the
 * line that is said first, or instead. */
const char *dump_begin(struct session *session, enum dump_form form,
                       uint64_t classes);

/* Writes more of it, up to a turn's work. */
void dump_continue(struct session *session);
void dump_drop(struct session *session);

/* ---- watching.c ---- */

/* From now on it is told what happens, in these streams and no others;
 * returns the answer. */
const char *watching_begin(struct session *session, unsigned streams);
void watching_end(struct session *session);

/* Shows it those of the lines that it watches.  Who does not read fast enough
 * misses lines, and nobody else does. */
void watching_tell(struct session *session, struct span lines);

/* ---- report.c ---- */

/* Hands over to the watchers what this crew has to tell. */
void report_post(struct crew *crew);

/* What came of an executed command, where its key is still held or not. */
void report_command(struct session *session, const struct command *command,
                    const struct execution *execution);

/* The text line that begins there. */
void report_request(struct session *session, const struct mark *mark);

void report_arrival(struct session *session);
void report_departure(struct session *session);

/* What concerns the whole server. */
void report_system(struct session *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- holding.c ---- */

/* Journals what was changed, replies, and holds that back. */
void holding_reply(struct session *session, const struct command *command,
                   struct execution *execution);

/* Once for all that was written in the turns of those who were ready together,
 * if anything was, or sooner where these take long. */
void holding_tell_peers(struct crew *crew);
/* The same after the turn of this one; others have theirs behind it. */
void holding_end_turn(struct session *session);
/* What may be sent waits for what is held back behind it: one write for
 * both. */
bool holding_delays(const struct session *session);

/* Replies up to that record wait no more. */
void holding_let_go(struct session *session, uint64_t number, bool is_degraded);
void holding_leave(struct session *session);

/* ---- replies.c ---- */

/* Writes the reply, unless it is silent, and lets go of the key. */
void replies_write(struct session *session, const struct command *command,
                   struct execution *execution);

/* Writes a line, its end included. */
void replies_say(struct session *session, const char *line);

/* Sends what may be sent; true when that is all. */
bool replies_flush(struct session *session);

/* Counts what the session has of its own for replies. */
static inline void replies_count(struct session *session, size_t bytes)
{
    size_t before = session->output_counted_bytes;

    holdings_add(&session->crew->outputs,
                 (uint64_t)(bytes > 0) - (uint64_t)(before > 0),
                 bytes - before);
    session->output_counted_bytes = bytes;
}

/* ---- for all of them; what every command passes is inline ---- */

static inline struct store *session_store(const struct session *session)
{
    return session->crew->clients->settings.store;
}

static inline struct log *session_log(const struct session *session)
{
    return session->crew->clients->settings.log;
}

static inline struct peers *session_peers(const struct session *session)
{
    return session->crew->clients->settings.peers;
}

/* Memory is out: the connection ends, and that is counted. */
static inline void session_break(struct session *session, enum counter what)
{
    count(&session->crew->counters, what, 1);
    session->state = SESSION_BROKEN;
}

/* The client has gone, or has nothing more to hear: it ends in order. */
static inline void session_leave(struct session *session)
{
    if (session->departure == DEPARTURE_ERROR)
        session->departure = DEPARTURE_NORMAL;
    session->state = SESSION_BROKEN;
}

/* Nothing more is read; once all is sent it ends, or `drains` first. */
static inline void session_end(struct session *session, bool drains)
{
    if (session->state == SESSION_OPEN)
        session->state = SESSION_ENDING;
    session->drains = drains;
}

/* Whether a read of `command` has to ask the farm, now. */
static inline enum asking session_asking(const struct session *session,
                                         const struct command *command,
                                         bool *is_asked, bool *is_certain)
{
    if (session->inquiry != NULL &&
        inquiry_knows(session->inquiry, command->hash, is_certain)) {
        *is_asked = true;
        return ASK_NEVER;
    }
    switch (session->reading) {
    case PEERS_ASK_ON_MISS:
        return ASK_ON_MISS;
    case PEERS_ASK_ALWAYS:
        return ASK_ALWAYS;
    case PEERS_READ_HERE:
        break;
    }
    return ASK_NEVER;
}

/* What is the caller's of an execution; zeroing the rest of it as well would
 * cost a get 3 % of all its instructions. */
static inline void session_begin_execution(const struct session *session,
                                           const struct command *command,
                                           struct execution *execution)
{
    execution->store = session_store(session);
    execution->now = session->now;
    execution->counters = &session->crew->counters;
    execution->reservation = NULL;
    execution->sighting =
        session->crew->reporting != 0 ? &session->crew->sighting : NULL;
    execution->onlooker = session->crew->onlooker;
    execution->replicates = session_peers(session) != NULL;
    execution->asking = ASK_NEVER;
    execution->homing = HOMING_NONE;
    execution->is_home = false;
    execution->gives_way = false;
    execution->is_asked = false;
    execution->is_certain = false;
    if (!execution->replicates)
        return;
    execution->asking = session_asking(session, command, &execution->is_asked,
                                       &execution->is_certain);
    execution->splices = false;
    if (command_only_reads(command))
        return; /* whoever decides */
    execution->homing = session->homing;
    /* The machine has to know who has a lock, whoever decides. */
    execution->is_home = session->is_home && !command->is_of_lock;
    execution->splices =
        journal_takes_splices(peers_journal(session_peers(session)));
}

/* The reply tells of a change, or of the quiet ones before it. */
static inline bool session_may_wait(const struct command *command,
                                    const struct execution *execution)
{
    return execution->replicates &&
           (execution->mutation.kind != MUTATION_NONE ||
            command->kind == COMMAND_NOOP);
}

/* Counts by prefix what was executed. */
void requests_count_prefix(struct session *session,
                           const struct command *command,
                           const struct execution *execution);

static inline void session_count_prefix(struct session *session,
                                        const struct command *command,
                                        const struct execution *execution)
{
    if (atomic_load_explicit(&session->crew->counts_prefixes,
                             memory_order_relaxed))
        requests_count_prefix(session, command, execution);
}

/* Replies to what was executed, now or when others hold it. */
static inline void session_reply(struct session *session,
                                 const struct command *command,
                                 struct execution *execution)
{
    if (session->crew->reporting != 0)
        report_command(session, command, execution);
    if (session->crew->clients->settings.disable_cas)
        execution->outcome.token = 0;
    if (session_may_wait(command, execution))
        holding_reply(session, command, execution);
    else
        replies_write(session, command, execution);
}

#endif
