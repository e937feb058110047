// The sound kernels of the self-test, for nvcc: the dialect is CUDA.

#include "faults/accesses.cuh"
#include "faults/reductions.cuh"
#include "faults/tiles.cuh"
#include "faults/waits.cuh"
#include "tenzo/core/dtype.hpp"

namespace tenzo::faults {

void launch_all(const float* x, float* y, const half* a, half* b, const int* i, int* j, unsigned* ticket) {
  launch(BlockSums<>{x, y, 1000}, blocks_for(1000, 256), 256);
  launch(StandardiseRows<>{x, y, 300}, 3, 64);
  launch(AddAll<>{i, j, 777, 32}, blocks_for(777, 128), 128);
  launch(TicketSum<>{x, y, y + 8, ticket, 1000}, 4, 256);
  launch(Scan<>{i, j, 600}, 1, 256);
  launch(TiledMatmul<float>{x, x, y, 17, 5, 33}, {1, 2}, {16, 16});
  launch(TiledMatmul<half>{a, a, b, 17, 5, 33}, {1, 2}, {16, 16});
  launch(Transpose<float>{x, y, 33, 31}, {1, 2}, {32, 8});
  launch(WarpExchange<true>{j}, 1, 64);
  launch(Reverse{x, y}, 1, 1024, 64 << 10);
  launch(CopyFour{x, y, 4, true}, 1, 1);
  const Graph graph = Graph::capture([&] { launch(BlockSums<>{x, y, 1000}, 4, 256); });
  graph.launch();
  synchronize();
}

}  // namespace tenzo::faults
