/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Members: who is in the farm, and who is linked.
 */
#include <assert.h>
#include <string.h>

#include "server/farm/state.h"

/* ---- finding ---- */

struct member *member_find(struct farm *farm, uint64_t id)
{
    for (size_t i = 0; i < farm->members_end; i++) {
        if (farm->members[i].id == id && id != 0)
            return &farm->members[i];
    }
    return NULL;
}

struct connection *connection_find(struct farm *farm, farm_link link)
{
    for (size_t i = 0; i < farm->connections_end; i++) {
        if (farm->connections[i].link == link && link != 0)
            return &farm->connections[i];
    }
    return NULL;
}

struct connection *connection_take(struct farm *farm)
{
    for (size_t i = 0; i < LINKS_MAX; i++) {
        if (farm->connections[i].link != 0)
            continue;
        if (farm->connections_end <= i)
            farm->connections_end = i + 1;
        return &farm->connections[i];
    }
    return NULL;
}

bool member_is_up(const struct member *member)
{
    return member->id != 0 && member->link != 0 &&
           member->state != MEMBER_DEAD && member->state != MEMBER_LEFT;
}

bool member_is_gone(const struct member *member)
{
    return member->state == MEMBER_DEAD || member->state == MEMBER_LEFT;
}

bool member_is_in_view(const struct member *member)
{
    return member->id != 0 && !member_is_gone(member) && member->is_ready;
}

/* Of whose number others have yet to hear. */
static bool is_of_use(const struct member *member)
{
    return member->applied > 0 && !member->is_settled;
}

/* A free place, or that of whoever is dead for longest; rather of one whose
 * number is of no use. */
static struct member *take_place(struct farm *farm)
{
    struct member *oldest = NULL;

    for (size_t i = 0; i < FARM_MEMBERS_MAX; i++) {
        struct member *member = &farm->members[i];
        if (member->id == 0)
            return member;
        if (!member_is_gone(member) || member->link != 0)
            continue;
        bool is_better =
            oldest == NULL || (is_of_use(member) == is_of_use(oldest)
                                   ? member->heard < oldest->heard
                                   : !is_of_use(member));
        if (is_better)
            oldest = member;
    }
    return oldest;
}

struct member *member_create(struct farm *farm, uint64_t id)
{
    struct member *member = take_place(farm);

    if (member == NULL)
        return NULL;
    *member = (struct member){.id = id, .out_until = UINT64_MAX};
    if (farm->members_end <= member_place(farm, member))
        farm->members_end = member_place(farm, member) + 1;
    settle_forget(farm, member);
    view_forget(farm, member);
    return member;
}

void members_copy_text(char to[FARM_TEXT_BYTES_MAX + 1], struct span text)
{
    size_t length =
        text.length < FARM_TEXT_BYTES_MAX ? text.length : FARM_TEXT_BYTES_MAX;

    span_copy((uint8_t *)to, span_of(text.data, length));
    to[length] = '\0';
}

static bool is_text(const char *text, struct span span)
{
    return span_equal(span_of_string(text), span);
}

/* ---- vectors ---- */

size_t members_vector(struct farm *farm,
                      struct vector_entry vector[FARM_MEMBERS_MAX + 1])
{
    size_t count = 0;

    vector[count++] =
        (struct vector_entry){farm->settings.id, journal_head(farm->journal)};
    broadcast_due(farm, vector[0].number);
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        bool is_told = !member_is_gone(member) || !member->is_settled;
        if (member->id != 0 && member->applied > 0 && is_told)
            vector[count++] =
                (struct vector_entry){member->id, member->applied};
    }
    return count;
}

struct message_list vector_pack(const struct vector_entry *vector, size_t count,
                                uint8_t *to)
{
    struct writer writer = writer_of(to, count * MESSAGE_VECTOR_ENTRY_BYTES);

    for (size_t i = 0; i < count; i++) {
        write_u64(&writer, vector[i].id);
        write_u64(&writer, vector[i].number);
    }
    assert(writer.ok);
    return (struct message_list){count, span_of(to, writer.used_bytes)};
}

/* ---- what is said about oneself ---- */

void members_send_hello(struct farm *farm, farm_link link)
{
    const struct farm_settings *settings = &farm->settings;
    struct message message = {
        .kind = MESSAGE_HELLO,
        .hello = {.version_low = MESSAGE_VERSION_LOW,
                  .version_high = MESSAGE_VERSION_HIGH,
                  .id = settings->id,
                  .tag = settings->tag,
                  .state = farm->state,
                  .clock = farm->time,
                  .ready_since = farm->ready_since,
                  .settings = settings->shared_settings,
                  .memory_bytes = settings->memory_bytes,
                  .item_bytes_max = settings->item_bytes_max < UINT32_MAX
                                        ? (uint32_t)settings->item_bytes_max
                                        : UINT32_MAX,
                  .farm = span_of_string(settings->farm_name),
                  .name = span_of_string(settings->name),
                  .address = span_of_string(settings->address)}};

    effect_send(farm, link, &message);
}

