/*
 * The threads of Windows. See thread.h. Nothing but KERNEL32 is needed.
 */
/* SPDX-License-Identifier: MIT */
#define WIN32_LEAN_AND_MEAN
#undef _WIN32_WINNT
#define _WIN32_WINNT 0x0602
#include "io/thread.h"

#include <windows.h>

#include "base/alloc.h"

struct vx_lock {
    SRWLOCK mutex;
    CONDITION_VARIABLE condition;
};

unsigned vx_processor_count(void)
{
    DWORD count = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    return count > 0 ? (unsigned)count : 1;
}

struct member {
    HANDLE thread;
    vx_team_fn *work;
    void *context;
    unsigned number;
};

static DWORD WINAPI run_member(void *argument)
{
    struct member *member = argument;
    member->work(member->context, member->number);
    return 0;
}

void vx_team_run(unsigned count, vx_team_fn *work, void *context)
{
    struct member *members = vx_alloc(VX_TEAM_MAX, sizeof *members);
    if (!members)
        count = 1;
    if (count > VX_TEAM_MAX)
        count = VX_TEAM_MAX;
    unsigned started = 1;
    for (; members && started < count; started++) {
        members[started] = (struct member){.work = work, .context = context, .number = started};
        members[started].thread = CreateThread(NULL, 0, run_member, &members[started], 0, NULL);
        if (!members[started].thread)
            break;
    }
    work(context, 0);
    for (unsigned i = 1; i < started; i++) {
        WaitForSingleObject(members[i].thread, INFINITE);
        CloseHandle(members[i].thread);
    }
    vx_free(members);
}

struct vx_lock *vx_lock_new(void)
{
    struct vx_lock *lock = vx_alloc(1, sizeof *lock);
    if (!lock)
        return NULL;
    InitializeSRWLock(&lock->mutex);
    InitializeConditionVariable(&lock->condition);
    return lock;
}

void vx_lock_free(struct vx_lock *lock)
{
    vx_free(lock);
}

void vx_lock_take(struct vx_lock *lock)
{
    AcquireSRWLockExclusive(&lock->mutex);
}

void vx_lock_give(struct vx_lock *lock)
{
    ReleaseSRWLockExclusive(&lock->mutex);
}

void vx_lock_wait(struct vx_lock *lock)
{
    SleepConditionVariableSRW(&lock->condition, &lock->mutex, INFINITE, 0);
}

void vx_lock_wake(struct vx_lock *lock)
{
    WakeAllConditionVariable(&lock->condition);
}
