/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Settings: what was asked for, in the words of each room.
 *
 * Strings are the config's.  What one room must know of another (its store,
 * its log, its peers), and what is drawn by lot, is left to the caller.
 */
#ifndef SERVER_START_SETTINGS_H
#define SERVER_START_SETTINGS_H

#include "server/config/config.h"
#include "server/loop/tls.h"
#include "server/peer/peers.h"
#include "server/process/process.h"
#include "server/session/clients.h"
#include "server/session/doors.h"
#include "server/store/store.h"

bool settings_has_farm(const struct config *config);

struct process_settings settings_process(const struct config *config);
struct store_settings settings_store(const struct config *config);
struct peers_settings settings_peers(const struct config *config);
struct clients_settings settings_clients(const struct config *config);
bool settings_has_keyed_links(const struct config *config);
struct tls_farm_settings settings_tls_farm(const struct config *config);
struct tls_settings settings_tls(const struct config *config);
struct doors_settings settings_doors(const struct config *config);

#endif
