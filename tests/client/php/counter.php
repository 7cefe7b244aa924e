<?php
// SPDX-License-Identifier: BSD-3-Clause
/*
 * A page that counts how often its session was asked for, for
 * tests/farm/php_locks.
 *
 *   ?do=count   one more; the session stays open, and so its lock is held,
 *               for &busy_us=N
 *   ?do=look    how many
 *   ?do=about   no session; which client and settings this is
 *
 * While it has the session open it says so in the file that the setting
 * `counter.log` names: a line when it enters and one when it leaves, with the
 * session, itself and a time that all processes of this machine share.
 *
 * The answer is JSON, sent after the session is stored and its lock given
 * back; 503 if the session was not opened or not stored.
 */

$complaints = [];
set_error_handler(function ($level, $message) use (&$complaints) {
    $complaints[] = $message;
    return true;
});

function answer(int $status, array $facts): never
{
    http_response_code($status);
    header('Content-Type: application/json');
    echo json_encode($facts);
    exit;
}

/* One write to the end of the file: lines of others stay whole. */
function note(string $what): void
{
    $file = fopen(get_cfg_var('counter.log'), 'a');
    fwrite($file, sprintf("%s %s %d %d\n", session_id(), $what, getmypid(),
                          hrtime(true)));
    fclose($file);
}

if ($_GET['do'] === 'about') {
    answer(200, [
        'client' => phpversion(ini_get('session.save_handler')) ?: null,
        'settings' => array_merge(ini_get_all('session', false),
                                  ini_get_all('memcached', false) ?: []),
    ]);
}

$opened = session_start();
$count = null;
if ($opened) {
    note('enters');
    $count = $_SESSION['count'] ?? 0;
    if ($_GET['do'] === 'count') {
        usleep((int)($_GET['busy_us'] ?? 0));
        $_SESSION['count'] = ++$count;
    }
    note('leaves');
    session_write_close();
}
answer($opened && !$complaints ? 200 : 503,
       ['opened' => $opened, 'count' => $count, 'complaints' => $complaints]);