/* All that are linked here, or `newcomer` alone. */
static void send_members(struct farm *farm, farm_link link,
                         const struct member *newcomer)
{
    uint8_t bytes[FARM_MEMBERS_MAX * 64];
    struct writer writer = writer_of(bytes, sizeof(bytes));
    size_t count = 0;
    size_t used_bytes = 0;

    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        /* Who is reached through another is to be heard of from that one. */
        if (!member_is_up(member) || !member_has_real_link(member) ||
            member->link == link || (newcomer != NULL && member != newcomer))
            continue;
        struct message_member entry = {.id = member->id,
                                       .state = member->state,
                                       .name = span_of_string(member->name),
                                       .address =
                                           span_of_string(member->address)};
        message_write_member(&writer, &entry);
        if (!writer.ok)
            break; /* the others will be heard of from others */
        count++;
        used_bytes = writer.used_bytes;
    }
    struct message message = {.kind = MESSAGE_MEMBERS,
                              .members = {count, span_of(bytes, used_bytes)}};
    effect_send(farm, link, &message);
}

/* ---- links ---- */

struct seed *members_find_seed(struct farm *farm, struct span address)
{
    for (size_t i = 0; i < farm->seeds_count; i++) {
        if (is_text(farm->seeds[i].address, address))
            return &farm->seeds[i];
    }
    return NULL;
}

void members_add_seed(struct farm *farm, struct span address)
{
    if (members_find_seed(farm, address) != NULL ||
        farm->seeds_count == SEEDS_MAX)
        return;
    members_copy_text(farm->seeds[farm->seeds_count++].address, address);
    farm->next_dial = farm->now;
}

static void set_seed(struct farm *farm, struct span address,
                     enum seed_state state)
{
    struct seed *seed = members_find_seed(farm, address);

    if (seed != NULL && seed->state != SEED_SELF)
        seed->state = state;
}

void members_linked(struct farm *farm, const struct farm_input *input)
{
    assert(input->link != 0 && !link_is_virtual(input->link));
    struct connection *connection = connection_take(farm);

    if (connection != NULL) {
        *connection = (struct connection){
            .link = input->link, .is_dialled = input->bytes.length > 0};
        members_copy_text(connection->address, input->bytes);
        members_copy_text(connection->host, input->host);
        members_send_hello(farm, input->link);
        return;
    }
    effect_unlink(farm, input->link, "too many links");
}

/* Who has no link is not waited for; but he stays in the view, also if he
 * was only about to be READY: by now he may be. */
static void lose_link(struct farm *farm, struct member *member)
{
    member->link = 0;
    member->lost = farm->now;
    member->is_attached = false;
    member->has_entered = false;
    member->asked_to_wait = 0;
    member->is_ahead = false;
    member->out_until = UINT64_MAX;
    synchronise_forget(farm, member->id);
    wants_forget(farm, member);
    lookup_forget(farm, member);
    errand_forget(farm, member);
    broadcast_choose(farm);
}

void members_cut(struct farm *farm, struct connection *connection,
                 const char *reason)
{
    const struct member *member = connection->member;
    const char *where =
        connection->address[0] != '\0' ? connection->address : connection->host;

    effect_event(farm, FARM_MEMBERS, "the link with %s is cut: %s",
                 member != NULL ? member->name : where, reason);
    members_drop_link(farm, connection, reason);
}

void members_drop_link(struct farm *farm, struct connection *connection,
                       const char *reason)
{
    if (!link_is_virtual(connection->link))
        effect_unlink(farm, connection->link, reason);
    if (connection->member != NULL &&
        connection->member->link == connection->link)
        lose_link(farm, connection->member);
    *connection = (struct connection){0};
}

/* A dial ended without a word: a process that is ending still listened, when
 * its links were gone.  The next one is refused, and tells. */
static void dial_soon(struct farm *farm, const char *address)
{
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (member->id != 0 && member->link == 0 && !member_is_gone(member) &&
            farm->now - member->lost < DIAL_INTERVAL &&
            strcmp(member->address, address) == 0 &&
            farm->next_dial > farm->now + DIAL_AGAIN_AFTER)
            farm->next_dial = farm->now + DIAL_AGAIN_AFTER;
    }
}

void members_unlinked(struct farm *farm, farm_link link)
{
    struct connection *connection = connection_find(farm, link);

    if (connection == NULL)
        return;
    struct member *member = connection->member;
    set_seed(farm, span_of_string(connection->address), SEED_UNKNOWN);
    if (member == NULL)
        dial_soon(farm, connection->address);
    *connection = (struct connection){0};
    if (member == NULL || member->link != link)
        return;
    lose_link(farm, member);
    /* Refused, it is dead at once; else it may only have lost this link. */
    if (!member_is_gone(member))
        effect_dial(farm, member->address);
}

