// Element-wise functions that loops are given: types of their own, so that every device can be compiled for them.
#pragma once

#include <cmath>
#include <complex>

#include "tenzo/core/device.hpp"

namespace tenzo::fn {

struct Plus {
  template <class T>
  TENZO_FUNCTION T operator()(T a, T b) const {
    return a + b;
  }
};
struct Minus {
  template <class T>
  TENZO_FUNCTION T operator()(T a, T b) const {
    return a - b;
  }
};
struct Times {
  template <class T>
  TENZO_FUNCTION T operator()(T a, T b) const {
    return a * b;
  }
};
struct Over {
  template <class T>
  TENZO_FUNCTION T operator()(T a, T b) const {
    return a / b;
  }
};
/// The first of two.
struct First {
  template <class T>
  TENZO_FUNCTION T operator()(T a, T) const {
    return a;
  }
};
struct Greater {
  template <class T>
  TENZO_FUNCTION bool operator()(T a, T b) const {
    return a > b;
  }
};
struct Less {
  template <class T>
  TENZO_FUNCTION bool operator()(T a, T b) const {
    return a < b;
  }
};

/// s a.
template <class T>
struct ScaleBy {
  T s;
  TENZO_FUNCTION T operator()(T a) const { return s * a; }
};
/// a + c.
template <class T>
struct Shift {
  T c;
  TENZO_FUNCTION T operator()(T a) const { return a + c; }
};
/// a + k b.
template <class T>
struct AddScaled {
  T k;
  TENZO_FUNCTION T operator()(T a, T b) const { return a + k * b; }
};

/// θ − rate (g + decay θ).
template <class T>
struct SgdStep {
  T rate, decay;
  TENZO_FUNCTION T operator()(T x, T g) const { return x - rate * (g + decay * x); }
};
/// θ − rate (sign g + decay θ).
template <class T>
struct SignStep {
  T rate, decay;
  TENZO_FUNCTION T operator()(T x, T g) const { return x - rate * (T(g > T(0)) - T(g < T(0)) + decay * x); }
};
/// a cut to [−limit, limit].
template <class T>
struct Clip {
  T limit;
  TENZO_FUNCTION T operator()(T a) const { return a < -limit ? -limit : (a > limit ? limit : a); }
};

/// The slope of f at x, where f(x) is y, times g.
template <class F>
struct SlopeTimes {
  F f;
  template <class T>
  TENZO_FUNCTION T operator()(T x, T y, T g) const {
    return f.slope(x, y) * g;
  }
};

/// The tangent of f(gate) · up along the gate.
template <class F>
struct GateTangent {
  F f;
  template <class T>
  TENZO_FUNCTION T operator()(T gate, T up, T dgate) const {
    return f.slope(gate, f(gate)) * up * dgate;
  }
};

/// a b of complex numbers, the imaginary parts multiplied by sa and sb first.
template <class T>
struct ComplexProduct {
  T sa, sb;
  TENZO_FUNCTION std::complex<T> operator()(std::complex<T> a, std::complex<T> b) const {
    const T ai = sa * a.imag(), bi = sb * b.imag();
    return std::complex<T>(a.real() * b.real() - ai * bi, a.real() * bi + ai * b.real());
  }
};
struct Conjugate {
  template <class T>
  TENZO_FUNCTION std::complex<T> operator()(std::complex<T> z) const {
    return std::complex<T>(z.real(), -z.imag());
  }
};
/// |z|; the larger part is taken out, so that squares neither overflow nor vanish.
struct Magnitude {
  template <class T>
  TENZO_FUNCTION T operator()(std::complex<T> z) const {
    const T a = std::abs(z.real()), b = std::abs(z.imag()), top = a > b ? a : b, low = a > b ? b : a;
    const T q = top > T(0) ? low / top : T(0);
    return top * std::sqrt(T(1) + q * q);
  }
};
/// One where a is zero.
struct IsZero {
  template <class T>
  TENZO_FUNCTION T operator()(T a) const {
    return T(a == T(0));
  }
};

}  // namespace tenzo::fn
