/*
 * The threads of POSIX systems. See thread.h.
 */
/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "io/thread.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif

#include "base/alloc.h"

struct vx_lock {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
};

unsigned vx_processor_count(void)
{
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (unsigned)CPU_COUNT(&set);
#endif
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (unsigned)count : 1;
}

struct member {
    pthread_t thread;
    vx_team_fn *work;
    void *context;
    unsigned number;
};

static void *run_member(void *argument)
{
    struct member *member = argument;
    member->work(member->context, member->number);
    return NULL;
}

/* Signals go to the caller's own threads, never to ours. */
static unsigned start(struct member *members, unsigned count)
{
    sigset_t all, before;
    unsigned started = 1;
    sigfillset(&all);
    bool masked = pthread_sigmask(SIG_SETMASK, &all, &before) == 0;
    while (started < count && pthread_create(&members[started].thread, NULL, run_member, &members[started]) == 0)
        started++;
    if (masked)
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

void vx_team_run(unsigned count, vx_team_fn *work, void *context)
{
    struct member *members = vx_alloc(VX_TEAM_MAX, sizeof *members);
    if (!members)
        count = 1;
    if (count > VX_TEAM_MAX)
        count = VX_TEAM_MAX;
    for (unsigned i = 0; members && i < count; i++)
        members[i] = (struct member){.work = work, .context = context, .number = i};
    unsigned started = members ? start(members, count) : 1;
    work(context, 0);
    for (unsigned i = 1; i < started; i++)
        pthread_join(members[i].thread, NULL);
    vx_free(members);
}

struct vx_lock *vx_lock_new(void)
{
    struct vx_lock *lock = vx_alloc(1, sizeof *lock);
    if (!lock)
        return NULL;
    if (pthread_mutex_init(&lock->mutex, NULL) != 0) {
        vx_free(lock);
        return NULL;
    }
    if (pthread_cond_init(&lock->condition, NULL) != 0) {
        pthread_mutex_destroy(&lock->mutex);
        vx_free(lock);
        return NULL;
    }
    return lock;
}

void vx_lock_free(struct vx_lock *lock)
{
    if (!lock)
        return;
    pthread_cond_destroy(&lock->condition);
    pthread_mutex_destroy(&lock->mutex);
    vx_free(lock);
}

void vx_lock_take(struct vx_lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
}

void vx_lock_give(struct vx_lock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
}

void vx_lock_wait(struct vx_lock *lock)
{
    pthread_cond_wait(&lock->condition, &lock->mutex);
}

void vx_lock_wake(struct vx_lock *lock)
{
    pthread_cond_broadcast(&lock->condition);
}
