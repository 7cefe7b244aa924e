/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/guarded.h"

#include <assert.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define HAS_ADDRESS_SANITIZER
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define HAS_ADDRESS_SANITIZER
#endif

#ifdef HAS_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

#define PLACES_COUNT 2
#define PLACE_BYTES_MIN ((size_t)64 * 1024)

struct place {
    uint8_t *start;
    size_t capacity_bytes; /* before the guard page */
    size_t taken_bytes;
};

static struct place places[PLACES_COUNT];
static size_t current;
static bool is_taken;

static void enlarge(struct place *place, size_t bytes)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    size_t capacity_bytes = PLACE_BYTES_MIN;

    while (capacity_bytes < bytes)
        capacity_bytes *= 2;
    if (place->start != NULL) {
        ASAN_UNPOISON_MEMORY_REGION(place->start, place->capacity_bytes);
        munmap(place->start, place->capacity_bytes + page_bytes);
    }
    void *start =
        mmap(NULL, capacity_bytes + page_bytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert(start != MAP_FAILED);
    place->start = start;
    place->capacity_bytes = capacity_bytes;
    int result = mprotect(place->start + capacity_bytes, page_bytes, PROT_NONE);
    assert(result == 0);
    ASAN_POISON_MEMORY_REGION(place->start, capacity_bytes);
}

uint8_t *guarded_take(size_t bytes)
{
    assert(!is_taken);
    is_taken = true;
    current = (current + 1) % PLACES_COUNT;
    struct place *place = &places[current];
    if (place->start == NULL || bytes > place->capacity_bytes)
        enlarge(place, bytes);
    place->taken_bytes = bytes;
    uint8_t *at = place->start + place->capacity_bytes - bytes;
    ASAN_UNPOISON_MEMORY_REGION(at, bytes);
    return at;
}

struct span guarded_copy(struct span text)
{
    uint8_t *at = guarded_take(text.length);

    span_copy(at, text);
    return span_of(at, text.length);
}

void guarded_return(void)
{
    const struct place *place = &places[current];

    assert(is_taken);
    is_taken = false;
    ASAN_POISON_MEMORY_REGION(place->start + place->capacity_bytes -
                                  place->taken_bytes,
                              place->taken_bytes);
}
