// SPDX-License-Identifier: Apache-2.0
// From replicated states to live SAs: what a member does when it becomes the speaker. RFC 6311 5, RFC 7296 2.4;
// REK-009, SYNC-023..029, IKE-024, HA-015, STA-027. Serves N1 (keys that saw too many activations), N4.
#pragma once

#include "host/ike/engine.hpp"

namespace tandem::ike {

// Begins to speak for every adopted SA. Of many only the first slice of the work is done; revive_some() does the rest,
// so that no turn takes longer for their number. An SA sends nothing before it is revived.
void take_over(Engine& engine, Turn& turn, const ClusterView& view, bool exact);

// The next slice; due at once while `engine.revival` is under way.
void revive_some(Engine& engine, Turn& turn);

// Revives an SA out of turn, because something arrived for it. May remove it.
void wake(Engine& engine, Turn& turn, LiveSa& sa);

// Another member may have spoken until now, unheard, as in a split that ends: a peer's silence and its messages ahead
// of what we know count again as they do after a takeover (SYNC-026). Sends nothing.
void doubt_peers(Engine& engine);

// Puts a replicated state in place; a state that replaces one we hold comes later in the partner's order.
void adopt_state(Engine& engine, IkeSaState state);

// Rekeys what has seen too many activations under one key, drops what has seen more than the numbers hold.
void check_activations(Engine& engine, Turn& turn);

}  // namespace tandem::ike
