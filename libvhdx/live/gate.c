/*
 * Readers together, or one writer alone. See gate.h.
 */
/* SPDX-License-Identifier: MIT */
#include "live/gate.h"

#include <stddef.h>

bool vx_gate_init(struct vx_gate *gate)
{
    *gate = (struct vx_gate){.lock = vx_lock_new()};
    return gate->lock != NULL;
}

void vx_gate_clear(struct vx_gate *gate)
{
    vx_lock_free(gate->lock);
    gate->lock = NULL;
}

void vx_gate_enter(struct vx_gate *gate)
{
    vx_lock_take(gate->lock);
    while (gate->closed || gate->waiting > 0)
        vx_lock_wait(gate->lock);
    gate->readers++;
    vx_lock_give(gate->lock);
}

void vx_gate_leave(struct vx_gate *gate)
{
    vx_lock_take(gate->lock);
    gate->readers--;
    if (gate->readers == 0 && gate->waiting > 0)
        vx_lock_wake(gate->lock);
    vx_lock_give(gate->lock);
}

void vx_gate_enter_alone(struct vx_gate *gate)
{
    vx_lock_take(gate->lock);
    gate->waiting++;
    while (gate->closed || gate->readers > 0)
        vx_lock_wait(gate->lock);
    gate->waiting--;
    gate->closed = true;
    vx_lock_give(gate->lock);
}

void vx_gate_leave_alone(struct vx_gate *gate)
{
    vx_lock_take(gate->lock);
    gate->closed = false;
    vx_lock_wake(gate->lock);
    vx_lock_give(gate->lock);
}
