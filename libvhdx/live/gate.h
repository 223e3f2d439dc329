/*
 * A gate: any number of threads pass at once to look, or one alone to change. Who wants to change goes first, so that a
 * stream of readers cannot keep it out.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_LIVE_GATE_H
#define VX_LIVE_GATE_H

#include "io/thread.h"

struct vx_gate {
    struct vx_lock *lock;
    unsigned readers;
    unsigned waiting; /* to change */
    bool closed;      /* one thread is inside alone */
};

/* false: no memory. */
bool vx_gate_init(struct vx_gate *gate);
/* Of one that was never initialized, when all its bytes are zero: nothing. */
void vx_gate_clear(struct vx_gate *gate);
void vx_gate_enter(struct vx_gate *gate);
void vx_gate_leave(struct vx_gate *gate);
void vx_gate_enter_alone(struct vx_gate *gate);
void vx_gate_leave_alone(struct vx_gate *gate);

#endif
