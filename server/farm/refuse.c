/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Refuse: who cannot be a member here, in one line for both sides.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server/farm/state.h"

/* Two READY members whose clocks are further apart are not brought together:
 * the versions of the one would beat all that the other writes. */
#define CLOCKS_APART_MAX (600 * TIME_US_PER_S)

static bool refuse(char reason[REFUSAL_BYTES_MAX + 1], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(char reason[REFUSAL_BYTES_MAX + 1], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason, REFUSAL_BYTES_MAX + 1, format, arguments);
    va_end(arguments);
    return false;
}

/* Names and addresses are compared, dialled and logged. */
bool refuse_is_text(struct span text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < ' ' || text.data[i] == 0x7f)
            return false;
    }
    return true;
}

/* Who listens on every address of its host says only the port: the host is
 * where the link comes from. */
static bool complete_address(const struct connection *connection,
                             struct span told,
                             char address[FARM_TEXT_BYTES_MAX + 1])
{
    const char *host = connection->host;
    bool is_bare = strchr(host, ':') != NULL && host[0] != '[';

    members_copy_text(address, told);
    if (told.length == 0 || told.data[0] != ':')
        return told.length > 0;
    if (host[0] == '\0')
        return false;
    char port[FARM_TEXT_BYTES_MAX + 1];
    members_copy_text(port, told);
    int length = snprintf(address, FARM_TEXT_BYTES_MAX + 1,
                          is_bare ? "[%s]%s" : "%s%s", host, port);
    return length > 0 && length <= FARM_TEXT_BYTES_MAX;
}

static bool is_name_free(const struct farm *farm,
                         const struct message_hello *hello, const char *address,
                         char *reason)
{
    if (span_equal(hello->name, span_of_string(farm->settings.name)))
        return refuse(reason,
                      "its name %.80s is the name of this server, at "
                      "%.80s",
                      farm->settings.name, farm->settings.address);
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (member->id == 0 || member->id == hello->id || !member->was_met ||
            member_is_gone(member) || strcmp(member->address, address) == 0 ||
            !span_equal(span_of_string(member->name), hello->name))
            continue;
        return refuse(reason,
                      "its name %.80s is the name of the member at "
                      "%.80s, which is not dead",
                      member->name, member->address);
    }
    return true;
}

/* A name is unique, and so is an id: who says that of a member goes by its
 * name, or means to take its place. */
static bool is_id_its_own(struct farm *farm, const struct message_hello *hello,
                          char *reason)
{
    const struct member *member = member_find(farm, hello->id);

    if (member == NULL || !member->was_met || member->name[0] == '\0' ||
        span_equal(span_of_string(member->name), hello->name))
        return true;
    return refuse(reason, "its id is that of the member %.80s at %.80s",
                  member->name, member->address);
}

static bool is_near_in_time(const struct farm *farm,
                            const struct message_hello *hello, char *reason)
{
    bool is_ahead = hello->clock > farm->time;
    time_us apart =
        is_ahead ? hello->clock - farm->time : farm->time - hello->clock;

    if (farm->state != MEMBER_READY || hello->state != MEMBER_READY ||
        apart <= CLOCKS_APART_MAX)
        return true;
    return refuse(reason, "its clock is %llu minutes %s",
                  (unsigned long long)(apart / TIME_US_PER_S / 60),
                  is_ahead ? "ahead" : "behind");
}

/* Who knows of no such settings is let in: until it is upgraded, each server
 * decides for itself. */
static bool are_settings_shared(const struct farm *farm,
                                const struct message_hello *hello, char *reason)
{
    if (hello->settings == 0 ||
        hello->settings == farm->settings.shared_settings)
        return true;
    return refuse(reason, "its --farm-coordinate, --farm-quorum or "
                          "--farm-lock-keys differ from those here");
}

/* What a server can say of itself. */
static bool is_own_state(uint8_t state)
{
    return state == MEMBER_JOINING || state == MEMBER_SYNCING ||
           state == MEMBER_READY || state == MEMBER_LEFT;
}

static bool is_possible(struct farm *farm, const struct connection *connection,
                        const struct message_hello *hello, char *address,
                        char *reason)
{
    if (hello->version_low > MESSAGE_VERSION_HIGH ||
        hello->version_high < MESSAGE_VERSION_LOW)
        return refuse(
            reason,
            "it speaks version %u to %u of grapevine, here it is %u to "
            "%u",
            hello->version_low, hello->version_high, MESSAGE_VERSION_LOW,
            MESSAGE_VERSION_HIGH);
    if (!refuse_is_text(hello->farm) || !refuse_is_text(hello->name) ||
        !refuse_is_text(hello->address))
        return refuse(reason, "its names are not text");
    if (!span_equal(span_of_string(farm->settings.farm_name), hello->farm))
        return refuse(reason,
                      "it belongs to the farm %.*s, this is %.80s "
                      "(--farm-name)",
                      (int)(hello->farm.length < 80 ? hello->farm.length : 80),
                      (const char *)hello->farm.data, farm->settings.farm_name);
    if (hello->id == 0 || hello->name.length == 0 ||
        !is_own_state(hello->state))
        return refuse(reason, "it does not say who it is");
    if (!clock_is_sane(hello->clock))
        return refuse(reason, "its clock cannot be right");
    if (!complete_address(connection, hello->address, address))
        return refuse(reason, "it does not say where it can be dialled");
    return are_settings_shared(farm, hello, reason) &&
           is_id_its_own(farm, hello, reason) &&
           is_name_free(farm, hello, address, reason) &&
           is_near_in_time(farm, hello, reason);
}

bool refuse_or_take(struct farm *farm, const struct connection *connection,
                    const struct message_hello *hello,
                    char address[FARM_TEXT_BYTES_MAX + 1],
                    char reason[REFUSAL_BYTES_MAX + 1])
{
    if (!is_possible(farm, connection, hello, address, reason)) {
        const char *where = address[0] != '\0' ? address : connection->host;
        char line[FARM_TEXT_BYTES_MAX + 1];
        snprintf(line, sizeof(line), "refused %.80s: %.160s", where, reason);
        tell_once(farm, line);
        return false;
    }
    return true;
}

/* The words are a stranger's. */
void refuse_heard(struct farm *farm, struct connection *connection,
                  struct span reason)
{
    char words[160 + 1];
    char line[FARM_TEXT_BYTES_MAX + 1];
    size_t length = sizeof(words) - 1;

    if (length > reason.length)
        length = reason.length;

    for (size_t i = 0; i < length; i++)
        words[i] = reason.data[i] < ' ' || reason.data[i] == 0x7f
                       ? '?'
                       : (char)reason.data[i];
    words[length] = '\0';
    const char *where =
        connection->address[0] != '\0' ? connection->address : connection->host;
    snprintf(line, sizeof(line), "refused by %.60s, which says: %s", where,
             words);
    farm->refused = farm->now;
    tell_once(farm, line);
    members_drop_link(farm, connection, line);
}
