/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/start/settings.h"

#include "proto/base/digest.h"

#define MEGABYTE (UINT64_C(1024) * 1024)

/* How long a deleted key is remembered, against older states of it. */
#define GRAVE_S 3600
/* What temporary_ttl is in memcached while nothing is kept apart. */
#define TEMPORARY_S 61
/* Memory may grow to 64 times of -m, from 16 GB to 16 TB. */
#define MEMORY_GROWTH_MAX 64
#define MEMORY_MEGABYTES_LIMIT_MIN ((uint64_t)16 * 1024)
#define MEMORY_MEGABYTES_LIMIT_MAX ((uint64_t)16 * 1024 * 1024)

bool settings_has_farm(const struct config *config)
{
    return config->farm_listen != NULL || config->farm_join_count > 0;
}

struct process_settings settings_process(const struct config *config)
{
    return (struct process_settings){.connections_max = config->connections_max,
                                     .threads = config->threads,
                                     .memory_bytes =
                                         config->memory_megabytes * MEGABYTE,
                                     .is_daemon = config->daemon,
                                     .core_dumps = config->core_dumps,
                                     .locks_memory = config->locks_memory,
                                     .pid_file = config->pid_file,
                                     .user = config->user};
}

/* What cache_memlimit may go up to.  Address space costs nothing, unless it
 * is counted against a limit of memory that is locked. */
static size_t memory_limit(const struct config *config)
{
    uint64_t megabytes = config->memory_megabytes * MEMORY_GROWTH_MAX;

    if (config->locks_memory)
        return config->memory_megabytes * MEGABYTE;
    if (megabytes < MEMORY_MEGABYTES_LIMIT_MIN)
        megabytes = MEMORY_MEGABYTES_LIMIT_MIN;
    if (megabytes > MEMORY_MEGABYTES_LIMIT_MAX)
        megabytes = MEMORY_MEGABYTES_LIMIT_MAX;
    return megabytes * MEGABYTE;
}

struct store_settings settings_store(const struct config *config)
{
    struct store_settings settings = {
        .memory_bytes_max = config->memory_megabytes * MEGABYTE,
        .memory_bytes_limit = memory_limit(config),
        .item_bytes_max = config->item_bytes_max,
        .evicts = !config->disable_evictions,
        .replicates = settings_has_farm(config),
        .grave_s = GRAVE_S,
        .counts_sizes = config->track_sizes,
        .large_pages = config->large_pages};

    /* Everybody in the farm files keys alike. */
    if (settings_has_farm(config))
        settings.seed = digest64(span_of_string(config->farm_name), 0);
    return settings;
}

static enum peers_lookup lookup(const struct config *config)
{
    switch (config->farm_lookup) {
    case LOOKUP_NEVER:
        return PEERS_LOOKUP_NEVER;
    case LOOKUP_AUTO:
        return PEERS_LOOKUP_AUTO;
    default:
        return PEERS_LOOKUP_ALWAYS;
    }
}

static enum farm_ack ack(const struct config *config)
{
    switch (config->farm_ack) {
    case ACK_ONE:
        return FARM_ACK_ONE;
    case ACK_MAJORITY:
        return FARM_ACK_MAJORITY;
    default:
        return FARM_ACK_ALL;
    }
}

/* What has to be the same at all members; texts end with a byte 0. */
static uint64_t shared_settings(const struct config *config)
{
    uint64_t digest =
        digest64(SPAN("shared settings"), config->farm_coordinate);

    digest = digest64(SPAN("quorum"), digest ^ config->farm_quorum);
    for (size_t i = 0; i < config->farm_lock_keys_count; i++)
        digest = digest64(span_of_string(config->farm_lock_keys[i]), digest);
    return digest != 0 ? digest : 1;
}

struct peers_settings settings_peers(const struct config *config)
{
    return (struct peers_settings){
        .listen = config->farm_listen,
        .advertise = config->farm_advertise,
        .joins = config->farm_join,
        .joins_count = config->farm_join_count,
        .is_insecure = config->farm_insecure,
        .handshakes_max = config->farm_handshakes,
        .handshake_timeout = config->farm_handshake_timeout_ms * TIME_US_PER_MS,
        .farm_name = config->farm_name,
        .name = config->farm_server_name,
        .heartbeat = config->farm_heartbeat_ms * TIME_US_PER_MS,
        .ack_timeout = config->farm_ack_timeout_ms * TIME_US_PER_MS,
        .lookup_timeout = config->farm_lookup_timeout_ms * TIME_US_PER_MS,
        .journal_bytes = config->farm_journal_megabytes * MEGABYTE,
        .memory_bytes = config->memory_megabytes * MEGABYTE,
        .item_bytes_max = config->item_bytes_max,
        .lookup = lookup(config),
        .waits_for_acks = config->farm_ack != ACK_LOCAL,
        .ack = ack(config),
        .has_homes = config->farm_coordinate != COORDINATE_NONE,
        .quorum = (unsigned)config->farm_quorum,
        .shared_settings = shared_settings(config),
        .lock_grace = config->farm_lock_grace_ms * TIME_US_PER_MS,
        .crews_count = config->threads};
}

