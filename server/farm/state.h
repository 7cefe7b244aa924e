/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * State: what a farm machine remembers; the inside of this room.
 */
#ifndef SERVER_FARM_STATE_H
#define SERVER_FARM_STATE_H

#include "proto/base/prng.h"
#include "server/farm/farm.h"

/* The fuzzers' tables are that much smaller (scripts/fuzz). */
#ifndef TABLES_SHARE
#define TABLES_SHARE 1
#endif
#define LINKS_MAX (256 / TABLES_SHARE)
#define SEEDS_MAX 64
#define WAITS_MAX (65536 / TABLES_SHARE)
/* What is on its way to a member and not acknowledged by it. */
#define WINDOW_RECORDS 4096
/* Nothing more is streamed on a link that has so much to send already. */
#define BACKLOG_BYTES_MAX ((uint64_t)1 << 20)
/* Frames that are copied at a time; a step puts on a link no more than the
 * second, or one record, and goes on with another step. */
#define STREAM_BYTES ((size_t)64 * 1024)
#define STREAM_STEP_BYTES ((size_t)256 * 1024)

/* After so many heartbeats without one, a member is suspected; after this
 * much more silence, to everyone asked, it is dead. */
#define SUSPECT_HEARTBEATS 3
#define DEATH_AFTER_SUSPICION (TIME_US_PER_S * 3 / 2)
/* Less than it takes anybody to declare this server dead. */
#define FRESH_HEARTBEATS SUSPECT_HEARTBEATS
#define DIAL_INTERVAL TIME_US_PER_S
/* Where a process ends, its listener may go last. */
#define DIAL_AGAIN_AFTER (TIME_US_PER_S / 100)
/* A server that knew of a READY member waits so long for it to come back
 * before it begins a farm of its own, with nothing. */
#define BEGIN_EMPTY_AFTER (30 * TIME_US_PER_S)
/* What nobody fulfils for so long is to be had by synchronising; half of it
 * is enough where others have applied more of the dead. */
#define STUCK_INTERVAL TIME_US_PER_S
#define STUCK_INTERVAL_MAX (64 * TIME_US_PER_S)

/* Of a set of members, by their place in the farm's table. */
struct member_set {
    uint64_t bits[FARM_MEMBERS_MAX / 64];
};

struct vector_entry {
    uint64_t id;
    uint64_t number;
};

struct member {
    uint64_t id; /* 0: this place is free */
    uint16_t tag;
    uint16_t version; /* the highest of grapevine that it speaks */
    uint8_t state;    /* as it says itself, or SUSPECT, DEAD, LEFT */
    bool is_ready;    /* it said READY last */
    bool had_data;    /* and was, when it fell silent and was declared dead */
    bool was_met;     /* it said HELLO; else a neighbour told of it */
    time_us died;
    bool is_proven; /* dead: nobody listened, or somebody else did */
    char name[FARM_TEXT_BYTES_MAX + 1];
    char address[FARM_TEXT_BYTES_MAX + 1];
    farm_link link;       /* 0: none */
    time_us heard;        /* anything that shows that it lives */
    time_us heartbeat_at; /* its last heartbeat came */
    time_us suspected;    /* since when, or since somebody heard of it */
    time_us suspect_since;
    time_us asked_about;
    time_us lost;    /* when its last link ended */
    time_us vouched; /* a neighbour heard of it, while it was suspected */
    uint64_t vouched_by;
    time_us detoured;        /* a virtual link was begun last */
    uint64_t sent_heard;     /* when that was sent, on its own clock */
    time_us ready_since;     /* as it says, farm time; 0: it is not READY */
    time_us trip_least;      /* there and back, of late; 0: not measured */
    int64_t clock_offset_us; /* of its farm time against ours */
    time_us echoed;          /* when we sent what it has answered last */

