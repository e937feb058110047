// Unrolled reconstruction: a denoiser and data consistency in turn, plainly or with smoothing in one of its places.
//   Source  Aggarwal, Mani, Jacob 2019, "MoDL"; Li et al. 2023, "SMUG"; Liang et al. 2025, "Robust MRI reconstruction
//           by smoothed unrolling (SMUG)", with the weighted form.
#pragma once

#include <cstdint>
#include <utility>

#include "tenzo/autodiff/checkpoint.hpp"
#include "tenzo/models/noise_weighting.hpp"
#include "tenzo/mri/normal_solve.hpp"
#include "tenzo/mri/smoothing_noise.hpp"
#include "tenzo/train/classifier.hpp"

namespace tenzo::mri {

/// Where the mean over noise stands. z = Aᴴ y, D the denoiser, DC(d) = argmin_x ‖A x − y‖² + λ ‖x − d‖².
enum class Smoothing {
  none,      // MoDL: xⁿ⁺¹ = DC(D(xⁿ))
  denoiser,  // SMUG: xⁿ⁺¹ = DC(E D(xⁿ + η)); with a weighting network the weighted form; with one sample jittering
  step,      // SMUGv0: xⁿ⁺¹ = E DC(D(xⁿ + η)), the same numbers, after as many solutions as samples
  input,     // RS-E2E: E f(z + η), noise in the first denoiser's input alone
  measurements,  // RS-E2E: E f(Aᴴ(y + η)), noise on the sampled k-space, seen by denoiser and data consistency
};

struct UnrolledSettings {
  int steps = 8;
  Smoothing smoothing = Smoothing::none;
  double sigma = 0.01;      // of η on the real and on the imaginary part, in units of the image
  int samples = 10;         // of the mean
  bool clamp = true;        // noisy inputs to [−1, 1]: without it training may diverge
  bool fresh_noise = true;  // other noise in each step; else the same in all
  bool recompute = true;    // reverse mode keeps what goes into a denoiser, and calls it again on the way back; not in
                            // the last step, whose memory is free by the time that the first is gone back through

  bool end_to_end() const { return smoothing == Smoothing::input || smoothing == Smoothing::measurements; }
  bool per_step() const { return smoothing == Smoothing::denoiser || smoothing == Smoothing::step; }
};

/// The batch statistics of a training pass.
template <Plain P>
struct UnrolledStatistics {
  BatchStatistics<P> denoiser, weighting;
};

/// Sees each sample: (step, sample, xⁿ, what the denoiser made of it), images (n, H, W, 2); with Smoothing::step the
/// last is what data consistency made of that.
struct NoWatch {
  void operator()(int, int, const auto&, const auto&) const {}
};

namespace detail {

/// A network's call on images, from its arguments alone: what may be made again instead of kept.
///   Images come back as images, numbers of each image (n, 1) as they are.
template <Plain P>
struct ImageCall {
  BatchStatistics<P>* training = nullptr;  // where a training pass notes its batch statistics
  bool again = false;                      // another call follows in the backward pass

  template <Tree M, Value X>
  auto operator()(const M& network, const X& x) const {  // (n, H, W, 2) -> the same, or (n, 1)
    using V = promote_t<leaf_t<M>, X>;
    const V channels = permute(lift<V>(x), {0, 3, 1, 2});
    V y;
    if constexpr (HasBatchNorm<M, V>) {
      // The first of two calls is on plain values, and has noted them.
      BatchStatistics<P> noted;
      y = network(channels, training && again && !Plain<V> ? &noted : training);
    } else {
      y = network(channels);
    }
    return y.shape().rank() == 4 ? permute(y, {0, 2, 3, 1}) : y;
  }
};

}  // namespace detail

/// The family of reconstructions with a denoiser: Unrolled<ResidualCnn>::Model<V> is one over the value V.
template <template <class> class Denoiser>
struct Unrolled {
  /// x⁰ = z, xⁿ⁺¹ = DC(D_θ(xⁿ)) with one θ for all steps, smoothed as the settings say.
  ///   Leaves are "denoiser.…", "weighting.…" and "lambda".
  ///   Memory  in reverse mode the images between, and the calls of the denoiser in the last step.
  template <class V>
  struct Model {
    Denoiser<V> denoiser;         // (n, 2, H, W) -> the same
    NoiseWeighting<V> weighting;  // undefined: all samples count alike
    V lambda;                     // of rank 0, more than 0
    UnrolledSettings settings;

    static void visit(auto&& f, auto&... self) {
      f("denoiser", self.denoiser...);
      f("weighting", self.weighting...);
      f("lambda", self.lambda...);
      f("settings", self.settings...);
    }

    /// The reconstruction. z (n, H, W, 2) is Aᴴ y; the solver knows A (RowSolver, CgSolver, UnrolledCg).
    template <class S, Value Z, class Watch = NoWatch>
    auto operator()(const S& solver, const Z& z, const SmoothingNoise& noise = {}, Watch&& watch = {},
                    UnrolledStatistics<plain_t<V>>* training = nullptr) const {  // -> (n, H, W, 2)
      using X = promote_t<V, Z>;
      check();
      if (!settings.end_to_end()) return X(unroll(solver, z, lift<X>(z), noise, watch, training));
      X total;
      for (int m = 0; m < settings.samples; ++m) total = plus(total, X(sample(solver, z, noise, m, watch, training)));
      return scale(total, 1.0 / settings.samples);
    }

