// Values that the statistics of certificates have to reproduce. They were computed with forty digits (exact binomial
// tails, bisection, the inverse error function) and are known here to 7 to 12.
#pragma once

#include <cstdint>

namespace smug::certify {

/// A Clopper-Pearson lower bound of k in n at level 1 − `level`, to 12 digits, and its normal quantile.
struct KnownBound {
  std::int64_t k, n;
  double level, p, z;  // z: radius / σ; −1: abstains
  int digits;          // that z is known to
};
inline constexpr KnownBound known_bounds[] = {{100, 100, 1e-3, 0.933254300797, 1.500475024, 10},
                                              {99, 100, 1e-3, 0.911373111296, 1.349259039, 10},
                                              {95, 100, 1e-3, 0.844632694190, 1.013681799, 10},
                                              {75, 100, 1e-3, 0.597393155194, 0.2466053165, 10},
                                              {66, 100, 1e-3, 0.501649951337, 0.004135826463, 10},
                                              {65, 100, 1e-3, 0.491375611494, -1, 0},
                                              {1000, 1000, 1e-3, 0.993116048421, 2.463262615, 10},
                                              {990, 1000, 1e-3, 0.976036187155, 1.978009582, 10},
                                              {900, 1000, 1e-3, 0.867464018026, 1.114483162, 10},
                                              {750, 1000, 1e-3, 0.705584825925, 0.5405317834, 10},
                                              {550, 1000, 1e-3, 0.500675960093, 0.001694381491, 10},
                                              {549, 1000, 1e-3, 0.499673064142, -1, 0},
                                              {9, 10, 0.05, 0.605836697563, 0.2684842393, 10},
                                              {10, 10, 0.05, 0.741134449107, 0.646846797, 9},
                                              {1, 10, 0.05, 0.00511619689182, -1, 0},
                                              {10000, 10000, 1e-3, 0.999309463003, 3.198577515, 10},
                                              {9990, 10000, 1e-3, 0.997588308033, 2.8185983, 8},
                                              {9900, 10000, 1e-3, 0.986531159324, 2.212419665, 10},
                                              {9000, 10000, 1e-3, 0.890409733675, 1.228710061, 10},
                                              {7500, 10000, 1e-3, 0.736403566566, 0.6322969337, 10},
                                              {5156, 10000, 1e-3, 0.500099968227, 0.000250583186, 9},
                                              {5155, 10000, 1e-3, 0.499999939407, -1, 0},
                                              {100000, 100000, 1e-3, 0.999930924833, 3.811456563, 10},
                                              {99990, 100000, 1e-3, 0.999758677344, 3.49020768, 9},
                                              {99000, 100000, 1e-3, 0.988989340377, 2.289999955, 10},
                                              {90000, 100000, 1e-3, 0.897036496224, 1.26484469, 9},
                                              {75000, 100000, 1e-3, 0.745746842136, 0.6611652939, 10},
                                              {50490, 100000, 1e-3, 0.500008948774, 2.2431250945e-5, 11},
                                              {50489, 100000, 1e-3, 0.499998948489, -1, 0},
                                              {100000, 100000, 0.01, 0.999953949359, 3.91051043, 9}};
inline constexpr std::int64_t near_tie =
    50490;  // whose quantile cancels all but a few digits: held to an absolute error

/// A two-sided binomial test of one half, and whether it decides at 0.001.
struct KnownTest {
  std::int64_t first, second;
  double p;
  int digits;
  bool decides;
};
inline constexpr KnownTest known_tests[] = {
    {60, 40, 0.05688793364, 10, false},    {66, 34, 0.001789930391, 10, false},   {67, 33, 0.0008737198369, 10, true},
    {552, 448, 0.001115049179, 10, false}, {553, 447, 0.0008899859648, 10, true}, {510, 490, 0.5479727459, 10, false},
    {11, 0, 0.0009765625, 7, true},        {10, 0, 0.001953125, 7, false},        {100, 0, 1.57772181e-30, 9, true}};

/// Order statistics that bound the median for ‖δ‖₂ ≤ shift · σ.
struct KnownOrder {
  std::int64_t n;
  double shift, level;
  std::int64_t low, high;  // 0 and n + 1: none
};
inline constexpr KnownOrder known_orders[] = {
    {100, 0.4, 1e-3, 20, 81},       {1000, 0.4, 1e-3, 299, 702}, {2000, 0.4, 1e-3, 624, 1377},
    {10000, 0.4, 1e-3, 3299, 6702}, {1000, 1, 1e-3, 124, 877},   {10000, 1, 1e-3, 1475, 8526},
    {1000, 0, 1e-3, 451, 550},      {1000, 0.4, 1e-5, 281, 720}, {100, 2, 1e-3, 0, 101}};

}  // namespace smug::certify
