// SPDX-License-Identifier: Apache-2.0
// The hash by which members see whether their configurations agree (N6): policy, PAD and virtual addresses, not
// what is a member's own. Secrets go in by a keyed hash only.
#pragma once

namespace tandem::app {

struct Settings;

// Fills member.config_hash and member.config_items.
void hash_config(Settings& settings);

}  // namespace tandem::app
