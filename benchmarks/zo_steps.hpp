// Steps of ZO-SGD on one batch.
#pragma once

#include <string>

#include "tenzo/zo/estimators.hpp"
#include "tenzo/zo/optimizers.hpp"
#include "workloads.hpp"

namespace tenzo::bench {

struct ZoStep {
  zo::DirectionLaw law = zo::DirectionLaw::gaussian;
  bool recorded = false;  // as one CUDA graph; else by rge and apply_estimate_, between which the host waits
};

template <template <class> class M, class Stored, class Loss>
void zo_steps(benchmark::State& s, M<Stored>& model, const Loss& loss, const ZoStep& how, double lr) {
  using D = typename Stored::device;
  const zo::RgeOptions probe{.law = how.law};
  const zo::UpdateOptions update{.lr = lr};
  std::uint32_t step = 0;
#ifdef TENZO_CUDA
  if constexpr (!HostDevice<D>)
    if (how.recorded) {
      cuda::RecordedStep recorded(model, loss, probe, update);
      repeat<D>(s, [&] { recorded(1, step++); });
      return;
    }
#endif
  const zo::ModelLoss at(model, loss);
  zo::UpdateStateOn<D> state;
  repeat<D>(s, [&] { zo::apply_estimate_(model, {}, zo::rge(at, 1, step++, probe), update, state); });
}

/// Registers `name/size`; on a GPU it is the recorded step, beside `name_eager/size`.
template <class D>
void add_zo_step(const std::string& name, const std::string& size, void (*f)(benchmark::State&, const ZoStep&),
                 zo::DirectionLaw law = zo::DirectionLaw::gaussian) {
  add(name + '/' + size, f, ZoStep{law, !HostDevice<D>});
  if constexpr (!HostDevice<D>) add(name + "_eager/" + size, f, ZoStep{law, false});
}

}  // namespace tenzo::bench