    /* Its journal, here. */
    uint64_t received;     /* the last number that its stream brought */
    uint64_t applied;      /* all up to here is applied, whoever brought it */
    uint64_t needed;       /* to be had by synchronising, before the stream */
    bool has_gap;          /* `needed` is not reached */
    bool awaits_start;     /* it has not said yet where its stream begins */
    bool awaits_heartbeat; /* none yet on this link */
    uint64_t fresh_from;   /* its head then: to be applied to be fresh */
    bool owes_ack;         /* now */
    time_us ack_owed;      /* a record was applied, and is not acknowledged
                              since; 0: none */
    uint64_t ack_told;     /* what was acknowledged last */
    uint64_t ack_awaited;  /* it waits for the acknowledgement of this */
    uint64_t leaves_with;  /* its last record; 0: it stays */
    uint64_t head;         /* as its heartbeat told */
    uint64_t enter_head;   /* its head when it began to wait for us */
    bool has_entered;      /* it waits for us */
    time_us asked_to_wait;

    /* Our journal, there. */
    bool is_attached;
    struct journal_cursor cursor;
    uint64_t acked;
    uint64_t asked_for; /* it knows that we wait for it to hold this */
    uint64_t out_until; /* out of sync until it has acknowledged this */
    uint64_t overrun;   /* it was sent nothing up to here */
    bool is_entering;   /* not READY yet, and already waited for */

    /* Between the two. */
    bool must_sync;       /* they served apart, or it knows more of the dead */
    bool is_ahead;        /* it knew more of the dead in its last heartbeat */
    time_us behind_since; /* it has applied more of somebody than we; 0 */

    /* The view that it supports, as its last ENTER told (view.c). */
    bool has_homes; /* it knows of such things */
    size_t item_bytes_max;
    uint64_t entered;
    uint64_t entered_previous;
    uint64_t entered_number;
    uint64_t base_number; /* as of the beginning of the epoch here */
    struct vector_entry entered_vector[FARM_MEMBERS_MAX + 1];
    size_t entered_count; /* of that, what is not applied here yet */
    time_us asked_for_lease;
    time_us asked_again; /* it asked us once more for what we may have done */

    /* What people were told of it last. */
    uint8_t told_state;
    bool is_told_out; /* that it is out of sync */

    /* Of one that is gone (settle.c). */
    struct member_set agreed; /* told the same number */
    time_us agreed_since;     /* all of the view did; 0: not all */
    bool is_settled;
};

struct connection {
    farm_link link; /* 0: free */
    bool is_dialled;
    char address[FARM_TEXT_BYTES_MAX + 1]; /* that was dialled, or "" */
    char host[FARM_TEXT_BYTES_MAX + 1];    /* where the far end is */
    uint64_t backlog_bytes;                /* not sent yet */
    struct member *member;                 /* after its HELLO */
    /* Of a virtual link (forward.c). */
    uint64_t to;       /* who is at the far end */
    uint64_t relay;    /* who carries what we send */
    uint64_t comes_by; /* and who brought its HELLO */
    time_us begun;
};

struct wait {
    uint64_t number;
    uint64_t waiter;
    time_us deadline;
};

enum seed_state { SEED_UNKNOWN, SEED_LINKED, SEED_REFUSED, SEED_SELF };

struct seed {
    char address[FARM_TEXT_BYTES_MAX + 1];
    enum seed_state state;
    uint64_t id; /* who answered there last; 0: nobody has */
};

/*
 * Farm time is the driver's plus an offset, which is on its way from
 * `offset` at the moment `base` (the driver's) to `target`.
 */
struct farm_clock {
    time_us base;
    int64_t offset;
    int64_t target;
    bool is_set;        /* somebody told what time it is */
    bool is_from_ready; /* and was READY: from then on it only slews */
};

/* What people were told lately. */
#define TELLINGS_MAX 8

struct telling {
    time_us at;
    char line[FARM_TEXT_BYTES_MAX + 1];
};

/* What the donor tells ahead of what is pulled; many lists are empty. */
#define LISTS_AHEAD 64

/* One synchronisation, as asker or as donor. */
struct sync {
    bool is_active;
    uint64_t partner;
    uint32_t session;
    time_us begun;
    time_us moved;        /* when something last happened */
    uint64_t mask;        /* donor: of its ranges */
    uint64_t next_value;  /* donor: of the range to be listed next */
    uint64_t next_pull;   /* donor: of the range to be pulled next */
    size_t entries_ahead; /* donor: listed, not pulled yet */
    size_t bytes_ahead;   /* and what they would be, all pulled */
    uint16_t counts_ahead[LISTS_AHEAD];
    size_t sizes_ahead[LISTS_AHEAD];
    bool is_incomplete; /* asker: not all of it could be kept in mind */
    bool is_told;       /* asker: all has come but what is being pulled */
    bool is_waiting;    /* donor: for its own vector to reach `needs` */
    struct vector_entry vector[FARM_MEMBERS_MAX + 1]; /* donor: needs, then
                                                         its own at start;
                                                         asker: the donor's */
    size_t vector_count;
};

