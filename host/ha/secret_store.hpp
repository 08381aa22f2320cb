// SPDX-License-Identifier: Apache-2.0
// The cluster's secrets on disk, so that they outlive both members: the QCD secret (RFC 6290 5: peers hold tokens made
// with it) and the ticket keys (RFC 5723: peers hold tickets sealed with them). Not encrypted: whoever reads this file
// may read the pre-shared keys beside it, too. QCD-003, RES-007, STA-024.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "host/base/result.hpp"
#include "host/ha/slot_file.hpp"
#include "host/ike/cluster_secrets.hpp"

namespace tandem::ha {

class SecretStore {
 public:
  virtual ~SecretStore() = default;
  // What was saved last, without cookie secrets; nothing in a new store. kCorrupt: both slots are damaged, new secrets
  // are to be made, which costs each peer one authentication.
  virtual Result<std::optional<ike::ClusterSecrets>, StoreError> load() = 0;
  // Makes them durable before it returns; cookie secrets are not kept.
  virtual Result<void, StoreError> save(const ike::ClusterSecrets& secrets) = 0;
};

// Opens or creates `path` (mode 0600, locked). Without `keep_ticket_keys` only the QCD secret is written: then tickets
// die with the last member, and the disk never holds what could open recorded traffic.
Result<std::unique_ptr<SecretStore>, StoreError> open_secret_store(const std::string& path, bool keep_ticket_keys);

}  // namespace tandem::ha
