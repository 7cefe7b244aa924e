/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Driver: what the thread of the peers works with; the inside of this room.
 *
 * A turn begins with driver_enter(), feeds the machine with driver_step(),
 * and ends with driver_leave(), which sends all that was asked for at once.
 */
#ifndef SERVER_PEER_DRIVER_H
#define SERVER_PEER_DRIVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "proto/grapevine/message.h"
#include "server/loop/listener.h"
#include "server/peer/link.h"
#include "server/peer/peers.h"
#include "server/peer/places.h"

#define DRIVER_LINKS_MAX 512
#define DRIVER_REFUSALS_MAX 64
#define DRIVER_TELLINGS_MAX 32
/* The machine is promised a step so often: a longer silence of the clock is
 * a sleep that it has to make up for. */
#define DRIVER_TICK_US_MAX (TIME_US_PER_S / 50)
#define DRIVER_TICKS_PER_ACK_TIMEOUT 4

/* What a term grows by when this server ceases to decide alone; below it is an
 * enum farm_deciding. */
#define DRIVER_TERM_UNIT ((peers_term)4)

/* What a crew waits for. */
struct crew_wait {
    _Atomic uint64_t wanted;
    uint64_t told; /* to the machine */
};

/* Commands that the last step asked to be executed; their bytes lie one behind
 * the other. */
struct driver_call {
    uint64_t number;
    uint64_t asker;
    time_us asked; /* on this server's own clock */
    time_us now;   /* the same, farm time */
    bool gives_way;
    bool is_asked;
    bool is_certain;
    size_t offset;
    size_t length;
};

struct driver_calls {
    struct driver_call *list;
    size_t count;
    size_t taken;
    size_t capacity;
    uint8_t *bytes;
    size_t bytes_used;
    size_t bytes_capacity;
};

/* What was said of a stranger. */
struct stranger_telling {
    time_us at;
    char who[FARM_TEXT_BYTES_MAX + 1];
    char reason[160];
};

struct peers {
    struct peers_settings settings;
    struct peers_callbacks callbacks;
    struct place place;
    char name[FARM_TEXT_BYTES_MAX + 1];
    struct worker *worker;
    struct listener *listener;
    struct timer *timer;
    struct timer *teller; /* of what was written, while is_telling */
    struct journal *journal;
    struct worker *resolver; /* a thread for names, where there are any */
    struct timer *resolver_timer;
    bool is_started;
    size_t frame_bytes_max;
    time_us tick;

    pthread_mutex_t lock; /* of all that follows, and of all links */
    struct farm *farm;
    time_us stepped; /* its last step, on this server's own clock */
    struct link *links[DRIVER_LINKS_MAX];
    size_t links_end;    /* no link was ever at this place, nor behind it */
    uint32_t generation; /* of link numbers */
    char refusals[DRIVER_REFUSALS_MAX][PLACE_BYTES];
    size_t refusals_count; /* dials to be told of */
    struct stranger_telling tellings[DRIVER_TELLINGS_MAX];
    uint64_t handshakes_failed;
    struct crew_wait *waits;
    struct driver_calls calls;
    bool is_open;
    time_us opens_until; /* it opens by then; 0: the time is not known */
    bool was_ready;
    bool is_leaving;
    bool has_left;
    time_us leaves_until;

    /* What any thread may look at. */
    _Atomic uint64_t fresh_until; /* farm time */
    _Atomic peers_term term;
    _Atomic bool has_others;
    _Atomic bool is_ready;
    _Atomic bool is_woken;
    _Atomic bool is_asking; /* acknowledgements are on their way */
    _Atomic bool is_telling;
    _Atomic uint64_t told_bytes; /* of the journal */
    _Atomic int watchers;
};

void driver_enter(struct peers *peers);
void driver_leave(struct peers *peers);
void driver_step(struct peers *peers, struct farm_input input);

/* calls.c */
/* Keeps what the machine asks to be executed. */
void calls_add(struct peers *peers, const struct farm_effect *effect);
/* The first that was not taken, or NULL; and its bytes. */
const struct driver_call *calls_take(struct peers *peers, struct span *bytes);
void calls_release(struct peers *peers);

/* links.c */
void links_accept(int fd, void *context); /* a listener_accepted */
void links_dial(struct peers *peers, struct span address);
void links_close(struct peers *peers, farm_link number, struct span reason);
/* The far end breaks the rules: one line, and that is it. */
void links_cut(struct peers *peers, struct link *link, const char *reason);
/* Dialled, it was there and is no more. */
void links_break_off(struct peers *peers, struct link *link);
void links_send(struct peers *peers, farm_link number, struct span frames);
/* Sends what there is, tells the machine what came of it. */
void links_settle(struct peers *peers);
/* Ends those that dial or are silent for too long. */
void links_watch(struct peers *peers, time_us now);
/* Frees what has ended. */
void links_sweep(struct peers *peers);
void links_destroy(struct peers *peers);

/* strangers.c */
/* Before another is let in: who has been trying for too long goes. */
void strangers_make_room(struct peers *peers);
/* Says why there is no link with `who`, once in a while. */
void strangers_tell(struct peers *peers, const char *who, const char *reason);
/* Counts an attempt that failed, and says so. */
void strangers_fail(struct peers *peers, const struct link *link,
                    const char *reason);
/* Goes on with the handshake; true when it is done. */
bool strangers_shake_hands(struct peers *peers, struct link *link);
/* What it says first is none of grapevine. */
void strangers_refuse(struct peers *peers, struct link *link);
/* Hears the frames of a link up to its HELLO; false where the link is cut: who
 * has connected begins with something else, or names somebody else than its
 * certificate. */
bool strangers_hear(struct peers *peers, struct link *link, struct span inner);
/* The far end is gone; true where it said that it rejects this server. */
bool strangers_were_rejected(struct peers *peers, struct link *link);
/* After keys or certificates were read again: cuts the links with whoever
 * would not be let in by these. */
void strangers_prove_again(struct peers *peers);

#endif
