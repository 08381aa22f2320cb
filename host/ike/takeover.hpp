// SPDX-License-Identifier: Apache-2.0
// From replicated states to live SAs: what a member does when it becomes the speaker. RFC 6311 5, RFC 7296 2.4;
// REK-009, SYNC-023..029, IKE-024, HA-015, STA-027. Serves N1 (keys that saw too many activations), N4.
#pragma once

#include "host/ike/engine.hpp"

namespace tandem::ike {

// Begins to speak for every adopted SA.
void take_over(Engine& engine, Turn& turn, const ClusterView& view, bool exact);

// Puts a replicated state in place; a state that replaces one we hold comes later in the partner's order.
void adopt_state(Engine& engine, IkeSaState state);

// Rekeys what has seen too many activations under one key, drops what has seen more than the numbers hold.
void check_activations(Engine& engine, Turn& turn);

}  // namespace tandem::ike