/* Who tells of a state, and in which record of its journal, if in one. */
struct source {
    struct member *member;
    uint64_t number;
    bool is_sync; /* a synchronisation brings it */
};

/* Up to here a value is answered to a lookup at once. */
#define LOOKUP_STATE_BYTES_MAX ((size_t)16 * 1024)
/* Up to here a value travels whole to who fetches it; else in pieces. */
#define PIECE_BYTES ((size_t)64 * 1024)

#define SYNC_DONORS_MAX 8
#define SYNC_TIMEOUT (TIME_US_PER_S * 5)

/* Bytes that live until the next step, and effects that point into them. */
struct pending_effect {
    enum farm_effect_kind kind;
    farm_link link;
    enum farm_event event;
    uint64_t waiter;
    uint64_t number;
    bool is_degraded;
    bool is_asked;
    bool is_certain;
    bool gives_way;
    size_t offset;
    size_t length;
};

struct effects {
    struct pending_effect *list;
    size_t count;
    size_t capacity;
    size_t taken;
    uint8_t *bytes;
    size_t bytes_used;
    size_t bytes_capacity;
};

/* The members that this server holds to be the farm: those that are READY, or
 * suspected, and itself. */
struct view {
    uint64_t id;     /* a digest of who is in it; 0: this server is not READY */
    uint64_t number; /* how many views it has entered */
    /* Goes up whenever what was executed before may not hold any more. */
    uint64_t epoch;
    uint64_t previous;
    struct member_set members; /* without this server */
    size_t others_count;
    bool is_complete; /* was: all had entered it, all that they had was here */
    /* Since the view before was complete, all that are in both went from the
     * one to the other, and to no other between. */
    bool continues;
    struct member_set before;
    bool was_complete; /* the one before */
    /* At least as many as are left fell silent: they may be the farm, and this
     * server be cut off from it. */
    bool is_remnant;
};

struct farm {
    struct farm_settings settings;
    struct store *store;
    struct journal *journal;
    struct prng prng;
    time_us now;  /* of the driver: for timers of this room */
    time_us time; /* of the farm, at `now`: for the store and the others */
    struct farm_clock clock;
    uint8_t state;       /* of this server */
    uint8_t told_state;  /* as people know it */
    time_us ready_since; /* farm time; 0: it is not READY */
    time_us woke;        /* after the last gap between steps; 0: never */
    bool is_ticked;      /* the driver owed a tick after the last step */
    time_us refused;     /* somebody would not have us, last; 0: never */
    time_us rejected;    /* there was no link with somebody who is there */
    struct telling tellings[TELLINGS_MAX];
    bool has_synchronised; /* with somebody who was READY, once */
    bool is_retiring;      /* it decides nothing more */
    bool is_leaving;       /* nobody waits for it any more */
    bool has_left;
    time_us retire_by;
    time_us leave_by; /* whoever has not all by then will do without */
    struct member members[FARM_MEMBERS_MAX];
    size_t members_end; /* no member was ever at this place, nor behind it */
    struct connection connections[LINKS_MAX];
    size_t connections_end; /* likewise */
    struct seed seeds[SEEDS_MAX];
    size_t seeds_count;
    time_us started;
    time_us next_heartbeat;
    time_us next_dial;
    uint64_t digest; /* as of `digest_at` */
    time_us digest_at;
    struct wait *waits; /* a ring */
    size_t waits_first;
    size_t waits_count;
    uint64_t due;         /* our journal is to be streamed up to here */
    uint64_t awaited;     /* somebody waits, or did, for others to hold this */
    time_us acks_owed_by; /* the first acknowledgement that is put off */
    bool wants_tick;      /* there is more to do at once */
    struct sync asked;
    struct sync given[SYNC_DONORS_MAX];
    uint32_t next_session;
    uint32_t next_detour;
    time_us next_wants; /* when to look for wants that nobody fulfils */
    time_us wants_pause;
    uint64_t had_wants;
    struct wants *wants;
    struct lookups *lookups;
    struct view view;
    struct home *home;
    struct errands *errands;
    struct locks *locks;
    struct farm_figures figures;
    bool is_watched;
    struct effects effects;
};

