// SPDX-License-Identifier: Apache-2.0
// What a member of the next schema version would send: every struct has a word of data and a pointer that today's
// reader does not know, by Cap'n Proto's rules of evolution.
#pragma once

#include "host/base/bytes.hpp"

namespace tandem::sim {

// `frame`: as host/ha/codec.hpp encodes it, length included.
Bytes from_the_future(ByteView frame);

}  // namespace tandem::sim
