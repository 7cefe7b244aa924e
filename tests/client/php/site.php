<?php
// SPDX-License-Identifier: BSD-3-Clause
/*
 * A site of one page, for the customers of tests/support/customers.py.
 *
 *   ?do=login&login=TOKEN   a new id, logged in under this token
 *   ?do=buy&item=N          changes the session: PHP stores it
 *   ?do=look                changes nothing: PHP only touches it (lazy_write)
 *   ?do=peek                reads it and writes nothing, not even a touch
 *   ?do=renew               the same session under a new id
 *   ?do=logout              the end of the session
 *   ?do=about               no session; which client and settings this is
 *
 * `&busy_us=N` is how long the page takes to make, with the session open
 * and so with its lock held.
 *
 * The answer is JSON and tells what the session holds: `login` (null when
 * nobody is logged in), `bought`, its id, how long session_start() waited,
 * and what PHP complained about.  It is sent after the session is stored
 * and its lock given back, so that whatever it says is a promise.
 *
 * It is 503, an error page, when the session was not opened or not stored;
 * with display_errors also when PHP complained and went on.
 */

const LOCK_NOT_GOT = 'Unable to clear session lock record';
const NOT_STORED = 'Failed to write session data';

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

/* Carries out one request inside an open session; what it then holds. */
function visit(string $what): array
{
    usleep((int)($_GET['busy_us'] ?? 0));
    switch ($what) {
    case 'login':
        // As sites do against fixed ids: never log in under an old one.
        session_regenerate_id(true);
        $_SESSION = ['login' => $_GET['login'], 'bought' => []];
        break;
    case 'buy':
        if (isset($_SESSION['login'])) {
            $_SESSION['bought'][] = (int)$_GET['item'];
        }
        break;
    case 'renew':
        session_regenerate_id(true);
        break;
    case 'logout':
        session_destroy();
        $_SESSION = [];
        break;
    }
    return [
        'id' => session_id(),
        'login' => $_SESSION['login'] ?? null,
        'bought' => $_SESSION['bought'] ?? [],
    ];
}

if ($_GET['do'] === 'about') {
    answer(200, [
        'client' => phpversion('memcached'),
        'settings' => array_merge(ini_get_all('session', false),
                                  ini_get_all('memcached', false) ?: []),
    ]);
}

$before = hrtime(true);
$opened = false;
try {
    $opened = session_start(['read_and_close' => $_GET['do'] === 'peek']);
} catch (Error $failure) { // no id for a new session
    $complaints[] = $failure->getMessage();
}
$waited_ms = intdiv(hrtime(true) - $before, 1000000);
$facts = $opened ? visit($_GET['do']) : [];
if (session_status() === PHP_SESSION_ACTIVE) {
    session_write_close();
}
$told = implode("\n", $complaints);
$locked_out = !$opened && str_contains($told, LOCK_NOT_GOT);
$failed = !$opened || str_contains($told, NOT_STORED)
    || $complaints && ini_get('display_errors');
answer($failed ? 503 : 200, $facts + [
    'waited_ms' => $waited_ms,
    'locked_out' => $locked_out,
    'complaints' => $complaints,
]);
