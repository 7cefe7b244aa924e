/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/auth/exchange.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "build.h"

#ifdef HAVE_SASL

#include <sasl/sasl.h>

#define APPLICATION "memcached"
#define MECHANISMS_BYTES 512

struct exchange {
    sasl_conn_t *connection;
};

struct exchanges {
    exchange_told *told;
    void *context;
    sasl_callback_t callbacks[2]; /* which the library goes on using */
    char mechanisms[MECHANISMS_BYTES];
};

/* Levels from SASL_LOG_TRACE on would show passwords. */
static int on_log(void *context, int level, const char *line)
{
    const struct exchanges *exchanges = context;

    if (line != NULL && level >= SASL_LOG_ERR && level <= SASL_LOG_DEBUG)
        exchanges->told(exchanges->context, level == SASL_LOG_ERR, line);
    return SASL_OK;
}

static bool open_connection(struct exchange *exchange)
{
    sasl_security_properties_t properties = {
        .max_ssf = 0, .security_flags = SASL_SEC_NOANONYMOUS};

    return sasl_server_new(APPLICATION, NULL, NULL, NULL, NULL, NULL, 0,
                           &exchange->connection) == SASL_OK &&
           sasl_setprop(exchange->connection, SASL_SEC_PROPS, &properties) ==
               SASL_OK;
}

struct exchange *exchange_create(void)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));

    if (exchange != NULL && !open_connection(exchange)) {
        exchange_destroy(exchange);
        return NULL;
    }
    return exchange;
}

void exchange_destroy(struct exchange *exchange)
{
    if (exchange == NULL)
        return;
    if (exchange->connection != NULL)
        sasl_dispose(&exchange->connection);
    free(exchange);
}

static bool list_mechanisms(struct exchanges *exchanges)
{
    struct exchange *exchange = exchange_create();
    const char *list = NULL;
    bool is_listed =
        exchange != NULL && sasl_listmech(exchange->connection, NULL, "", " ",
                                          "", &list, NULL, NULL) == SASL_OK;

    if (is_listed)
        snprintf(exchanges->mechanisms, sizeof(exchanges->mechanisms), "%s",
                 list);
    exchange_destroy(exchange);
    return is_listed && exchanges->mechanisms[0] != '\0';
}

/* NULL, or what is wrong. */
static const char *start_library(struct exchanges *exchanges)
{
    exchanges->callbacks[0] =
        (sasl_callback_t){.id = SASL_CB_LOG,
                          .proc = (int (*)(void))(void (*)(void))on_log,
                          .context = exchanges};
    exchanges->callbacks[1] = (sasl_callback_t){.id = SASL_CB_LIST_END};
    if (sasl_server_init(exchanges->callbacks, APPLICATION) != SASL_OK)
        return "SASL does not start; look at its settings";
    if (!list_mechanisms(exchanges))
        return "SASL has no mechanism for clients; install libsasl2-modules, "
               "and look at mech_list";
    return NULL;
}

struct exchanges *exchanges_create(exchange_told *told, void *context,
                                   char error[EXCHANGE_ERROR_BYTES])
{
    struct exchanges *exchanges = calloc(1, sizeof(*exchanges));

    if (exchanges == NULL) {
        snprintf(error, EXCHANGE_ERROR_BYTES,
                 "option -S (--enable-sasl): no memory");
        return NULL;
    }
    exchanges->told = told;
    exchanges->context = context;
    const char *wrong = start_library(exchanges);
    if (wrong == NULL)
        return exchanges;
    snprintf(error, EXCHANGE_ERROR_BYTES,
             "option -S (--enable-sasl): %s in /etc/sasl2/" APPLICATION
             ".conf, or where SASL_CONF_PATH says",
             wrong);
    exchanges_destroy(exchanges);
    return NULL;
}

void exchanges_destroy(struct exchanges *exchanges)
{
    if (exchanges == NULL)
        return;
    sasl_done();
    free(exchanges);
}

const char *exchanges_mechanisms(const struct exchanges *exchanges)
{
    return exchanges->mechanisms;
}

static enum exchange_result judge(int result, const char *text, unsigned bytes,
                                  struct exchange_challenge *challenge)
{
    challenge->bytes = 0;
    if (result == SASL_OK)
        return EXCHANGE_PROVEN;
    if (result != SASL_CONTINUE || bytes > sizeof(challenge->text))
        return EXCHANGE_REFUSED;
    challenge->bytes = bytes;
    span_copy(challenge->text, span_of(text, bytes));
    return EXCHANGE_CONTINUES;
}

enum exchange_result exchange_start(struct exchange *exchange,
                                    const char *mechanism, struct span initial,
                                    struct exchange_challenge *challenge)
{
    const char *text = NULL;
    unsigned bytes = 0;
    /* An empty beginning is none: the client waits to be asked. */
    const char *begins = initial.length > 0 ? (const char *)initial.data : NULL;
    int result = sasl_server_start(exchange->connection, mechanism, begins,
                                   (unsigned)initial.length, &text, &bytes);

    return judge(result, text, bytes, challenge);
}

enum exchange_result exchange_step(struct exchange *exchange,
                                   struct span answer,
                                   struct exchange_challenge *challenge)
{
    const char *text = NULL;
    unsigned bytes = 0;
    int result =
        sasl_server_step(exchange->connection, (const char *)answer.data,
                         (unsigned)answer.length, &text, &bytes);

    return judge(result, text, bytes, challenge);
}

#else

struct exchanges *exchanges_create(exchange_told *told, void *context,
                                   char error[EXCHANGE_ERROR_BYTES])
{
    (void)told;
    (void)context;
    snprintf(error, EXCHANGE_ERROR_BYTES,
             "option -S (--enable-sasl): SASL is not built in; build with "
             "libsasl2, or let users in by -Y");
    return NULL;
}

void exchanges_destroy(struct exchanges *exchanges)
{
    assert(exchanges == NULL);
}

/* Without exchanges nobody calls these. */
const char *exchanges_mechanisms(const struct exchanges *exchanges)
{
    (void)exchanges;
    return "";
}

struct exchange *exchange_create(void)
{
    return NULL;
}

void exchange_destroy(struct exchange *exchange)
{
    assert(exchange == NULL);
}

enum exchange_result exchange_start(struct exchange *exchange,
                                    const char *mechanism, struct span initial,
                                    struct exchange_challenge *challenge)
{
    (void)exchange;
    (void)mechanism;
    (void)initial;
    (void)challenge;
    return EXCHANGE_REFUSED;
}

enum exchange_result exchange_step(struct exchange *exchange,
                                   struct span answer,
                                   struct exchange_challenge *challenge)
{
    (void)exchange;
    (void)answer;
    (void)challenge;
    return EXCHANGE_REFUSED;
}

#endif
