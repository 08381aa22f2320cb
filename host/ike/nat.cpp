// SPDX-License-Identifier: Apache-2.0
// NAT detection in IKE_SA_INIT. RFC 7296 2.23.
#include "host/ike/nat.hpp"

#include "host/crypto/hash.hpp"
#include "host/wire/writer.hpp"

namespace tandem::ike {
namespace {

Bytes address_hash(std::uint64_t spi_i, std::uint64_t spi_r, const Endpoint& endpoint) {
  wire::Writer writer;
  writer.u64(spi_i);
  writer.u64(spi_r);
  writer.bytes(endpoint.address.view());
  writer.u16(endpoint.port);
  const auto sum = crypto::sha1(writer.view());
  return Bytes(sum.begin(), sum.end());
}

}  // namespace

void add_nat_detection(std::vector<wire::Payload>& payloads, std::uint64_t spi_i, std::uint64_t spi_r,
                       const Endpoint& local, const Endpoint& remote) {
  payloads.push_back(wire::NotifyPayload{
      wire::NotifyType::kNatDetectionSourceIp, address_hash(spi_i, spi_r, local), wire::ProtocolId::kNone, {}});
  payloads.push_back(wire::NotifyPayload{
      wire::NotifyType::kNatDetectionDestinationIp, address_hash(spi_i, spi_r, remote), wire::ProtocolId::kNone, {}});
}

NatView detect_nat(const std::vector<wire::Payload>& payloads, std::uint64_t spi_i, std::uint64_t spi_r,
                   const Endpoint& local, const Endpoint& remote) {
  bool source_seen = false;
  bool source_matches = false;
  bool destination_differs = false;
  const Bytes source = address_hash(spi_i, spi_r, remote);
  const Bytes destination = address_hash(spi_i, spi_r, local);
  for (const wire::Payload& payload : payloads) {
    const auto* notify = std::get_if<wire::NotifyPayload>(&payload);
    if (notify == nullptr) continue;
    if (notify->type == wire::NotifyType::kNatDetectionSourceIp) {
      source_seen = true;
      source_matches = source_matches || notify->data == source;
    }
    if (notify->type == wire::NotifyType::kNatDetectionDestinationIp) destination_differs = notify->data != destination;
  }
  return {destination_differs, source_seen && !source_matches};
}

}  // namespace tandem::ike