/* effects.c */
void effect_send(struct farm *farm, farm_link link,
                 const struct message *message);
/* STATE: a record whose head is encoded, and its value. */
void effect_send_state(struct farm *farm, farm_link link, uint64_t id,
                       struct span head, struct span value);
void effect_send_raw(struct farm *farm, farm_link link, struct span frames);
uint8_t *effect_room(struct farm *farm, size_t bytes);
void effect_dial(struct farm *farm, const char *address);
void effect_unlink(struct farm *farm, farm_link link, const char *reason);
void effect_answer(struct farm *farm, const struct wait *wait,
                   bool is_degraded);
void effect_found(struct farm *farm, uint64_t waiter, bool is_certain);
/* The command of a client of `asker`. */
void effect_execute(struct farm *farm, uint64_t number, uint64_t asker,
                    bool is_asked, bool is_certain, struct span command);
void effect_release(struct farm *farm, struct span key, uint64_t version);
void effect_decided(struct farm *farm, uint64_t waiter, struct span results);
void effect_event(struct farm *farm, enum farm_event event, const char *format,
                  ...) __attribute__((format(printf, 3, 4)));
void effect_left(struct farm *farm);
void effects_reset(struct farm *farm);

/* members.c */
struct member *member_find(struct farm *farm, uint64_t id);
/* One more, with nothing but its id; NULL if all are alive. */
struct member *member_create(struct farm *farm, uint64_t id);
struct connection *connection_find(struct farm *farm, farm_link link);
/* A free one, or NULL. */
struct connection *connection_take(struct farm *farm);
bool member_is_up(const struct member *member);   /* linked, neither dead */
bool member_is_gone(const struct member *member); /* DEAD or LEFT */
/* READY when it was heard last, and not gone: freshness hangs on it. */
bool member_is_in_view(const struct member *member);
/* Why a member is held to be dead: it is silent, nobody listens where it
 * was, or somebody else does. */
enum proof { PROOF_NONE, PROOF_REFUSED, PROOF_HEIR };
void member_die(struct farm *farm, struct member *member, enum proof proof);
struct seed *members_find_seed(struct farm *farm, struct span address);
bool members_is_linked_to(const struct farm *farm, const char *address);
void members_linked(struct farm *farm, const struct farm_input *input);
void members_send_hello(struct farm *farm, farm_link link);
void members_copy_text(char to[FARM_TEXT_BYTES_MAX + 1], struct span text);
void members_add_seed(struct farm *farm, struct span address);
void members_unlinked(struct farm *farm, farm_link link);
void members_refused(struct farm *farm, struct span address);
void members_hello(struct farm *farm, struct connection *connection,
                   const struct message_hello *hello);
void members_learn(struct farm *farm, const struct message_list *list);
void members_drop_link(struct farm *farm, struct connection *connection,
                       const char *reason);
/* The same for who breaks the protocol: people are told. */
void members_cut(struct farm *farm, struct connection *connection,
                 const char *reason);
size_t members_vector(struct farm *farm,
                      struct vector_entry vector[FARM_MEMBERS_MAX + 1]);
struct message_list vector_pack(const struct vector_entry *vector, size_t count,
                                uint8_t *to);

/* heartbeat.c */
void heartbeat_send(struct farm *farm, struct member *member);
void heartbeat_watch(struct farm *farm, struct member *member);
void heartbeat_take(struct farm *farm, struct member *member,
                    const struct message_heartbeat *heartbeat);
void heartbeat_request(struct farm *farm, struct member *member,
                       uint64_t subject);
void heartbeat_alive(struct farm *farm, struct member *member,
                     uint64_t subject);

/* settle.c */
/* What is known of `origin` is not what it was when they agreed. */
void settle_not(struct member *origin);
/* `member` has applied so much of `origin`. */
void settle_told(struct farm *farm, const struct member *member,
                 struct member *origin, uint64_t number);
