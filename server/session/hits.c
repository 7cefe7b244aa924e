/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/hits.h"

/* Nobody wants to know more of it than how many there were. */
static inline bool is_plain(const struct session *session,
                            const struct command *command)
{
    const struct crew *crew = session->crew;

    return command->refusal == REFUSAL_NONE && crew->reporting == 0 &&
           session->reading != PEERS_ASK_ALWAYS &&
           !atomic_load_explicit(&crew->counts_prefixes, memory_order_relaxed);
}

/* What is long is better told of than copied, and not from here. */
static bool reply(struct session *session, const struct command *command,
                  struct store_hold *hold)
{
    struct span value = item_value(hold->item);
    uint8_t *to;

    if (value.length >= STORE_PIN_BYTES_MIN)
        return false;
    to = output_room(&session->output, REPLY_HEAD_BYTES_MAX + value.length +
                                           REPLY_TAIL_BYTES_MAX);
    if (to == NULL)
        return false;
    output_add(&session->output,
               reply_hit(command, item_flags(hold->item), value, to));
    store_use(hold);
    return true;
}

bool hits_take(struct session *session, const struct command *command)
{
    struct crew *crew = session->crew;
    struct store_hold hold;

    if (!is_plain(session, command) ||
        !store_look(session_store(session), crew->onlooker, command->key,
                    command->hash, session->now, &hold))
        return false;
    bool is_taken = hold.item != NULL &&
                    (item_marks(hold.item) & ITEM_STALE) == 0 &&
                    reply(session, command, &hold);
    store_release(&hold);
    if (!is_taken)
        return false;
    count(&crew->counters, COUNTER_CMD_GET, 1);
    count(&crew->counters, COUNTER_GET_HITS, 1);
    return true;
}
