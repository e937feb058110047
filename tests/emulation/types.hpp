// CUDA's built-in types, with CUDA's alignment.
#pragma once

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  constexpr operator uint3() const { return {x, y, z}; }
};

#define TENZO_VECTOR_TYPES(scalar, name)                                  \
  struct alignas(2 * sizeof(scalar)) name##2 {                            \
    scalar x, y;                                                          \
  };                                                                      \
  struct alignas(sizeof(scalar) > 4 ? 16 : 4 * sizeof(scalar)) name##4 {  \
    scalar x, y, z, w;                                                    \
  };                                                                      \
  constexpr name##2 make_##name##2(scalar x, scalar y) { return {x, y}; } \
  constexpr name##4 make_##name##4(scalar x, scalar y, scalar z, scalar w) { return {x, y, z, w}; }

TENZO_VECTOR_TYPES(signed char, char)
TENZO_VECTOR_TYPES(unsigned char, uchar)
TENZO_VECTOR_TYPES(short, short)
TENZO_VECTOR_TYPES(unsigned short, ushort)
TENZO_VECTOR_TYPES(int, int)
TENZO_VECTOR_TYPES(unsigned int, uint)
TENZO_VECTOR_TYPES(float, float)

#undef TENZO_VECTOR_TYPES

// Of eight-byte elements the pairs only: four do not fit into one access.
struct alignas(16) double2 {
  double x, y;
};
struct alignas(16) longlong2 {
  long long x, y;
};
struct alignas(16) ulonglong2 {
  unsigned long long x, y;
};
constexpr double2 make_double2(double x, double y) { return {x, y}; }
constexpr longlong2 make_longlong2(long long x, long long y) { return {x, y}; }
constexpr ulonglong2 make_ulonglong2(unsigned long long x, unsigned long long y) { return {x, y}; }

// Three elements are packed: there is no access of that width.
struct int3 {
  int x, y, z;
};
struct float3 {
  float x, y, z;
};
constexpr int3 make_int3(int x, int y, int z) { return {x, y, z}; }
constexpr uint3 make_uint3(unsigned x, unsigned y, unsigned z) { return {x, y, z}; }
constexpr float3 make_float3(float x, float y, float z) { return {x, y, z}; }