/* Another takes its place. */
void settle_forget(struct farm *farm, const struct member *member);
void settle_tick(struct farm *farm);

/* join.c */
void join_tick(struct farm *farm);
/* Somebody is there who does not take this server for a member. */
void join_rejected(struct farm *farm);

/* Every address that was given has answered, refused, or had its time. */
bool join_has_tried_all(const struct farm *farm);

/* clock.c */
/* Whether a clock that somebody tells can be one. */
bool clock_is_sane(time_us clock);
/* What the others say of the time, on a new link and with each heartbeat. */
void clock_hello(struct farm *farm, const struct member *member,
                 const struct message_hello *hello);
void clock_heartbeat(struct farm *farm, struct member *member,
                     const struct message_heartbeat *heartbeat);

/* tags.c */
/* `other` draws versions with `tag`: one of us two draws another. */
void tags_meet(struct farm *farm, const struct member *other, uint16_t tag);

/* wake.c */
void wake_after_gap(struct farm *farm, time_us last_step);
/* Somebody must be told that this server is awake: the driver owes ticks. */
bool wake_needs_ticks(const struct farm *farm);
/* It slept, and some member of the view has not told yet what it missed. */
bool farm_is_waking(const struct farm *farm);

/* refuse.c */
#define REFUSAL_BYTES_MAX 250
/* Whether a name or an address can be shown and compared. */
bool refuse_is_text(struct span text);
/* Completes the address of `hello` in `address`; false, and one line in
 * `reason`, where its server cannot be a member here. */
bool refuse_or_take(struct farm *farm, const struct connection *connection,
                    const struct message_hello *hello,
                    char address[FARM_TEXT_BYTES_MAX + 1],
                    char reason[REFUSAL_BYTES_MAX + 1]);
/* The other side would not have us, and said why. */
void refuse_heard(struct farm *farm, struct connection *connection,
                  struct span reason);

/* farm.c */
void farm_take_frame(struct farm *farm, farm_link link, struct span inner);

/* forward.c */
bool link_is_virtual(farm_link link);
bool member_has_real_link(const struct member *member);
/* What waits to be sent there. */
uint64_t link_backlog_bytes(struct farm *farm, farm_link link);
/* Sends whole frames on a virtual link. */
void forward_send(struct farm *farm, farm_link link, struct span frames);
void forward_take(struct farm *farm, const struct member *sender,
                  const struct message *message);
/* `neighbour` has heard of `subject` of late. */
void forward_vouched(struct farm *farm, struct member *subject,
                     const struct member *neighbour);
void forward_tick(struct farm *farm);

/* tell.c */
/* A line that would come again and again is told once a minute. */
void tell_once(struct farm *farm, const char *line);
/* Lines for people, of what has changed since they were told last. */
void tell_changes(struct farm *farm);

/* set of members */
static inline size_t member_place(const struct farm *farm,
                                  const struct member *member)
{
    return (size_t)(member - farm->members);
}

static inline void member_set_add(struct member_set *set, size_t place)
{
    set->bits[place / 64] |= UINT64_C(1) << place % 64;
}

static inline void member_set_remove(struct member_set *set, size_t place)
{
    set->bits[place / 64] &= ~(UINT64_C(1) << place % 64);
}

static inline bool member_set_has(const struct member_set *set, size_t place)
{
    return set->bits[place / 64] >> place % 64 & 1;
}

static inline bool member_set_is_empty(const struct member_set *set)
{
    uint64_t any = 0;

    for (size_t i = 0; i < FARM_MEMBERS_MAX / 64; i++)
        any |= set->bits[i];
    return any == 0;
}

/* acks.c */
/* A record of the member's journal was applied. */
void acks_owe(struct farm *farm, struct member *member);
/* It waits for the acknowledgement of all up to here. */
void acks_awaited(struct member *member, uint64_t number);
/* On a new link both sides begin anew. */
void acks_begin(struct member *member);
/* Acknowledges what is due. */
void acks_send(struct farm *farm);
/* Frames of records, to be sent to it: somebody waits for them, perhaps. */
void acks_mark(const struct farm *farm, struct member *member, uint8_t *frames,
               size_t bytes);
