// SPDX-License-Identifier: Apache-2.0
// The secrets and lists by which peers come back after a crash: kept on disk, told to the partner before use, and when
// a crash token may be shown. STA-024, STA-025, RES-008, QCD-006. Serves N4.
#include <algorithm>

#include "host/ha/member.hpp"

namespace tandem::ha {
namespace {

constexpr std::uint32_t kSchemaWithSecrets = 2;
constexpr std::size_t kUsedPerRecord = 1024;
constexpr Duration kSilentSolo = std::chrono::seconds(10);  // QCD-006

}  // namespace

bool Member::shares_secrets() const { return link_.is_joined() && partner_schema_ >= kSchemaWithSecrets; }

void Member::tell_wall_clock(TimePoint now) {
  if (hooks_.unix_seconds) ike_.set_unix_time(now, hooks_.unix_seconds());
}

void Member::load_secrets() {
  if (hooks_.secrets == nullptr) return;
  auto loaded = hooks_.secrets->load();
  if (!loaded) {
    log_.error("secrets: " + loaded.error().text + "; new ones are made, peers will have to authenticate anew");
    return;
  }
  if (!loaded->has_value()) return;
  saved_key_ = (*loaded)->tickets[0].id;
  ike_.adopt_secrets(std::move(**loaded));
}

void Member::save_secrets(const ike::ClusterSecrets& secrets) {
  // Cookie secrets change once a minute under load and are not kept: no reason to wait for the disk.
  if (hooks_.secrets == nullptr || saved_key_ == secrets.tickets[0].id) return;
  if (auto saved = hooks_.secrets->save(secrets); !saved) {
    // Service goes on: what is lost is that peers come back quickly should both members die.
    log_.error("secrets: " + saved.error().text);
    return;
  }
  saved_key_ = secrets.tickets[0].id;
}

void Member::publish_secrets(TimePoint now) {
  const ike::ClusterSecrets* proposed = ike_.proposed_secrets();
  const ike::ClusterSecrets& secrets = proposed != nullptr ? *proposed : ike_.secrets();
  save_secrets(secrets);
  if (replicating() && shares_secrets()) {
    replicate(now, SecretsUpdate{secrets.clone()});
    if (partnership_ == Partnership::kPaired) {
      secrets_end_ = link_.last_appended();
      return;
    }
  }
  if (partnership_ == Partnership::kLosing) {
    secrets_end_ = ~std::uint64_t{0};  // until solo
    return;
  }
  use_secrets();
}

void Member::use_secrets() {
  secrets_end_ = 0;
  ike_.use_proposed_secrets();
}

void Member::share_recovery(TimePoint now) {
  if (!shares_secrets()) return;
  replicate(now, SecretsUpdate{ike_.secrets().clone()});
  tell_used_tickets(now, ike_.used_tickets());
}

void Member::tell_used_tickets(TimePoint now, const std::vector<ike::UsedTicket>& used) {
  if (!replicating() || !shares_secrets()) return;
  for (std::size_t at = 0; at < used.size(); at += kUsedPerRecord) {
    const auto end = std::min(used.size(), at + kUsedPerRecord);
    replicate(now, TicketsUsed{{used.begin() + static_cast<std::ptrdiff_t>(at),
                                used.begin() + static_cast<std::ptrdiff_t>(end)}});
  }
}

void Member::set_token_time() {
  TimePoint from = kNever;
  if (role_ == Role::kActive && partnership_ == Partnership::kPaired) from = TimePoint::min();
  if (solo()) from = solo_since_ + kSilentSolo;
  ike_.show_crash_tokens_from(from);
}

}  // namespace tandem::ha
