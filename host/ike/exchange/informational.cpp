// SPDX-License-Identifier: Apache-2.0
// INFORMATIONAL: DELETE of children and IKE SAs in both roles, liveness, and the notifies that may come alone.
// RFC 7296 1.4, 1.4.1, 2.4; RFC 6311 5; IKE-008, IKE-022, IKE-023, REK-002, SYNC-041.
#include <algorithm>

#include "host/ike/exchange/exchange.hpp"
#include "host/ike/exchange/recovery.hpp"

namespace tandem::ike::exchange {
namespace {

// The peer deletes children, named by its inbound SPIs: ours that are paired with them go too (IKE-022).
void delete_children(Engine& engine, Turn& turn, LiveSa& sa, const wire::DeletePayload& request,
                     std::vector<wire::EspSpi>& answer) {
  for (const wire::EspSpi spi : request.spis) {
    const ChildSaState* child = find_child_by_out(sa.state, wire::to_u32(spi));
    if (child == nullptr) continue;
    const std::uint32_t spi_in = child->spi_in;
    const std::string name = child->name;
    const bool lost = child->phase == ChildPhase::kInstalled;
    const bool we_delete_it = Engine::is_out(sa, RequestKind::kDeleteChild, spi_in);
    if (!we_delete_it) answer.push_back(wire::EspSpi{spi_in});
    engine.log.info(name_of(sa) + ": peer deletes " + name + " " + wire::to_string(wire::EspSpi{spi_in}));
    engine.count(IkeCounter::kDeleted);
    remove_child(turn, sa, spi_in);
    const bool last = std::none_of(sa.state.children.begin(), sa.state.children.end(), [&](const ChildSaState& other) {
      return other.name == name && other.phase != ChildPhase::kDeleting;
    });
    if (lost) engine.restore_deleted(turn, sa, name, last);
  }
}

// The peer ends the IKE SA. The state stays for a while, without children, to answer repeated requests.
void delete_ike(Engine& engine, Turn& turn, LiveSa& sa, const Request& request) {
  engine.forget_predecessor(turn, sa);
  if (LiveSa* successor = engine.successor_of(sa)) inherit_children(engine, turn, *successor, sa);
  engine.count(IkeCounter::kDeleted);
  engine.log.info(name_of(sa) + ": peer deletes it");
  const std::vector<ChildSaState> children = std::move(sa.state.children);
  sa.state.children.clear();
  for (const ChildSaState& child : children) {
    if (child.phase == ChildPhase::kInstalled) engine.restore_deleted(turn, sa, child.name, true);
  }
  engine.restore_wanted(turn, sa);
  engine.drop_requests(sa);
  sa.sync.reset();
  sa.sync_at = kNever;
  sa.intents.clear();
  sa.linger.clear();
  sa.state.phase = IkePhase::kDeleting;
  sa.close_at = turn.now + kResponseKept;
  engine.respond(turn, sa, request.header, request.hash, {});
}

}  // namespace

bool deletes(const Payloads& payloads, wire::ProtocolId protocol) {
  return std::any_of(payloads.begin(), payloads.end(), [protocol](const wire::Payload& payload) {
    const auto* found = std::get_if<wire::DeletePayload>(&payload);
    return found != nullptr && found->protocol == protocol;
  });
}

void give_route_to(LiveSa& sa, std::uint32_t spi_in) {
  const ChildSaState* chosen = find_child(sa.state, spi_in);
  if (chosen == nullptr) return;
  const std::uint32_t route = chosen->route;
  for (ChildSaState& child : sa.state.children) {
    if (child.route == route) child.carries_outbound = child.spi_in == spi_in;
  }
}

void pass_route_on(LiveSa& sa, const ChildSaState& child) {
  if (!child.carries_outbound) return;
  const ChildSaState* heir = nullptr;
  for (const ChildSaState& item : sa.state.children) {
    if (&item == &child || item.route != child.route || item.phase == ChildPhase::kDeleting) continue;
    heir = &item;
    if (&item > &child) break;
  }
  if (heir != nullptr) give_route_to(sa, heir->spi_in);
}

void remove_child(Turn& turn, LiveSa& sa, std::uint32_t spi_in) {
  ChildSaState* child = find_child(sa.state, spi_in);
  if (child == nullptr) return;
  pass_route_on(sa, *child);
  std::erase_if(sa.state.children, [spi_in](const ChildSaState& item) { return item.spi_in == spi_in; });
  sa.linger.erase(spi_in);
  std::erase_if(sa.intents, [spi_in](const Intent& intent) { return intent.spi_in == spi_in; });
  turn.change(sa.state.local_spi());
}

void end_child(Engine& engine, Turn& turn, LiveSa& sa, ChildSaState& child) {
  child.phase = ChildPhase::kDeleting;
  pass_route_on(sa, child);
  child.carries_outbound = false;
  turn.change(sa.state.local_spi());
  std::erase_if(sa.intents, [&](const Intent& intent) { return intent.spi_in == child.spi_in; });
  engine.want(turn, sa, {RequestKind::kDeleteChild, child.spi_in, {}, turn.now, {}, 0}, true);
  engine.restore_child(turn, sa, child.name, engine.jitter(std::chrono::seconds(2)));
}

void handle_informational_request(Engine& engine, Turn& turn, LiveSa& sa, const Request& request) {
  if (deletes(request.payloads, wire::ProtocolId::kIke) ||
      wire::find_notify(request.payloads, wire::NotifyType::kAuthenticationFailed) != nullptr) {
    delete_ike(engine, turn, sa, request);
    return;
  }
  std::vector<wire::EspSpi> deleted;
  for (const wire::Payload& payload : request.payloads) {
    const auto* found = std::get_if<wire::DeletePayload>(&payload);
    if (found != nullptr && found->protocol == wire::ProtocolId::kEsp) {
      delete_children(engine, turn, sa, *found, deleted);
    }
  }
  peer_lost_child(engine, turn, sa, request.payloads);
  apply_replay_counter_sync(engine, turn, sa, request.payloads);
  note_recovery(engine, turn, sa, request.payloads);
  Payloads response;
  answer_recovery(engine, turn, sa, false, request.payloads, response);
  if (!deleted.empty()) response.push_back(wire::DeletePayload{wire::ProtocolId::kEsp, std::move(deleted)});
  engine.respond(turn, sa, request.header, request.hash, response);
}

bool start_informational(Engine& engine, Turn& turn, LiveSa& sa, const Intent& intent) {
  PendingRequest pending;
  pending.kind = intent.kind;
  pending.child_spi_in = intent.spi_in;
  Payloads payloads;
  if (intent.kind == RequestKind::kDeleteChild) {
    payloads.push_back(wire::DeletePayload{wire::ProtocolId::kEsp, {wire::EspSpi{intent.spi_in}}});
    if (ChildSaState* child = find_child(sa.state, intent.spi_in)) {
      child->phase = ChildPhase::kDeleting;
      pass_route_on(sa, *child);
    }
    sa.linger.erase(intent.spi_in);
  } else if (intent.kind == RequestKind::kDeleteIke) {
    payloads.push_back(wire::DeletePayload{wire::ProtocolId::kIke, {}});
    sa.state.phase = IkePhase::kDeleting;
    sa.close_at = kNever;
  } else if (sa.state.phase != IkePhase::kEstablished) {
    return false;
  } else if (auto jump = ask_for_jump(engine, sa)) {
    payloads.push_back(std::move(*jump));  // SYNC-041 b
  } else {
    add_due_recovery(engine, sa, payloads);
  }
  sa.current = intent;
  engine.send_request(turn, sa, wire::ExchangeType::kInformational, std::move(pending), payloads);
  return true;
}

void handle_informational_response(Engine& engine, Turn& turn, LiveSa& sa, const PendingRequest& pending,
                                   const Payloads& payloads) {
  switch (pending.kind) {
    case RequestKind::kDeleteIke:
      engine.count(IkeCounter::kDeleted);
      engine.remove_sa(turn, sa, "deleted by us");
      break;
    case RequestKind::kDeleteChild:
      engine.count(IkeCounter::kDeleted);
      std::erase(sa.state.strays, pending.child_spi_in);
      if (ChildSaState* child = find_child(sa.state, pending.child_spi_in)) {
        // The outbound half ends here; the inbound one takes what is still on its way (REK-002).
        child->carries_outbound = false;
        sa.linger[child->spi_in] = turn.now + kInboundKept;
      }
      break;
    default:
      note_recovery(engine, turn, sa, payloads);
      break;
  }
}

}  // namespace tandem::ike::exchange
