// SPDX-License-Identifier: Apache-2.0
// The decrypt kernel's top: ports, pragmas, nothing else. RFC 4303 3.4.
#include "hw/kernel/tops.hpp"

#include "hw/kernel/decrypt.hpp"

using namespace tandem::card;

extern "C" void tandem_decrypt(Stream<Word>& outer, Stream<Word>& inner, Stream<Word>& host, CardMemory* memory,
                               InboundSlot* inbound, std::uint32_t slots, std::uint64_t now_ns) {
#pragma HLS INTERFACE axis port = outer
#pragma HLS INTERFACE axis port = inner
#pragma HLS INTERFACE axis port = host
#pragma HLS INTERFACE m_axi port = memory bundle = tables
#pragma HLS INTERFACE m_axi port = inbound bundle = slots
#pragma HLS INTERFACE s_axilite port = slots
#pragma HLS INTERFACE ap_none port = now_ns
#pragma HLS INTERFACE s_axilite port = return
  PacketStore store;
  ingress(outer, store);
  const KernelOut out = decrypt_packet(kernel_card(memory, slots, Port::kOuter, now_ns), inbound, store);
  kernel_exit(out, store, inner, host);
}
