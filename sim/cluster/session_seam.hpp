// SPDX-License-Identifier: Apache-2.0
// The seam between a member and its session at which mutants change what members tell each other, and at which an
// upgraded member speaks the next schema version. All other octets pass untouched and undecoded.
#pragma once

#include "host/ha/codec.hpp"
#include "sim/cluster/mutant.hpp"

namespace tandem::sim {

class SessionSeam {
 public:
  explicit SessionSeam(Mutant mutant) : mutant_(mutant) {}
  // Of the member behind it.
  void set_newer(bool newer) { newer_ = newer; }

  void reset() {
    incoming_.clear();
    forged_ = 0;
  }
  // What the member sends. `forged`: acknowledgements to be handed to the member at once.
  Bytes outgoing(TimePoint now, Bytes octets, Bytes& forged);
  // What the member is to receive.
  Bytes incoming(TimePoint now, const Bytes& octets);

 private:
  bool idle() const;
  bool change_in(ha::Record& record) const;
  bool change_out(ha::Record& record) const;
  void append_out(Bytes& out, Bytes frame) const;

  Mutant mutant_;
  bool newer_ = false;
  Bytes incoming_;
  std::uint64_t forged_ = 0;  // acknowledged by us so far
};

}  // namespace tandem::sim
