/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/farm/journal.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Frame length, kind, number: what stands before a record on the wire. */
#define FRAME_HEAD_BYTES (MESSAGE_FRAME_BYTES + 1 + 8)
#define RECORD_SHARE 8
#define LINE_BYTES 64
#define FETCHED_LINES 5
/* A splice of more than this part of the whole saves too little for what it
 * costs where its base is not there. */
#define WORTH_SHARE 2
/* Nor is a record longer than this: a frame is to be one that every member
 * takes, whatever the largest item is here and there. */
#define RECORD_BYTES_MAX (((size_t)1 << 20) + RECORD_HEAD_BYTES_MAX)

/*
 * The ring is addressed by bytes ever written; a frame may lie across its
 * end.  `tail` is where the oldest whole frame begins.
 */
struct journal {
    pthread_mutex_t lock;
    uint8_t *ring;
    uint64_t ring_bytes;
    uint64_t tail_offset;
    uint64_t head_offset;
    uint64_t lap_offset;  /* where the head's lap of the ring began */
    uint64_t tail_number; /* of the oldest frame; head + 1 if there is none */
    uint64_t head_number;
    _Atomic bool takes_splices; /* changed under the lock */
    uint64_t last_splice;
    uint64_t splices_count;
};

struct journal *journal_create(size_t ring_bytes)
{
    struct journal *journal = calloc(1, sizeof(*journal));

    if (journal == NULL)
        return NULL;
    journal->ring = malloc(ring_bytes);
    if (journal->ring == NULL) {
        free(journal);
        return NULL;
    }
    journal->ring_bytes = ring_bytes;
    journal->tail_number = 1;
    pthread_mutex_init(&journal->lock, NULL);
    return journal;
}

void journal_destroy(struct journal *journal)
{
    if (journal == NULL)
        return;
    pthread_mutex_destroy(&journal->lock);
    free(journal->ring);
    free(journal);
}

size_t journal_record_bytes_max(const struct journal *journal)
{
    size_t bytes = journal->ring_bytes / RECORD_SHARE - FRAME_HEAD_BYTES;

    return bytes < RECORD_BYTES_MAX ? bytes : RECORD_BYTES_MAX;
}

/* ---- bytes of the ring ---- */

/* Of an offset that is in the ring, or at most a record ahead of its head. */
static size_t place_of(const struct journal *journal, uint64_t offset)
{
    if (offset < journal->lap_offset)
        offset += journal->ring_bytes;
    size_t place = offset - journal->lap_offset;

    return place < journal->ring_bytes ? place : place - journal->ring_bytes;
}

static void ring_write(struct journal *journal, uint64_t offset,
                       struct span bytes)
{
    size_t at = place_of(journal, offset);
    size_t first = journal->ring_bytes - at;

    if (bytes.length == 0)
        return; /* perhaps from nowhere: a delete has no value */
    if (first > bytes.length)
        first = bytes.length;
    span_copy(journal->ring + at, span_of(bytes.data, first));
    span_copy(journal->ring, span_of(bytes.data + first, bytes.length - first));
}

static void ring_read(const struct journal *journal, uint64_t offset,
                      uint8_t *to, size_t bytes)
{
    size_t at = place_of(journal, offset);
    size_t first = journal->ring_bytes - at;

    if (first > bytes)
        first = bytes;
    memcpy(to, journal->ring + at, first);
    memcpy(to + first, journal->ring, bytes - first);
}

static size_t frame_bytes_at(const struct journal *journal, uint64_t offset)
{
    uint8_t length[MESSAGE_FRAME_BYTES];

    ring_read(journal, offset, length, sizeof(length));
    return MESSAGE_FRAME_BYTES + bigendian_load32(length);
}

/* ---- appending ---- */

/* The ring is larger than any cache: what the next record is written to, and
 * what makes way for it, comes while others work. */
static void fetch_next(const struct journal *journal)
{
    size_t at = place_of(journal, journal->head_offset);

    for (size_t line = 0;
         line < FETCHED_LINES && at + line * LINE_BYTES < journal->ring_bytes;
         line++)
        __builtin_prefetch(journal->ring + at + line * LINE_BYTES, 1);
    __builtin_prefetch(journal->ring + place_of(journal, journal->tail_offset));
}

static void make_way(struct journal *journal, size_t bytes)
{
    while (journal->head_offset + bytes - journal->tail_offset >
           journal->ring_bytes) {
        journal->tail_offset += frame_bytes_at(journal, journal->tail_offset);
        journal->tail_number++;
    }
}

