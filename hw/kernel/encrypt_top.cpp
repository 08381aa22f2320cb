// SPDX-License-Identifier: Apache-2.0
// The encrypt kernel's top: ports, pragmas, nothing else. RFC 4303 3.3.
#include "hw/kernel/tops.hpp"

#include "hw/kernel/encrypt.hpp"

using namespace tandem::card;

extern "C" void tandem_encrypt(Stream<Word>& inner, Stream<Word>& outer, Stream<Word>& host, CardMemory* memory,
                               OutboundSlot* outbound, std::uint32_t slots, std::uint64_t now_ns) {
#pragma HLS INTERFACE axis port = inner
#pragma HLS INTERFACE axis port = outer
#pragma HLS INTERFACE axis port = host
#pragma HLS INTERFACE m_axi port = memory bundle = tables
#pragma HLS INTERFACE m_axi port = outbound bundle = slots
#pragma HLS INTERFACE s_axilite port = slots
#pragma HLS INTERFACE ap_none port = now_ns
#pragma HLS INTERFACE s_axilite port = return
  PacketStore store;
  ingress(inner, store);
  const KernelOut out = encrypt_packet(kernel_card(memory, slots, Port::kInner, now_ns), outbound, store);
  kernel_exit(out, store, outer, host);
}
