/*
 * Where errors are born. vx_fail() is the one function that fills a vhdx_error: set a breakpoint there. The lowest
 * layer that knows what is wrong calls it; layers above pass the status on and touch the error no more, except through
 * vx_advise(). Every status brings its own general advice; a caller that knows better replaces it.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_STATUS_H
#define VX_BASE_STATUS_H

#include <vhdx.h>

#if defined(__MINGW32__)
#define VX_PRINTF(text, first) __attribute__((format(gnu_printf, text, first)))
#elif defined(__GNUC__)
#define VX_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define VX_PRINTF(text, first)
#endif

/* The place of an error. `structure` must be static storage. Use the helpers below for the usual shapes. */
struct vx_where {
    const char *path;      /* NULL = a caller further up knows it */
    const char *structure; /* NULL = none */
    uint64_t offset;       /* VHDX_NOWHERE = none */
    uint64_t index;        /* VHDX_NOWHERE = none */
};

static inline struct vx_where vx_at_file(const char *path)
{
    return (struct vx_where){path, NULL, VHDX_NOWHERE, VHDX_NOWHERE};
}

static inline struct vx_where vx_at(const char *path, const char *structure, uint64_t offset)
{
    return (struct vx_where){path, structure, offset, VHDX_NOWHERE};
}

static inline struct vx_where vx_at_index(const char *path, const char *structure, uint64_t offset, uint64_t index)
{
    return (struct vx_where){path, structure, offset, index};
}

/* Fills `err` (when not NULL) and returns `status`. `format` says what is wrong, with expected and found values. */
vhdx_status vx_fail(vhdx_error *err, vhdx_status status, struct vx_where where, const char *format, ...)
    VX_PRINTF(4, 5);

/* The same for an error of the operating system; the caller puts its text into the message (io/ knows how). */
vhdx_status vx_fail_system(vhdx_error *err, vhdx_status status, struct vx_where where, int system_code,
                           const char *format, ...) VX_PRINTF(5, 6);

/* Replaces the advice of the error by words that need no number. Returns its status. */
vhdx_status vx_advise(vhdx_error *err, vhdx_status status, const char *format, ...) VX_PRINTF(3, 4);
/* By a number, with words of its own. */
vhdx_status vx_advise_as(vhdx_error *err, vhdx_status status, vhdx_advice advice, const char *format, ...)
    VX_PRINTF(4, 5);
/* By a number, in the words of advice.def; `argument` (NULL = none) is its {1}. */
vhdx_status vx_advise_code(vhdx_error *err, vhdx_status status, vhdx_advice advice, const char *argument);
/* Sets {1} alone; NULL = none. One that has no room is left out: half a path is another one. */
void vx_put_argument(vhdx_error *err, const char *argument);

/* Makes `err` say "nothing happened". Takes NULL. */
void vx_clear(vhdx_error *err);

/* Gives an error that has no path (or no offset) yet the ones the caller knows. Takes NULL. */
void vx_locate(vhdx_error *err, struct vx_where where);

#define VX_TRY(call)                                                                                                   \
    do {                                                                                                               \
        vhdx_status vx_try_status = (call);                                                                            \
        if (vx_try_status != VHDX_OK)                                                                                  \
            return vx_try_status;                                                                                      \
    } while (0)

#endif