    /// Sample m of an end-to-end mean: one whole reconstruction.
    template <class S, Value Z, class Watch = NoWatch>
    auto sample(const S& solver, const Z& z, const SmoothingNoise& noise, int m, Watch&& watch = {},
                UnrolledStatistics<plain_t<V>>* training = nullptr) const {
      using X = promote_t<V, Z>;
      if (settings.smoothing == Smoothing::measurements) {
        const auto& e = solver.encoding();
        const Shape& s = z.shape();
        const auto eta =
            noise.template on<plain_t<Z>>({s[0], e.coils(), s[1], s[2], 2}, settings.sigma, 0, std::uint32_t(m));
        const X noisy = lift<X>(add(z, e.adjoint(eta)));
        return X(unroll(solver, noisy, noisy, noise, watch, training));
      }
      return X(unroll(solver, z, lift<X>(noisy_input(z, noise, 0, m)), noise, watch, training));
    }

    /// All steps from x on, data consistency with z: the two differ where noise or an attack has touched one of them.
    template <class S, Value Z, Value X, class Watch = NoWatch>
    auto unroll(const S& solver, const Z& z, const X& x, const SmoothingNoise& noise = {}, Watch&& watch = {},
                UnrolledStatistics<plain_t<V>>* training = nullptr) const {
      using Y = promote_t<promote_t<V, Z>, X>;
      Y y = lift<Y>(x);
      for (int n = 0; n < settings.steps; ++n) y = step(solver, lift<Y>(z), y, n, noise, watch, training);
      return y;
    }

    /// D_θ of images, without noise.
    template <Value X>
    auto denoised(const X& x, UnrolledStatistics<plain_t<V>>* training = nullptr) const {  // (n, H, W, 2) -> the same
      return called(denoiser, x, training ? &training->denoiser : nullptr, settings.recompute);
    }
    /// x + η, clamped: what a denoiser sees.
    template <Value X>
    X noisy_input(const X& x, const SmoothingNoise& noise, int n, int m) const {
      const X v = add(x, noise.template on<plain_t<X>>(x.shape(), settings.sigma, std::uint32_t(n), std::uint32_t(m)));
      return settings.clamp ? clamp(v, -1, 1) : v;
    }

    /// Takes the statistics of a training pass into the running ones.
    template <Plain P>
    void update_running_(const UnrolledStatistics<P>& s) {
      if constexpr (requires { denoiser.update_running_(s.denoiser); }) denoiser.update_running_(s.denoiser);
      weighting.update_running_(s.weighting);
    }

    void check() const {
      require(settings.steps >= 0 && settings.steps <= 256, "unrolled: ", settings.steps, " steps");
      require(settings.sigma >= 0 && settings.samples > 0, "unrolled: noise of ", settings.sigma, ", ",
              settings.samples, " samples");
      require(!weighting.defined() || settings.smoothing == Smoothing::denoiser,
              "unrolled: weights are for smoothing at the denoiser");
    }

   private:
    /// A network's call on images, made again in the backward pass or kept for it.
    template <class M, Value X>
    static auto called(const M& network, const X& x, BatchStatistics<plain_t<V>>* training, bool again) {
      const detail::ImageCall<plain_t<V>> f{training, again};
      using Y = promote_t<V, X>;
      return again ? Y(checkpoint(f, network, lift<Y>(x))) : Y(f(network, x));
    }

    template <class S, Value Y, class Watch>
    Y step(const S& solver, const Y& z, const Y& x, int n, const SmoothingNoise& noise, Watch& watch,
           UnrolledStatistics<plain_t<V>>* training) const {
      const bool again = settings.recompute && n + 1 < settings.steps;
      const auto denoise = [&](const Y& v) {
        return Y(called(denoiser, v, training ? &training->denoiser : nullptr, again));
      };
      if (!settings.per_step()) {
        const Y d = denoise(x);
        watch(n, 0, x, d);
        return consistent(solver, z, d, lambda);
      }
      Y mean, total;
      for (int m = 0; m < settings.samples; ++m) {
        const Y v = noisy_input(x, noise, settings.fresh_noise ? n : 0, m);
        Y d = denoise(v);
        if (settings.smoothing == Smoothing::step) d = consistent(solver, z, d, lambda);
        watch(n, m, x, d);
        if (weighting.defined()) {
          const Y w = weight(v, training, again);
          mean = plus(mean, mul(w, d));
          total = plus(total, w);
        } else {
          mean = plus(mean, d);
        }
      }
      mean = total.defined() ? div(mean, clamp(total, 1e-8, settings.samples)) : scale(mean, 1.0 / settings.samples);
      return settings.smoothing == Smoothing::step ? mean : Y(consistent(solver, z, mean, lambda));
    }

    template <Value Y>
    Y weight(const Y& v, UnrolledStatistics<plain_t<V>>* training, bool again) const {  // -> (n, 1, 1, 1)
      return reshape(Y(called(weighting, v, training ? &training->weighting : nullptr, again)), {-1, 1, 1, 1});
    }
  };
};

/// A reconstruction with this denoiser and λ.
template <template <class> class Denoiser, Plain P>
typename Unrolled<Denoiser>::template Model<P> unrolled(Denoiser<P> denoiser, const UnrolledSettings& settings = {},
                                                        double lambda = 1) {
  typename Unrolled<Denoiser>::template Model<P> m;
  m.denoiser = std::move(denoiser);
  m.lambda = P::scalar(scalar_t<P>(lambda));
  m.settings = settings;
  m.check();
  return m;
}

/// Whether a leaf is λ: it is often fixed.
inline bool is_lambda(const Path& leaf) { return leaf.name == "lambda" && leaf.parent && !leaf.parent->parent; }

}  // namespace tenzo::mri