/* Says what somebody waits for to who was sent it before. */
void acks_ask(struct farm *farm);
time_us acks_deadline(const struct farm *farm);

/* broadcast.c */
/* All up to here is to be streamed in this turn: others hear of it, and wait
 * for what they hear of. */
void broadcast_due(struct farm *farm, uint64_t number);
/* The same, and this server waits for others to hold it. */
void broadcast_need(struct farm *farm, uint64_t number);
void broadcast_attach(struct farm *farm, struct member *member,
                      uint64_t number);
void broadcast_ack(struct farm *farm, struct member *member, uint64_t number);
void broadcast_await(struct farm *farm, uint64_t waiter, uint64_t number);
void broadcast_run(struct farm *farm);
/* What all hold who come into the view; and who does not hold a record goes on
 * without being waited for, until it does. */
uint64_t broadcast_held_by_newcomers(const struct farm *farm);
void broadcast_leave_newcomers(struct farm *farm, uint64_t number);
bool member_is_in_sync(const struct member *member);
bool member_speaks_splices(const struct member *member);
/* Somebody is linked, or is no more, or READY, or has caught up: whether
 * splices are written from now on. */
void broadcast_choose(struct farm *farm);

/* apply.c */
void apply_overrun(struct member *member, uint64_t number);
/* Who leaves has left when all of its journal is here. */
void apply_departures(struct farm *farm);
void apply_record(struct farm *farm, struct member *member, uint64_t number,
                  struct span bytes);
/* False where the bytes are no record. */
bool apply_state(struct farm *farm, const struct source *source,
                 struct span bytes);
/* What a member that has no value knows of the key all the same. */
void apply_missing(struct farm *farm, struct span key,
                   const struct message_missing *missing);
/* That an announced state exists: it is wanted, or dead, from now on. */
void apply_life(struct farm *farm, const struct record *announce);
struct record apply_record_of(const struct item *item);

/* wants.c */
struct wants *wants_create(void);
void wants_destroy(struct farm *farm);
/* Pulls the announced value; false where that cannot be. */
bool wants_announced(struct farm *farm, const struct source *source,
                     const struct record *announce);
/* Pulls what the store knows to exist. */
void wants_pull(struct farm *farm, const struct source *source, struct span key,
                uint64_t version);
/* The same for a lookup, and for those who lack it. */
bool wants_pull_found(struct farm *farm, struct member *from, struct span key,
                      const struct message_have *have,
                      const struct member_set *lacking);
void wants_fetch(struct farm *farm, struct member *member,
                 const struct message_fetch *fetch);
void wants_piece(struct farm *farm, struct member *member,
                 const struct message_piece *piece);
void wants_missing(struct farm *farm, struct member *member,
                   const struct message_missing *missing);
/* Something of a key with this hash has come. */
void wants_heard(struct farm *farm, uint64_t hash);
/* What was wanted may be dead by now. */
void wants_flushed(struct farm *farm);
void wants_forget(struct farm *farm, const struct member *member);
void wants_run(struct farm *farm);
time_us wants_deadline(const struct farm *farm);
/* Up to where the member's journal is applied, and no value of it wanted. */
uint64_t wants_held(const struct farm *farm, const struct member *member);
/* True while values that a synchronisation told of are on their way. */
bool wants_is_synchronising(const struct farm *farm);
/* When the last piece of this version came, or its pull began; 0: there is
 * none. */
time_us wants_moved(const struct farm *farm, struct span key, uint64_t version);
/* What is announced of keys whose hash is `value` under `mask`. */
typedef void want_visitor(const struct record *announce, void *context);
void wants_visit_range(struct farm *farm, uint64_t mask, uint64_t value,
                       want_visitor *visit, void *context);
void wants_check(const struct farm *farm);

/* lookup.c */
struct lookups *lookup_create(void);
void lookup_destroy(struct farm *farm);
void lookup_begin(struct farm *farm, uint64_t waiter, struct span key);
void lookup_request(struct farm *farm, struct member *member,
                    const struct message_request *request);
void lookup_state(struct farm *farm, struct member *member, uint64_t id);
void lookup_have(struct farm *farm, struct member *member,
                 const struct message_have *have);
