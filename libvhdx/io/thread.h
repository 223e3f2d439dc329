/*
 * Threads, as little of them as this library needs: a team that does one thing together, and a lock to share things
 * under. Knows nothing of files. A member that waits must look again at what
 * it waits for when it wakes.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IO_THREAD_H
#define VX_IO_THREAD_H

#include <stdbool.h>

#define VX_TEAM_MAX 256u

/* Processors that this process may use, at least 1. */
unsigned vx_processor_count(void);

/*
 * Runs `work` in `count` threads at once (at least 1, at most VX_TEAM_MAX) and returns when all have come to their end.
 * Member 0 is the caller's own thread. Where the system gives fewer threads, fewer members work: the work must not
 * count on each of them.
 */
typedef void vx_team_fn(void *context, unsigned member);
void vx_team_run(unsigned count, vx_team_fn *work, void *context);

/* A mutex with a condition. */
struct vx_lock;
/* NULL: no memory. */
struct vx_lock *vx_lock_new(void);
/* Takes NULL. It must not be held. */
void vx_lock_free(struct vx_lock *lock);
void vx_lock_take(struct vx_lock *lock);
void vx_lock_give(struct vx_lock *lock);
/* Gives the lock, sleeps until it is woken (or for no reason), takes it again. */
void vx_lock_wait(struct vx_lock *lock);
/* Wakes all that wait. */
void vx_lock_wake(struct vx_lock *lock);

#endif