/* Under the lock. */
static uint64_t append(struct journal *journal, const struct record *record)
{
    uint8_t head[FRAME_HEAD_BYTES + RECORD_HEAD_BYTES_MAX];
    size_t bytes = record_bytes(record);
    struct writer writer = writer_of(head, sizeof(head));

    assert(bytes <= journal_record_bytes_max(journal));
    uint64_t number = ++journal->head_number;
    make_way(journal, MESSAGE_FRAME_BYTES + 1 + 8 + bytes);
    write_u32(&writer, (uint32_t)(1 + 8 + bytes));
    write_u8(&writer, MESSAGE_RECORD);
    write_u64(&writer, number);
    /* The value goes from where it lies into the ring, copied once. */
    record_encode_head(record, &writer);
    assert(writer.ok);
    ring_write(journal, journal->head_offset, span_of(head, writer.used_bytes));
    ring_write(journal, journal->head_offset + writer.used_bytes,
               record_value(record));
    journal->head_offset += FRAME_HEAD_BYTES + bytes;
    if (journal->head_offset - journal->lap_offset >= journal->ring_bytes)
        journal->lap_offset += journal->ring_bytes;
    fetch_next(journal);
    return number;
}

static uint64_t append_whole(struct journal *journal,
                             const struct record *record)
{
    struct record announce = *record;

    if (record_bytes(record) <= journal_record_bytes_max(journal))
        return append(journal, record);
    announce.kind = RECORD_ANNOUNCE;
    announce.value_bytes = (uint32_t)record->value.length;
    return append(journal, &announce);
}

uint64_t journal_append(struct journal *journal, const struct record *record)
{
    pthread_mutex_lock(&journal->lock);
    uint64_t number = append_whole(journal, record);
    pthread_mutex_unlock(&journal->lock);
    return number;
}

/* ---- splices ---- */

static bool is_cheaper(const struct journal *journal,
                       const struct record *splice, const struct record *whole)
{
    size_t bytes = record_bytes(splice);

    return bytes * WORTH_SHARE <= record_bytes(whole) &&
           bytes <= journal_record_bytes_max(journal);
}

uint64_t journal_append_splice(struct journal *journal,
                               const struct record *splice,
                               const struct record *whole)
{
    bool is_worth_it = is_cheaper(journal, splice, whole);

    pthread_mutex_lock(&journal->lock);
    bool is_spliced = is_worth_it && atomic_load(&journal->takes_splices);
    uint64_t number =
        is_spliced ? append(journal, splice) : append_whole(journal, whole);
    if (is_spliced) {
        journal->last_splice = number;
        journal->splices_count++;
    }
    pthread_mutex_unlock(&journal->lock);
    return number;
}

bool journal_takes_splices(const struct journal *journal)
{
    return atomic_load_explicit(&journal->takes_splices, memory_order_relaxed);
}

void journal_allow_splices(struct journal *journal, bool allowed)
{
    if (journal_takes_splices(journal) == allowed)
        return;
    pthread_mutex_lock(&journal->lock);
    atomic_store(&journal->takes_splices, allowed);
    pthread_mutex_unlock(&journal->lock);
}

uint64_t journal_last_splice(struct journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    uint64_t number = journal->last_splice;
    pthread_mutex_unlock(&journal->lock);
    return number;
}

uint64_t journal_splices(struct journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    uint64_t count = journal->splices_count;
    pthread_mutex_unlock(&journal->lock);
    return count;
}

/* ---- reading ---- */

uint64_t journal_head(struct journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    uint64_t number = journal->head_number;
    pthread_mutex_unlock(&journal->lock);
    return number;
}

uint64_t journal_bytes(struct journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    uint64_t bytes = journal->head_offset;
    pthread_mutex_unlock(&journal->lock);
    return bytes;
}

bool journal_seek(struct journal *journal, uint64_t number,
                  struct journal_cursor *cursor)
{
    pthread_mutex_lock(&journal->lock);
    bool is_there = number >= journal->tail_number;
    if (number > journal->head_number) {
        *cursor = (struct journal_cursor){journal->head_number + 1,
                                          journal->head_offset};
    } else if (is_there) {
        *cursor =
            (struct journal_cursor){journal->tail_number, journal->tail_offset};
        for (; cursor->number < number; cursor->number++)
            cursor->offset += frame_bytes_at(journal, cursor->offset);
    }
    pthread_mutex_unlock(&journal->lock);
    return is_there;
}

size_t journal_next_bytes(struct journal *journal,
                          const struct journal_cursor *cursor)
{
    size_t bytes = 0;

    pthread_mutex_lock(&journal->lock);
    if (cursor->number >= journal->tail_number &&
        cursor->number <= journal->head_number)
        bytes = frame_bytes_at(journal, cursor->offset);
    pthread_mutex_unlock(&journal->lock);
    return bytes;
}

size_t journal_read(struct journal *journal, struct journal_cursor *cursor,
                    uint8_t *to, size_t bytes, bool *overrun)
{
    size_t used = 0;

    pthread_mutex_lock(&journal->lock);
    *overrun = cursor->number < journal->tail_number;
    while (!*overrun && cursor->number <= journal->head_number) {
        size_t frame_bytes = frame_bytes_at(journal, cursor->offset);
        if (used + frame_bytes > bytes)
            break;
        ring_read(journal, cursor->offset, to + used, frame_bytes);
        used += frame_bytes;
        cursor->offset += frame_bytes;
        cursor->number++;
    }
    pthread_mutex_unlock(&journal->lock);
    return used;
}