void lookup_missing(struct farm *farm, struct member *member,
                    const struct message_missing *missing);
/* The pull of this version is over, well or not. */
void lookup_pulled(struct farm *farm, struct span key, uint64_t version);
void lookup_heard(struct farm *farm, uint64_t hash);
void lookup_forget(struct farm *farm, const struct member *member);
void lookup_run(struct farm *farm);
time_us lookup_deadline(const struct farm *farm);
void lookup_check(const struct farm *farm);

/* view.c */
/* Enters another view, where the members are not those of the last. */
void view_tick(struct farm *farm);
/* Tells a member, at the start of its link, which view it is. */
void view_tell(struct farm *farm, struct member *member);
/* The same once more, where that may have been lost on its way. */
void view_tell_again(struct farm *farm, struct member *member);
void view_take(struct farm *farm, struct member *member,
               const struct message_enter *enter);
/* A member loses its place. */
void view_forget(struct farm *farm, const struct member *member);
/* Whether homes decide at all: all members have to know of them. */
bool view_has_homes(const struct farm *farm);
/* The id of the home of a key with this hash; 0: nobody is READY. */
uint64_t view_home(const struct farm *farm, uint64_t hash);
/* Whether this server may decide, now, about the keys whose home it is. */
bool view_acts(const struct farm *farm);
/* All of the view hold this server's records up to here; only where they
 * support it. */
uint64_t view_held(const struct farm *farm);
/* All of this is applied here, but for who is not in the view. */
bool view_has_applied(struct farm *farm, const struct vector_entry *vector,
                      size_t count);

/* home.c: this server decides. */
#define WAITER_IS_CALL (UINT64_C(1) << 63)
struct home *home_create(void);
void home_destroy(struct farm *farm);
/* Commands of another member's clients. */
void home_take(struct farm *farm, struct member *member,
               const struct message_command *command);
/* Those of this server's own; told by errand_decided(). */
void home_take_own(struct farm *farm, const struct message_command *command);
void home_executed(struct farm *farm, const struct farm_input *input);
/* The lookup for a call has ended. */
void home_found(struct farm *farm, uint64_t waiter, bool is_certain);
void home_run(struct farm *farm);
time_us home_deadline(const struct farm *farm);
/* Nothing is executed at this moment: the view may change. */
bool home_is_still(const struct farm *farm);
/* Whoever still waits for a decision is told that it is not known. */
void home_give_up(struct farm *farm);
/* Nobody waits for a decision. */
bool home_is_empty(const struct farm *farm);
void home_check(const struct farm *farm);

/* errand.c: this server's clients ask homes. */
struct errands *errand_create(void);
void errand_destroy(struct farm *farm);
void errand_begin(struct farm *farm, uint64_t waiter, struct span commands);
/* `home` is who says so; its id. */
void errand_decided(struct farm *farm, uint64_t home,
                    const struct message_decision *decision);
/* A member has left: what it was asked and did not answer, it did not do. */
void errand_left(struct farm *farm, const struct member *member);
/* A member's link has ended, and what it was to answer may be lost. */
void errand_forget(struct farm *farm, const struct member *member);
void errand_run(struct farm *farm);
time_us errand_deadline(const struct farm *farm);
/* No client waits. */
bool errand_is_empty(const struct farm *farm);
void errand_check(const struct farm *farm);

/* locks.c: who has which, so that none outlives its server. */
struct locks *locks_create(void);
void locks_destroy(struct farm *farm);
/* That is what became of the lock. */
void locks_note(struct farm *farm, struct span key,
                const struct farm_lock *told);
/* A record for the key was applied. */
void locks_heard(struct farm *farm, const struct record *record);
/* A member that may not have heard of them is told of all. */
void locks_tell(struct farm *farm, const struct member *member);
/* Releases those of the dead whose home this server is. */
void locks_run(struct farm *farm);
size_t locks_count(const struct farm *farm);
void locks_check(const struct farm *farm);

/* synchronise.c */
void synchronise_tick(struct farm *farm);
void synchronise_message(struct farm *farm, struct member *member,
                         const struct message *message);
void synchronise_forget(struct farm *farm, uint64_t partner);

#endif