static const char *reason_of(enum proof proof)
{
    switch (proof) {
    case PROOF_REFUSED:
        return "nobody listens there";
    case PROOF_HEIR:
        return "another server answers there";
    default:
        return "nobody hears it";
    }
}

void member_die(struct farm *farm, struct member *member, enum proof proof)
{
    if (member->link != 0)
        members_drop_link(farm, connection_find(farm, member->link),
                          "it is dead");
    if (member->state != MEMBER_LEFT)
        member->state = MEMBER_DEAD;
    member->had_data = member->is_ready && proof == PROOF_NONE;
    member->told_state = member->state;
    if (member->was_met)
        effect_event(farm, FARM_MEMBERS, "%s (%s) is dead: %s", member->name,
                     member->address, reason_of(proof));
    member->is_ready = false;
    member->is_entering = false;
    member->died = farm->now;
    member->is_proven = proof != PROOF_NONE;
    synchronise_forget(farm, member->id);
}

void members_refused(struct farm *farm, struct span address)
{
    set_seed(farm, address, SEED_REFUSED);
    for (size_t i = 0; i < farm->members_end; i++) {
        struct member *member = &farm->members[i];
        if (member->id != 0 && member->link == 0 && !member_is_gone(member) &&
            is_text(member->address, address))
            member_die(farm, member, PROOF_REFUSED);
    }
}

/* Of two links to one member, both ends keep the one that the lower id
 * dialled; of two by the same end, the newer: the older must be half-open. */
static bool keeps_new_link(const struct farm *farm,
                           const struct connection *old,
                           const struct connection *new)
{
    bool lower_is_me = farm->settings.id < new->member->id;

    if (link_is_virtual(old->link) != link_is_virtual(new->link))
        return link_is_virtual(old->link);

    if (old->is_dialled == new->is_dialled)
        return true;
    return new->is_dialled == lower_is_me;
}

/* Somebody else answers where a member was: that one is no more. */
static void bury_predecessors(struct farm *farm, const struct member *heir)
{
    for (size_t i = 0; i < farm->members_end; i++) {
        struct member *member = &farm->members[i];
        if (member->id == 0 || member == heir ||
            strcmp(member->address, heir->address) != 0)
            continue;
        if (!member_is_gone(member))
            member_die(farm, member, PROOF_HEIR);
        /* Only its number is of use still. */
        member->name[0] = '\0';
        member->address[0] = '\0';
    }
}

/* They served apart: neither knows what the other's clients did. */
static bool served_apart(const struct farm *farm, const struct member *member,
                         const struct message_hello *hello)
{
    bool was_known =
        member->was_met && member->id == hello->id && !member_is_gone(member);

    return !was_known && farm->state == MEMBER_READY &&
           hello->state == MEMBER_READY;
}

static void start_link(struct farm *farm, struct member *member,
                       const struct connection *connection)
{
    /* What a synchronisation brought need not be streamed again. */
    if (!member->has_gap && member->applied > member->received)
        member->received = member->applied;
    struct message attach = {
        .kind = MESSAGE_ATTACH,
        .number = member->received > 0 ? member->received + 1 : 0};

    settle_not(member);
    member->link = connection->link;
    member->heard = farm->now;
    member->is_attached = false;
    member->awaits_start = attach.number == 0;
    member->awaits_heartbeat = true;
    acks_begin(member);
    member->echoed = 0;
    member->entered = 0;
    effect_send(farm, member->link, &attach);
    send_members(farm, member->link, NULL);
    heartbeat_send(farm, member);
    view_tell(farm, member);
    /* Who came later should be heard of by those who were here before. */
    for (size_t i = 0; i < farm->members_end; i++) {
        struct member *other = &farm->members[i];
        if (other != member && member_is_up(other))
            send_members(farm, other->link, member);
    }
}

static void refuse(struct farm *farm, struct connection *connection,
                   const char *reason)
{
    struct message message = {.kind = MESSAGE_REFUSE,
                              .refuse = span_of_string(reason)};

    effect_send(farm, connection->link, &message);
    members_drop_link(farm, connection, reason);
}

/* Allowed, and worth a line: the smaller one evicts, or has no room, first. */
static void compare_sizes(struct farm *farm, const struct member *member,
                          const struct message_hello *hello)
{
    const struct farm_settings *settings = &farm->settings;

    if (hello->memory_bytes != settings->memory_bytes)
        effect_event(farm, FARM_MEMBERS,
                     "%s has %llu MiB of memory (-m), this server %llu",
                     member->name,
                     (unsigned long long)(hello->memory_bytes >> 20),
                     (unsigned long long)(settings->memory_bytes >> 20));
    if (hello->item_bytes_max != settings->item_bytes_max)
        effect_event(farm, FARM_MEMBERS,
                     "%s takes items of %lu bytes (-I), this server of %lu",
                     member->name, (unsigned long)hello->item_bytes_max,
                     (unsigned long)settings->item_bytes_max);
}

