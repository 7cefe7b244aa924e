/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Play: a scene that somebody wrote, acted by simulated servers.
 *
 * A `.vine` file has an action or a check in each line; what does not hold
 * is told with file, line, what was expected and what was seen.  Behind
 * `----` may stand the transcript of what the servers of its `trace` lines
 * saw.  The grammar is in doc/testing.md.
 */
#ifndef TESTS_SIMULATOR_PLAY_H
#define TESTS_SIMULATOR_PLAY_H

#include <stdbool.h>

/* Acts the files and prints TAP, one test for each; 0 if all hold.  Where it
 * rewrites, it puts what was seen in the place of transcripts. */
int play_files(char **paths, int count, bool rewrites);

#endif
