// SPDX-License-Identifier: Apache-2.0
// What gcm_word must answer, by the kernels' native body and, apart from it, by OpenSSL.
#pragma once

#include "hw/leaf/gcm_native.hpp"
#include "sim/rtl/word_bench.hpp"

namespace tandem::sim {

// The native body's answer (IPsec-MB) to a packet whose stream agrees with its job.
RtlResult native_answer(const card::GcmEngine& engine, const RtlPacket& packet);

// OpenSSL's: of an open too, without a tag to compare.
RtlResult openssl_answer(const RtlPacket& packet);

}  // namespace tandem::sim