static enum protocol protocol(const struct config *config)
{
    switch (config->protocol) {
    case SPEAKS_ASCII:
        return PROTOCOL_TEXT;
    case SPEAKS_BINARY:
        return PROTOCOL_BINARY;
    default:
        return PROTOCOL_UNKNOWN;
    }
}

/* What follows from one word for others, as memcached has it. */
static struct tuning tuning(const struct config *config)
{
    struct tuning tuning = config->tuning;

    tuning.is_flat = tuning.has_no_maintainer;
    tuning.has_temporary = tuning.temporary_s > 0;
    if (!tuning.has_temporary)
        tuning.temporary_s = TEMPORARY_S;
    return tuning;
}

static enum homing homing(const struct config *config)
{
    switch (config->farm_coordinate) {
    case COORDINATE_NONE:
        return HOMING_NONE;
    case COORDINATE_ALL:
        return HOMING_ALL;
    default:
        return HOMING_ATOMIC;
    }
}

static struct lock_keys lock_keys(const struct config *config)
{
    struct lock_keys keys = {.count = 0};

    _Static_assert(LOCK_KEYS_MAX >= CONFIG_FARM_LOCK_KEYS_MAX,
                   "what may be given has room");
    for (size_t i = 0; i < config->farm_lock_keys_count; i++)
        lock_keys_add(&keys, span_of_string(config->farm_lock_keys[i]));
    return keys;
}

struct clients_settings settings_clients(const struct config *config)
{
    return (struct clients_settings){
        .fails_when_degraded = config->farm_ack_fallback == ACK_FALLBACK_ERROR,
        .homing = homing(config),
        .locks_end_with_connection = config->farm_lock_connection,
        .lock_keys = lock_keys(config),
        .threads_count = config->threads,
        .connections_max = config->connections_max,
        .turn_commands_max = config->turn_commands_max,
        .backlog = (unsigned)config->backlog,
        .has_tls_sessions = config->tls_session_cache,
        .idle_timeout = config->idle_timeout_s * TIME_US_PER_S,
        .surplus_waits = config->surplus_waits,
        .watcher_bytes = config->watcher_buffer_kilobytes * 1024,
        .bulletin_bytes = config->worker_buffer_kilobytes * 1024,
        .enable_shutdown = config->enable_shutdown,
        .disable_flush_all = config->disable_flush_all,
        .disable_dumping = config->disable_dumping,
        .disable_watch = config->disable_watch,
        .disable_cas = config->disable_cas,
        .tuning = tuning(config),
        .counts_prefixes = config->prefix_delimiter != NULL};
}

struct tls_settings settings_tls(const struct config *config)
{
    return (struct tls_settings){.chain_file = config->tls_chain,
                                 .key_file = config->tls_key,
                                 .is_key_der = config->tls_key_is_der,
                                 .authorities_file = config->tls_authority,
                                 .ciphers = config->tls_ciphers,
                                 .verify = (enum tls_verify)config->tls_verify,
                                 .is_only_13 = config->tls_version_min == 3,
                                 .caches_sessions = config->tls_session_cache,
                                 .record_bytes =
                                     config->tls_buffer_kilobytes * 1024};
}

bool settings_has_keyed_links(const struct config *config)
{
    return config->farm_keys != NULL || config->farm_chain != NULL;
}

struct tls_farm_settings settings_tls_farm(const struct config *config)
{
    return (struct tls_farm_settings){.keys_file = config->farm_keys,
                                      .chain_file = config->farm_chain,
                                      .key_file = config->farm_chain_key,
                                      .authorities_file =
                                          config->farm_authority};
}

struct doors_settings settings_doors(const struct config *config)
{
    return (struct doors_settings){.backlog = (int)config->backlog,
                                   .endpoints = config->listen,
                                   .endpoints_count = config->listen_count,
                                   .port = config->port == CONFIG_PORT_ANY
                                               ? DOORS_PORT_ANY
                                               : (unsigned)config->port,
                                   .unix_socket = config->unix_socket,
                                   .unix_mode = (unsigned)config->unix_mask,
                                   .protocol = protocol(config)};
}