/* Of two links, `connection` is the one to be kept. */
static bool wins_link(struct farm *farm, struct connection *connection)
{
    struct member *member = connection->member;
    struct connection *old = connection_find(farm, member->link);

    if (old == NULL || old == connection)
        return true;
    bool keeps_new = keeps_new_link(farm, old, connection);
    struct connection *worse = keeps_new ? old : connection;
    worse->member = NULL;
    members_drop_link(farm, worse, "there is another link");
    if (keeps_new)
        lose_link(farm, member);
    return keeps_new;
}

static void take_hello(struct farm *farm, struct connection *connection,
                       const struct message_hello *hello, const char *address)
{
    struct member *member = connection->member;

    member->was_met = true;
    member->has_homes = hello->settings != 0;
    member->item_bytes_max = hello->item_bytes_max;
    member->tag = hello->tag;
    members_copy_text(member->name, hello->name);
    members_copy_text(member->address, span_of_string(address));
    set_seed(farm, span_of_string(address), SEED_LINKED);
    set_seed(farm, span_of_string(connection->address), SEED_LINKED);
    struct seed *seed =
        members_find_seed(farm, span_of_string(connection->address));
    if (seed != NULL)
        seed->id = member->id;
    bury_predecessors(farm, member);
    if (!wins_link(farm, connection))
        return;
    member->version = hello->version_high;
    member->state = hello->state;
    member->is_ready = hello->state == MEMBER_READY;
    member->ready_since = member->is_ready ? hello->ready_since : 0;
    start_link(farm, member, connection);
    broadcast_choose(farm); /* before it can attach to our journal */
    clock_hello(farm, member, hello);
    tags_meet(farm, member, hello->tag);
}

void members_hello(struct farm *farm, struct connection *connection,
                   const struct message_hello *hello)
{
    char reason[REFUSAL_BYTES_MAX + 1];
    char address[FARM_TEXT_BYTES_MAX + 1] = "";

    if (hello->id == farm->settings.id) {
        set_seed(farm, span_of_string(connection->address), SEED_SELF);
        members_drop_link(farm, connection, "it is this server itself");
        return;
    }
    if (!refuse_or_take(farm, connection, hello, address, reason)) {
        refuse(farm, connection, reason);
        return;
    }
    struct member *member = member_find(farm, hello->id);
    bool is_new = member == NULL;
    if (is_new)
        member = member_create(farm, hello->id);
    if (member == NULL) {
        tell_once(farm, "refused a server: the farm is full");
        refuse(farm, connection,
               "the farm is full, with as many members as it can have");
        return;
    }
    bool must_sync = served_apart(farm, member, hello);
    bool was_met = !is_new && member->was_met;
    connection->member = member;
    member->must_sync |= must_sync;
    take_hello(farm, connection, hello, address);
    if (!was_met)
        compare_sizes(farm, member, hello);
}

bool members_is_linked_to(const struct farm *farm, const char *address)
{
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (member->id != 0 && member_has_real_link(member) &&
            strcmp(member->address, address) == 0)
            return true;
    }
    return false;
}

/* Somebody else is linked to it.  Where it cannot be dialled from here, its
 * silence leads to a way through that neighbour. */
static void learn(struct farm *farm, const struct message_member *entry)
{
    struct member *member = member_find(farm, entry->id);
    bool is_new = member == NULL;

    if (entry->id == 0 || entry->id == farm->settings.id ||
        entry->name.length == 0 || entry->address.length == 0 ||
        !refuse_is_text(entry->name) || !refuse_is_text(entry->address))
        return;
    if (is_new)
        member = member_create(farm, entry->id);
    if (member == NULL ||
        (!is_new && (member->was_met || !member_is_gone(member))))
        return;
    /* Whoever serves answers without us: nothing is fresh until it is linked
     * or dead. */
    member->is_ready =
        entry->state == MEMBER_READY || entry->state == MEMBER_SUSPECT;
    member->state = member->is_ready ? entry->state : MEMBER_JOINING;
    member->suspected = farm->now;
    member->heard = farm->now;
    members_copy_text(member->name, entry->name);
    members_copy_text(member->address, entry->address);
    if (!members_is_linked_to(farm, member->address))
        effect_dial(farm, member->address);
}

void members_learn(struct farm *farm, const struct message_list *list)
{
    struct reader reader = reader_of(list->bytes);

    for (size_t i = 0; i < list->count; i++) {
        struct message_member entry = message_read_member(&reader);
        learn(farm, &entry);
    }
}
