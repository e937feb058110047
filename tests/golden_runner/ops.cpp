// Finds the family of an operation.
#include "ops.hpp"

namespace golden {

template <class V>
V run_op(const Case& c, const std::vector<V>& x) {
  for (auto* family : {&arithmetic<V>, &elementwise<V>, &shapes<V>, &reductions<V>, &losses<V>, &norms<V>, &products<V>,
                       &complex_ops<V>, &images<V>, &attentions<V>})
    if (std::optional<V> y = family(c, x)) return *y;
  throw Unknown("unknown operation " + c.op);
}

#define GOLDEN_INSTANTIATE(V) template V run_op<V>(const Case&, const std::vector<V>&);
GOLDEN_FOR_EACH_VALUE(GOLDEN_INSTANTIATE)

}  // namespace golden
