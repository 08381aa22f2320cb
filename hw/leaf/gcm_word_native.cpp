// SPDX-License-Identifier: Apache-2.0
#include "hw/leaf/gcm_word_native.hpp"

#include <stdexcept>

#ifdef TANDEM_RTL
#include <Vgcm_word.h>
#include <verilated.h>
#endif

namespace tandem {
namespace card {

#ifdef TANDEM_RTL

struct GcmWordModel::Impl {
  VerilatedContext context;
  Vgcm_word top;
  Impl() : context(), top(&context) {}
};

namespace {

template <typename Pins, int kBits>
void put(Pins& pins, const EngineItem<kBits>& item) {
  for (std::size_t i = 0; i < kBits / 64; ++i) {
    pins[2 * i] = static_cast<EData>(item.parts[i]);
    pins[2 * i + 1] = static_cast<EData>(item.parts[i] >> 32);
  }
}

template <typename Pins, int kBits>
void take(const Pins& pins, EngineItem<kBits>& item) {
  for (std::size_t i = 0; i < kBits / 64; ++i) {
    item.parts[i] = std::uint64_t{pins[2 * i + 1]} << 32 | pins[2 * i];
  }
}

}  // namespace

bool GcmWordModel::built_in() { return true; }

GcmWordModel::GcmWordModel() : impl_(new Impl) {
  // Long enough for the reset to pass its register and to empty every valid bit behind it.
  constexpr int kResetClocks = 40;
  const GcmWordIn idle = {};
  impl_->top.ap_rst_n = 0;
  for (int i = 0; i < kResetClocks; ++i) {
    clock(idle);
  }
  impl_->top.ap_rst_n = 1;
  clock(idle);
  clock(idle);
}

GcmWordModel::~GcmWordModel() {
  impl_->top.final();
  delete impl_;
}

GcmWordOut GcmWordModel::clock(const GcmWordIn& in) {
  Vgcm_word& top = impl_->top;
  put(top.key_TDATA, in.key);
  put(top.job_TDATA, in.job);
  put(top.source_TDATA, in.source);
  top.key_TVALID = in.key_valid;
  top.job_TVALID = in.job_valid;
  top.source_TVALID = in.source_valid;
  top.target_TREADY = in.target_ready;
  top.tag_TREADY = in.tag_ready;
  top.ap_clk = 0;
  top.eval();
  GcmWordOut out;
  take(top.target_TDATA, out.target);
  take(top.tag_TDATA, out.tag);
  out.key_ready = top.key_TREADY != 0;
  out.job_ready = top.job_TREADY != 0;
  out.source_ready = top.source_TREADY != 0;
  out.target_valid = top.target_TVALID != 0;
  out.tag_valid = top.tag_TVALID != 0;
  top.ap_clk = 1;
  top.eval();
  return out;
}

#else

struct GcmWordModel::Impl {};

bool GcmWordModel::built_in() { return false; }

GcmWordModel::GcmWordModel() : impl_(nullptr) {
  throw std::runtime_error("the RTL engine is not built in: Verilator was not found when this tree was configured");
}

GcmWordModel::~GcmWordModel() {}

GcmWordOut GcmWordModel::clock(const GcmWordIn&) { return {}; }

#endif

}  // namespace card
}  // namespace tandem
