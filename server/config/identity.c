/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Identity: what -Y and -S ask for, looked at together with -B and -l.
 *
 * Each way to say who one is belongs to one protocol, and the other one has
 * no place where anybody could be asked.
 */
#include "proto/base/endpoint.h"
#include "server/config/reading.h"

static const struct way {
    const char *option;
    const char *protocol; /* that its clients speak */
    const char *word;     /* of -B, and of proto[] */
    enum config_protocol speaks;
    enum endpoint_protocol speaks_at_endpoint;
} by_file = {"-Y", "text", "ascii", SPEAKS_ASCII, ENDPOINT_ASCII},
  by_sasl = {"-S", "binary", "binary", SPEAKS_BINARY, ENDPOINT_BINARY};

static enum config_result check_endpoint(const struct reading *reading,
                                         const struct way *way,
                                         const char *text)
{
    struct endpoint endpoint;

    if (endpoint_parse(text, &endpoint) != NULL ||
        endpoint.protocol == ENDPOINT_AS_USUAL ||
        endpoint.protocol == way->speaks_at_endpoint)
        return CONFIG_OK;
    return reading_bad(reading,
                       "option -l (--listen): '%.64s' will not do, as with %s "
                       "clients speak the %s protocol alone; remove proto[] or "
                       "give proto[%s]",
                       text, way->option, way->protocol, way->word);
}

static enum config_result check_way(struct reading *reading,
                                    const struct way *way)
{
    struct config *config = reading->config;

    if (reading->has_protocol && config->protocol != way->speaks)
        return reading_bad(reading,
                           "option -B (--protocol): with %s clients speak the "
                           "%s protocol alone; remove -B or give -B %s",
                           way->option, way->protocol, way->word);
    for (size_t i = 0; i < config->listen_count; i++) {
        if (check_endpoint(reading, way, config->listen[i]) != CONFIG_OK)
            return CONFIG_BAD;
    }
    config->protocol = way->speaks;
    return CONFIG_OK;
}

enum config_result identity_check(struct reading *reading)
{
    const struct config *config = reading->config;

    if (config->sasl && config->auth_file != NULL)
        return reading_bad(reading, "options -S (--enable-sasl) and -Y "
                                    "(--auth-file) exclude each other; "
                                    "remove one of them");
    if (config->sasl)
        return check_way(reading, &by_sasl);
    if (config->auth_file != NULL)
        return check_way(reading, &by_file);
    return CONFIG_OK;
}
